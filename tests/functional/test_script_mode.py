"""A user's script as a job: how each way to end looks from outside, and what reaches the script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from tests.conftest import ROOT
from tests.datasets import iris_rows
from tests.script_jobs import ScriptEnded, run_script_job, script_job

# On a line of its own: "ready" is also the end of a word of ours.
READY = b"\nready"
# Sets the wait of a script that does not heed SIGTERM; SageMaker's two minutes are for jobs.
GRACE_S = "1"
# Whatever is waited for in vain is waited for much longer.
SOON_S = 30

HANDLER = """
import signal, sys, time
def stop(number, frame):
    print("saving", flush=True)
    sys.exit({code})
signal.signal(signal.SIGTERM, stop)
print("ready")
time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"
FORKS = """
import os, sys, time
# One child stays in the group; one leaves it, its session and its parent.
if os.fork() == 0:
    time.sleep(60)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
os.wait()
print("children are there")
sys.exit({code})
"""


def ended(root: Path, source: str) -> ScriptEnded:
    return run_script_job(script_job(root, {"train.py": source}))


@pytest.mark.parametrize(
    ("source", "code", "reason"),
    [
        ("", 0, None),
        ("import sys; sys.exit(0)", 0, None),
        ("raise SystemExit", 0, None),
        ("import sys; sys.exit(7)", 1, "AlgorithmError: train.py ended with exit code 7"),
        (
            "import os; os._exit(255)",
            1,
            "AlgorithmError: train.py ended with exit code 255",
        ),
        (
            "raise SystemExit('no rows')",
            1,
            "AlgorithmError: train.py ended with exit code 1; stderr ends: no rows",
        ),
        (
            "def fit():\n    raise ValueError('c is -1')\nfit()",
            1,
            "AlgorithmError: ValueError: c is -1; train.py ended with exit code 1; stderr ends: ",
        ),
        (
            "x = = 1",
            1,
            "AlgorithmError: SyntaxError: invalid syntax; train.py ended with exit code 1; ",
        ),
        (
            "import os; os.kill(os.getpid(), 9)",
            1,
            "PlatformError: train.py was killed (SIGKILL); most likely the instance ran out of mem",
        ),
        (
            "import os; os.kill(os.getpid(), 11)",
            1,
            "AlgorithmError: train.py was ended by SIGSEGV",
        ),
    ],
)
def test_each_way_to_end_by_itself_is_reported(
    tmp_path: Path, source: str, code: int, reason: str | None
) -> None:
    job = ended(tmp_path, source)

    assert job.code == code, job.output
    assert (job.failure or "").startswith(reason or "")
    assert (job.failure is None) == (reason is None)
    assert len((job.failure or "").splitlines()) <= 1
    assert job.left_running == ()


def test_a_script_without_a_handler_dies_of_the_stop(tmp_path: Path) -> None:
    opt_ml = script_job(tmp_path, {"train.py": "import time; print('ready'); time.sleep(60)"})

    job = run_script_job(opt_ml, stop_at=READY)

    assert job.code == 1
    assert (
        job.failure
        == "PlatformError: train.py was stopped: after SIGTERM it was ended by SIGTERM\n"
    )
    assert job.seconds < SOON_S
    assert job.left_running == ()


@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [
        (0, 0, None),
        (3, 1, "PlatformError: train.py was stopped: after SIGTERM it ended with exit code 3\n"),
    ],
)
def test_a_script_with_a_handler_says_itself_how_it_ends(
    tmp_path: Path, code: int, exit_code: int, reason: str | None
) -> None:
    opt_ml = script_job(tmp_path, {"train.py": HANDLER.format(code=code)})

    job = run_script_job(opt_ml, stop_at=READY)

    assert job.code == exit_code
    assert job.failure == reason
    assert job.own_output == b"ready\nsaving\n"
    assert job.seconds < SOON_S
    assert job.left_running == ()


