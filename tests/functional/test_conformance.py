"""The conformance kit itself: a sound container passes, and each broken one is found out.

`make smoke` runs all of its cases; here a few go through both back-ends, the second one in front of
a stand-in for Docker's client that keeps the words it was given.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from local_test.conformance.__main__ import NOTHING_TESTED, main
from local_test.conformance.case import Case
from local_test.conformance.case_files import read_cases
from local_test.conformance.docker_backend import DockerBackend
from local_test.conformance.process_backend import ProcessBackend
from local_test.conformance.runner import Outcome, Runner
from local_test.conformance.running import Running, Unavailable, started
from tests.conftest import ROOT

CASES = read_cases()

# Answers `inspect` and `version`, writes down what `run` was told, and leaves a model.
DOCKER = """#!/bin/sh
here=$(dirname "$0")
case $1 in
    version) echo 1 ;;
    inspect) echo '["/entry", "-x"]' ;;
    run) printf '%s\\n' "$@" > "$here/words"
         for word in "$@"; do
             root=${word#--volume=}
             case $root in *:/opt/ml) touch "${root%:/opt/ml}/model/m" ;; esac
         done ;;
esac
"""


class Program:
    """Runs a line of Python instead of the command, in the tree."""

    def __init__(self, code: str) -> None:
        self._code = code

    def refuses(self, case: Case) -> str | None:
        return None

    @contextlib.contextmanager
    def start(self, case: Case, root: Path) -> Iterator[Running]:
        log = root.parent / "log"
        words = [sys.executable, "-Iu", "-c", self._code]
        with started(words, environ={}, folder=root, log_path=log) as process:
            yield Running(process, log, str(root), lambda: 1, lambda _: process.terminate())


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "docker"
    path.parent.mkdir()
    path.write_text(DOCKER)
    path.chmod(0o755)
    return path


def _outcome(tmp_path: Path, name: str, code: str) -> Outcome:
    (outcome,) = Runner(CASES, Program(code), tmp_path).run([name])
    return outcome


def _words(docker: Path, tmp_path: Path, case: Case) -> list[str]:
    backend = DockerBackend("image:1", docker=str(docker))
    list(Runner({case.name: case}, backend, tmp_path / "trees").run([case.name]))
    words = (docker.parent / "words").read_text().splitlines()
    return [word.replace(str(tmp_path / "trees" / case.name / "ml"), "ROOT") for word in words]


def test_the_commands_of_this_checkout_pass(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["fail-hyperparameter-range", "stop-serve", "serve-arguments", "start-default-command"]

    code = main(["--backend", "process", "--case", *names])

    out = capsys.readouterr().out
    assert code == 0, out
    assert "4 passed, 0 failed, 1 skipped" in out


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("job", "import sys; sys.exit(3)", "exit code is 3, expected 0"),
        ("job", "", "no file 'model/*'"),
        (
            "job",
            "open('model/m','w'); open('input/data/train/part-1.csv','w')",
            "files changed below input/data",
        ),
        ("fail-without-data", "import sys; sys.exit(1)", "no failure file"),
        (
            "fail-without-data",
            "import sys; open('output/failure','w').write('x' * 1025); sys.exit(1)",
            "the reason has 1025 characters",
        ),
        ("stop-xgboost", "print('[20]'); open('model/model.ubj','w')", "cannot be read as JSON"),
        ("stop-xgboost", "print('[19]')", "no log line matched"),
    ],
)
def test_a_program_that_breaks_the_contract_fails(
    tmp_path: Path, name: str, code: str, said: str
) -> None:
    outcome = _outcome(tmp_path, name, code)

    assert not outcome.passed
    assert any(said in complaint for complaint in outcome.complaints), outcome.complaints


def test_a_program_that_ignores_sigterm_fails(tmp_path: Path) -> None:
    case = CASES["stop-xgboost"]
    assert case.stop is not None
    impatient = replace(case, stop=replace(case.stop, within_s=0.5))
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('[20]');"
        "time.sleep(60)"
    )

    (outcome,) = Runner({case.name: impatient}, Program(code), tmp_path).run([case.name])

    assert any("SIGTERM: still running" in each for each in outcome.complaints)


def test_a_server_that_never_answers_fails(tmp_path: Path) -> None:
    case = replace(CASES["serve-ping"], ready_s=0.3, files={})

    (outcome,) = Runner({case.name: case}, Program("import time; time.sleep(60)"), tmp_path).run(
        [case.name]
    )

    assert "no 200 on GET /ping within 0.3 s" in outcome.complaints


def test_a_case_that_starts_from_nothing_is_not_run(tmp_path: Path) -> None:
    outcomes = list(Runner(CASES, Program("raise SystemExit(1)"), tmp_path).run(["start-again"]))

    assert [outcome.case.name for outcome in outcomes] == ["job", "start-again"]
    assert outcomes[1].complaints == ["CaseError: the case it starts from left nothing in 'model'"]


def test_a_failure_makes_the_exit_code_1_and_says_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[case]]\nname = "mine"\nabout = "x"\ncommand = ["train"]\nexpect = { exit_code = 0 }\n'
    )

    code = main(["--cases", str(path)])

    out = capsys.readouterr().out
    assert code == 1
    assert "FAILED mine" in out
    assert 'exit code is 1, expected 0; failure file: "UserError: the job has no channel' in out


def test_without_an_engine_it_says_so_and_nothing_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "no-docker")

    code = main(["--backend", "docker", "--image", "any", "--docker", missing])

    assert code == NOTHING_TESTED
    assert "SKIPPED, nothing was tested: no Docker engine answers" in capsys.readouterr().err


def test_an_engine_without_the_image_says_so(docker: Path) -> None:
    docker.write_text("#!/bin/sh\n[ $1 = version ] || { echo 'No such image' >&2; exit 1; }\n")

    with pytest.raises(Unavailable, match="No such image"):
        DockerBackend("any", docker=str(docker))


def test_a_job_is_run_as_sagemaker_runs_it(docker: Path, tmp_path: Path) -> None:
    case = replace(CASES["job"], environment={"A": "b c"}, read_only_input=True)

    words = _words(docker, tmp_path, case)

    assert words[:3] == ["run", "--rm", "--name"]
    assert words[4:] == [
        "--volume=ROOT:/opt/ml",
        "--volume=ROOT/input/data:/opt/ml/input/data:ro",
        "--env=TRAINING_JOB_NAME=conformance-1",
        "--env=TRAINING_JOB_ARN=arn:aws:sagemaker:eu-west-1:123456789012:training-job/conformance-1",
        "--env=A=b c",
        "image:1",
        "train",
    ]


def test_a_server_gets_its_folders_read_only_and_a_published_port(
    docker: Path, tmp_path: Path
) -> None:
    files = {"model/m": {"text": "x"}, "code/a.py": {"text": "x"}}
    case = replace(CASES["serve-user-files"], files=files, read_only_root=True, ready_s=0.2)

    words = _words(docker, tmp_path, case)

    assert words[4:] == [
        "--volume=ROOT/code:/opt/ml/code:ro",
        "--volume=ROOT/model:/opt/ml/model:ro",
        "--read-only",
        "--tmpfs=/tmp",
        "--workdir=/opt/ml/code",
        "--publish=127.0.0.1::8080",
        "image:1",
        "serve",
    ]


def test_entry_points_replace_the_images_own_and_unset_keeps_it(
    docker: Path, tmp_path: Path
) -> None:
    shell = _words(docker, tmp_path, CASES["start-entrypoint-arguments"])
    bare = _words(docker, tmp_path, replace(CASES["start-bare-environment"], unset=["HOME"]))

    assert shell[-4:] == ["--entrypoint=/bin/sh", "image:1", "-c", "exec train"]
    assert bare[-7:] == [
        "--entrypoint=/usr/bin/env",
        "image:1",
        "-u",
        "HOME",
        "/entry",
        "-x",
        "train",
    ]


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        ("train_local.sh", ["img:2", "train", "--more"]),
        ("cv_local.sh", ["img:2", "cv_driver", "--more"]),
    ],
)
def test_the_scripts_run_any_image_on_a_job_made_on_demand(
    docker: Path, tmp_path: Path, script: str, ends: Sequence[str]
) -> None:
    root = tmp_path / "job"

    _script(docker, root, script)

    words = (docker.parent / "words").read_text().splitlines()
    assert words == ["run", "--rm", "--volume", f"{root}:/opt/ml", *ends]
    rows = (root / "input/data/train/train.csv").read_text().splitlines()
    assert rows[0].startswith("progression,age,sex")
    assert len(rows) == 355
    own = json.loads((root / "input/config/hyperparameters.json").read_text())
    assert all(isinstance(value, str) for value in own.values())


def test_serve_local_serves_what_train_local_left_and_asks_for_it_otherwise(
    docker: Path, tmp_path: Path
) -> None:
    root = tmp_path / "job"
    refused = _script(docker, root, "serve_local.sh")
    (root / "model").mkdir(parents=True)
    (root / "model/m").touch()

    served = _script(docker, root, "serve_local.sh")

    assert refused.returncode == 1
    assert "train_local.sh img:2 first" in refused.stderr
    assert served.returncode == 0
    words = (docker.parent / "words").read_text().splitlines()
    assert words[2:] == [
        *("--volume", f"{root}/model:/opt/ml/model:ro"),
        *("--publish", "8080:8080", "img:2", "serve", "--more"),
    ]


def _script(docker: Path, root: Path, script: str) -> subprocess.CompletedProcess[str]:
    # Some python3 of the caller's that has scikit-learn: this one.
    python = docker.parent / "python3"
    if not python.exists():
        python.symlink_to(sys.executable)
    searched = f"{docker.parent}:{Path(sys.executable).parent}:{os.defpath}"
    return subprocess.run(
        ["/bin/bash", str(ROOT / "local_test" / script), "img:2", "--more"],
        env={"PATH": searched, "OPT_ML": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_containers_are_asked_for_what_only_containers_have() -> None:
    process = ProcessBackend()

    assert {name for name, case in CASES.items() if process.refuses(case)} == {
        "serve-read-only-root",
        "start-default-command",
        "start-entrypoint",
        "start-entrypoint-arguments",
        "start-without-network",
    }