def test_a_script_that_ignores_the_stop_is_killed_at_the_end_of_the_grace(tmp_path: Path) -> None:
    opt_ml = script_job(tmp_path, {"train.py": DEAF})

    job = run_script_job(opt_ml, stop_at=READY, CROSSFOLD_SCRIPT_GRACE_S=GRACE_S)

    assert job.code == 1
    assert job.failure == (
        "PlatformError: train.py was stopped: it still ran 1 s after SIGTERM, and was killed\n"
    )
    assert 1 <= job.seconds < SOON_S
    assert job.left_running == ()


def test_a_script_has_longer_than_a_training_of_ours(tmp_path: Path) -> None:
    """Ours is left to its fate after 9 s; a script may use the window that SageMaker gives."""
    source = HANDLER.format(code=0).replace('print("saving"', 'time.sleep(11); print("saving"')
    opt_ml = script_job(tmp_path, {"train.py": source})

    job = run_script_job(opt_ml, stop_at=READY)

    assert (job.code, job.own_output) == (0, b"ready\nsaving\n")
    assert 11 <= job.seconds < SOON_S


@pytest.mark.parametrize("code", [0, 7])
def test_children_that_a_script_leaves_behind_end_with_it(tmp_path: Path, code: int) -> None:
    job = ended(tmp_path, FORKS.format(code=code))

    assert job.code == (1 if code else 0)
    assert b"2 processes that train.py left behind were ended" in job.output
    assert job.seconds < SOON_S
    assert job.left_running == ()


@pytest.mark.parametrize("victim", ["supervisor", "worker"])
def test_nothing_outlives_a_killed_parent(tmp_path: Path, victim: str) -> None:
    source = FORKS.format(code=0).replace("sys.exit", "print('ready'); time.sleep(60); sys.exit")

    def kill(process: subprocess.Popen[bytes]) -> None:
        import psutil

        supervisor = psutil.Process(process.pid)
        (supervisor if victim == "supervisor" else supervisor.children()[0]).kill()

    job = run_script_job(script_job(tmp_path, {"train.py": source}), stop_at=READY, act=kill)

    assert job.code == (-signal.SIGKILL if victim == "supervisor" else 1)
    assert job.left_running == ()


def test_a_script_that_kills_its_watcher_ends_at_once(tmp_path: Path) -> None:
    job = ended(tmp_path, "import os, time; os.kill(os.getppid(), 9); time.sleep(60)")

    assert job.code == 1
    assert (job.failure or "").startswith("PlatformError: the process that watched ")
    assert job.seconds < SOON_S
    assert job.left_running == ()


def test_output_passes_byte_for_byte(tmp_path: Path) -> None:
    source = (
        "import os, sys\n"
        "os.write(1, b'\\xff\\x00 no line\\r' + bytes(range(256)))\n"
        "os.write(2, b'\\xfe\\r\\n\\x1b[0m')\n"
    )

    job = ended(tmp_path, source)

    assert job.own_output == b"\xff\x00 no line\r" + bytes(range(256))
    assert job.errors == b"\xfe\r\n\x1b[0m"


def test_output_comes_when_it_is_written_and_not_at_the_end(tmp_path: Path) -> None:
    source = "import time; print('ready', end=''); time.sleep(60)"

    job = run_script_job(script_job(tmp_path, {"train.py": source}), stop_at=READY)

    assert job.own_output == b"ready"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_hundred_megabytes_pass_whole(tmp_path: Path, stream: str) -> None:
    source = (
        "import sys\n"
        f"out = sys.{stream}.buffer\n"
        "for number in range(1600):\n"
        "    out.write(number.to_bytes(4, 'big') * 16384)\n"
        "raise KeyError('last')\n"
    )

    job = ended(tmp_path, source)

    passed = job.own_output if stream == "stdout" else job.errors
    assert len(passed) >= 1600 * 65536
    assert all(
        passed[each * 65536 : (each + 1) * 65536] == each.to_bytes(4, "big") * 16384
        for each in range(1600)
    )
    assert (job.failure or "").startswith("AlgorithmError: KeyError: 'last'; ")


def test_a_failure_file_of_the_script_stays_as_it_is(tmp_path: Path) -> None:
    opt_ml = script_job(tmp_path, {})
    text = "two\nlines of my own, ünd kein Zeilenende"
    source = (
        f"open({str(opt_ml.failure)!r}, 'w', encoding='utf-8').write({text!r}); raise ValueError"
    )
    script_job(tmp_path, {"train.py": source})
    opt_ml.output.mkdir(parents=True)

    job = run_script_job(opt_ml)

    assert (job.code, job.failure) == (1, text)
    assert b"ValueError; train.py ended with exit code 1" in job.output


def test_an_earlier_failure_file_is_not_taken_for_the_scripts(tmp_path: Path) -> None:
    opt_ml = script_job(tmp_path, {"train.py": "raise ValueError('new')"})
    opt_ml.output.mkdir(parents=True)
    opt_ml.failure.write_text("old")

    assert (run_script_job(opt_ml).failure or "").startswith("AlgorithmError: ValueError: new; ")


NASTY = {
    "spaces": " two  words ",
    "quotes": "'single' \"double\" \\back",
    "shell": "$(touch pwned) `touch pwned` ; touch pwned | & > < * ? ~ $HOME",
    "newline": "a\nb\r\n\tc",
    "unicode": "größe 世界 🙂",
    "dashes": "--looks-like-an-option",
    "empty": "",
    "long": "x" * 2500,
    "json": '{"a": [1, {"b": null}], "c": "d e"}',
    "number": "1e-05",
    "flag": "true",
    "python": "True",
    "z": "7",
}
ECHO = """
import json, os, sys
json.dump({"argv": sys.argv[1:], "hps": os.environ["SM_HPS"], "long": os.environ["SM_HP_LONG"]},
          open(os.path.join(os.environ["SM_MODEL_DIR"], "seen.json"), "w"))
"""
SHELL_ECHO = f"python - \"$@\" <<'END'\n{ECHO}\nEND\n"


@pytest.mark.parametrize(
    ("program", "source"),
    [
        ("train.py", ECHO),
        ("train.sh", SHELL_ECHO),
        ("train.sh", "#!/bin/bash\nset -eu -o pipefail\n" + SHELL_ECHO),
        ("my train.py", ECHO),
    ],
)
def test_hyperparameters_reach_the_script_unchanged(
    tmp_path: Path, program: str, source: str
) -> None:
    opt_ml = script_job(tmp_path, {program: source}, NASTY, program=program)

    job = run_script_job(opt_ml, SAGEMAKER_PROGRAM="other.py")

    assert job.code == 0, job.output + job.errors
    seen = json.loads((opt_ml.model / "seen.json").read_text(encoding="utf-8"))
    as_json = {"json": json.loads(NASTY["json"]), "number": 1e-05, "flag": True, "z": 7}
    assert json.loads(seen["hps"]) == NASTY | as_json
    assert seen["long"] == NASTY["long"]
    as_text = {"json": "a=[1, {'b': None}],c=d e", "flag": "True"}
    expected = []
    for name in sorted(NASTY):
        expected += ["-z" if name == "z" else f"--{name}", (NASTY | as_text)[name]]
    assert seen["argv"] == expected
    assert list(tmp_path.rglob("pwned")) == []


def test_as_many_and_as_long_hyperparameters_as_sagemaker_allows(tmp_path: Path) -> None:
    """Together they are longer than one variable may be; the arguments hold all of them."""
    source = "import sys; print(len(sys.argv), sum(map(len, sys.argv[2::2])))"
    given = {f"name{number:02}": "x" * 2500 for number in range(98)}

    job = run_script_job(script_job(tmp_path, {"train.py": source}, given))

    assert job.own_output == b"197 245000\n"
    assert b"variable 'SM_HPS' is left out: " in job.output


def test_a_hyperparameter_that_no_program_can_be_given_is_named(tmp_path: Path) -> None:
    job = run_script_job(script_job(tmp_path, {"train.py": ""}, {"name": "a\0b"}))

    assert job.failure is not None
    assert job.failure.startswith("UserError: hyperparameter 'name' is 'a\\x00b'; expected neither")


def test_the_folder_of_intermediate_output_is_there(tmp_path: Path) -> None:
    source = "import os; open(os.environ['SM_OUTPUT_INTERMEDIATE_DIR'] + '/a', 'w').close()"

    assert run_script_job(script_job(tmp_path, {"train.py": source})).code == 0


def test_a_shell_script_is_told_of_the_stop_together_with_what_it_runs(tmp_path: Path) -> None:
    files = {"train.sh": "python train.py\necho not reached", "train.py": HANDLER.format(code=0)}

    job = run_script_job(script_job(tmp_path, files, program="train.sh"), stop_at=READY)

    assert b"saving" in job.own_output
    assert job.seconds < SOON_S
    assert job.left_running == ()


def test_a_script_without_channels_and_configuration_runs(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("import os; print(os.environ['SM_CURRENT_HOST'])")
    job = run_script_job(OptMl(tmp_path), SAGEMAKER_PROGRAM="train.py")

    assert (job.code, job.own_output) == (0, b"algo-1\n")


def test_a_root_that_is_named_from_here_leads_there_from_the_scripts_own_folder(
    tmp_path: Path,
) -> None:
    source = "import os; print(os.listdir(os.environ['SM_CHANNEL_TRAIN']))"
    rows = {"train": {"rows.csv": "1,2\n"}}
    opt_ml = script_job(tmp_path, {"train.py": source}, channels=rows)

    job = run_script_job(opt_ml, SAGEMAKER_BASE_DIR=os.path.relpath(tmp_path))

    assert (job.code, job.own_output) == (0, b"['rows.csv']\n")


def test_hosts_that_do_not_resolve_are_not_waited_for(tmp_path: Path) -> None:
    opt_ml = script_job(tmp_path, {"train.py": "import os; print(os.environ['SM_HOSTS'])"})
    hosts = {"current_host": "algo-1-abcde", "hosts": ["algo-1-abcde", "algo-2-fghij"]}
    opt_ml.resource_config.write_text(json.dumps(hosts | {"topology": None}))

    # A name server that is there and keeps silent shall not be waited for.
    job = run_script_job(opt_ml, RES_OPTIONS="timeout:1 attempts:1")

    assert job.own_output == b'["algo-1-abcde","algo-2-fghij"]\n'
    # Who waits for a leader does so for 30 s.
    assert job.seconds < 25


def test_the_sample_script_trains_scores_and_saves(tmp_path: Path) -> None:
    import joblib
    import numpy as np
    from sklearn.svm import SVC

    rows = iris_rows()
    train, held_out = rows[::2], rows[1::2]
    files = {"sklearn_svm.py": (ROOT / "local_test/scripts/sklearn_svm.py").read_text()}
    given = {"c": "0.5", "gamma": '"scale"', "kernel": "linear", "_tuning_objective_metric": "x"}
    channels = {
        name: {"a.csv": "".join(",".join(map(str, row)) + "\n" for row in part)}
        for name, part in {"train": train, "validation": held_out}.items()
    }
    opt_ml = script_job(tmp_path, files, given, program="sklearn_svm.py", channels=channels)

    job = run_script_job(opt_ml)

    assert job.code == 0, job.errors
    model = joblib.load(opt_ml.model / "model.joblib")
    table, other = np.array(train, float), np.array(held_out, float)
    expected = SVC(C=0.5, kernel="linear").fit(table[:, 1:], table[:, 0])
    assert np.array_equal(model.predict(other[:, 1:]), expected.predict(other[:, 1:]))
    score = expected.score(other[:, 1:], other[:, 0])
    assert f"validation:accuracy={score};".encode() in job.own_output
    # It has a model_fn, so that the model can be served as it is.
    assert (opt_ml.model / "code/inference.py").read_text() == files["sklearn_svm.py"]


def test_a_models_code_lies_beside_it_whether_or_not_it_was_cross_validated(tmp_path: Path) -> None:
    """For an image of one's own the SDK names no script when it deploys."""
    from serve.settings import ScriptSettings
    from serve.user_script.finding import find_script

    source = "open('log', 'w'); print('validation:x=1;', end='')\ndef model_fn(model_dir): ..."
    files = {"train.py": source, "words.txt": "a b", ".env": "SECRET=1", ".git/config": "[core]"}
    rows = {"train": {"rows.csv": "1,2\n3,4\n5,6\n"}}
    given: dict[str, dict[str, object]] = {"single": {}, "cross-validated": {"cv_folds": 3}}

    for name, hyperparameters in given.items():
        opt_ml = script_job(tmp_path / name, files, hyperparameters, channels=rows)
        job = run_script_job(opt_ml)

        assert job.code == 0, job.output
        visible = {path.name for path in (opt_ml.model / "code").glob("[!.]*")}
        assert visible == {"train.py", "inference.py", "words.txt"}
        assert not (opt_ml.model / "code/.env").exists()
        script = find_script(opt_ml.model, ScriptSettings())
        assert script is not None
        assert script.program.read_text() == source
        if name == "single":
            assert job.own_output == b"validation:x=1;"


def test_a_script_that_leaves_no_model_folder_has_not_failed(tmp_path: Path) -> None:
    job = ended(tmp_path, "import os, shutil; shutil.rmtree(os.environ['SM_MODEL_DIR'])")

    assert (job.code, job.own_output) == (0, b"")
    assert not job.opt_ml.model.exists()


def test_code_that_an_earlier_run_brought_is_brought_anew(tmp_path: Path) -> None:
    model_fn = "def model_fn(model_dir): return {}"
    for version in (1, 2):
        opt_ml = script_job(tmp_path, {"train.py": model_fn.format(version)})
        assert run_script_job(opt_ml).code == 0

    assert (opt_ml.model / "code/inference.py").read_text() == model_fn.format(2)


def test_a_wheel_in_the_source_is_installed_without_a_network(
    tmp_path: Path, bare_environ: dict[str, str]
) -> None:
    """In a virtual environment of its own, so that this one stays as it is."""
    import venv

    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    site = next((home / "lib").glob("python3*")) / "site-packages"
    (site / "ours.pth").write_text("\n".join(path for path in sys.path if path))
    wheel = _wheel(tmp_path / "job" / "code")
    files = {
        "requirements.txt": f"# ours\n./{wheel}\n",
        "train.py": "import tinypkg; print(tinypkg.N)",
    }
    opt_ml = script_job(tmp_path / "job", files)

    job = run_script_job(opt_ml, python=str(home / "bin/python"), PIP_NO_INDEX="1")

    assert job.code == 0, job.output
    assert job.output.endswith(b" hyperparameters\n41\n")


def test_what_pip_cannot_install_is_named(tmp_path: Path) -> None:
    files = {"requirements.txt": "no-such-package-of-ours==1\n", "train.py": "print('reached')"}

    job = run_script_job(script_job(tmp_path, files), PIP_NO_INDEX="1")

    assert job.code == 1
    assert (job.failure or "").startswith(
        "UserError: pip install --requirement requirements.txt ended with exit code 1: "
        "Could not find a version that satisfies the requirement no-such-package-of-ours==1"
    )
    assert b"reached" not in job.output


def _wheel(folder: Path) -> str:
    import zipfile

    folder.mkdir(parents=True)
    name = "tinypkg-1.0-py3-none-any.whl"
    info = "tinypkg-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("tinypkg.py", "N = 41\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return name


def test_the_same_with_sagemaker_training_installed(tmp_path: Path) -> None:
    python = os.environ.get("CROSSFOLD_SCRIPT_MODE_PYTHON")
    if not python:
        pytest.skip("sagemaker-training is not here; `make test-script-mode` installs it")
    source = "import os; print(os.environ['SM_HPS'], os.environ['SM_NUM_NEURONS'])"
    jobs = [
        run_script_job(script_job(tmp_path / name, {"train.py": source}, NASTY), python=each)
        for name, each in {"without": sys.executable, "with": python}.items()
    ]

    assert [job.code for job in jobs] == [0, 0], jobs[1].output
    assert jobs[0].own_output == jobs[1].own_output
    assert b"sagemaker-training failed" not in jobs[1].output
