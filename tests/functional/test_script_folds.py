"""A user's own script, cross-validated: the same rows, scores, files and endings as ours."""

from __future__ import annotations

import contextlib
import csv
import http.client
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.svm import SVC

from crossfold.fitting.fold_result import FOLD_RESULT, load_fold_result
from tests.conftest import ROOT
from tests.datasets import iris_rows
from tests.opt_ml import build_opt_ml, run
from tests.script_jobs import ScriptEnded, run_script_job, script_job
from tests.serving import serving

SVM = (ROOT / "local_test/scripts/sklearn_svm.py").read_text(encoding="utf-8")
N_FOLDS = 5

# Scores a constant, keeps what it was given, and predicts.
COUNTER = """
import csv, os, pathlib
held_out, model = os.environ.get("SM_CHANNEL_VALIDATION"), os.environ["SM_MODEL_DIR"]
def rows(folder):
    return [row for path in sorted(pathlib.Path(folder).rglob("*.csv"))
            for row in csv.reader(path.open(newline=""))]
print("validation:score=99;")
print(f"train:rows={len(rows(os.environ['SM_CHANNEL_TRAIN']))};")
if held_out:
    print(f"validation:score={len(rows(held_out))};")
    out = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"]) / "oof_predictions.csv"
    with out.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "fold"], *([row[0], "x"] for row in rows(held_out))])
"""
OWN_REASON = """
import os, pathlib, sys
(pathlib.Path(os.environ["SM_OUTPUT_DIR"]) / "failure").write_text("my own\\nreason")
sys.exit(3)
"""
LONG_REASON = """
import sys
for number in range(100):
    print(number, "x" * 150, file=sys.stderr)
raise ValueError("y" * 3000)
"""
FOLD_LOG = "output/data/fold_logs/fold-0.log (output.tar.gz)"
ROWS = [[i, i % 2, i * 0.5] for i in range(20)]


def as_csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def ended(
    root: Path,
    source: str,
    given: Mapping[str, object],
    *,
    channels: Mapping[str, Mapping[str, str | bytes]] | None = None,
) -> ScriptEnded:
    channels = channels or {"train": {"rows.csv": as_csv(ROWS)}}
    opt_ml = script_job(root, {"train.py": source}, given, channels=channels)
    return run_script_job(opt_ml)


def results_of(job: ScriptEnded) -> dict[str, Any]:
    text = (job.opt_ml.output_data / "cv_results.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def line_of(job: ScriptEnded, name: str) -> list[float]:
    found = re.findall(rf"^{name}=(.*);$", job.output.decode(), re.MULTILINE)
    return [float(text) for text in found]


@pytest.fixture(scope="module")
def svm(tmp_path_factory: pytest.TempPathFactory) -> ScriptEnded:
    opt_ml = script_job(
        tmp_path_factory.mktemp("svm"),
        {"sklearn_svm.py": SVM},
        {
            "c": "0.5",
            "gamma": "0.1",
            "cv_folds": N_FOLDS,
            "label": "0",
            "_tuning_objective_metric": "validation:accuracy",
        },
        program="sklearn_svm.py",
        channels={"train": {"iris.csv": as_csv(iris_rows())}},
    )
    return run_script_job(opt_ml)


def test_a_sample_script_scores_as_scikit_learn_does_on_the_same_splits(svm: ScriptEnded) -> None:
    assert svm.code == 0, svm.output.decode()
    table = np.array(iris_rows(), float)
    expected = cross_validate(
        SVC(C=0.5, gamma=0.1),
        table[:, 1:],
        table[:, 0],
        cv=StratifiedKFold(N_FOLDS, shuffle=True, random_state=0),
        return_train_score=True,
    )
    results = results_of(svm)
    scores = [fold["validation"]["accuracy"] for fold in results["folds"]]
    train = [fold["train"]["accuracy"] for fold in results["folds"]]
    assert np.allclose(scores, expected["test_score"], rtol=0, atol=1e-9)
    assert np.allclose(train, expected["train_score"], rtol=0, atol=1e-9)
    mean = float(np.mean(expected["test_score"]))
    assert line_of(svm, "validation:accuracy") == [pytest.approx(mean, abs=1e-9)]
    std = float(np.std(expected["test_score"], ddof=1))
    assert line_of(svm, "validation:accuracy_std") == [pytest.approx(std, abs=1e-9)]
    evaluation = json.loads((svm.opt_ml.output_data / "evaluation.json").read_text())
    accuracy = evaluation["multiclass_classification_metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(mean, abs=1e-9)
    assert svm.left_running == ()


def test_it_has_the_fold_rows_of_our_own_algorithm(svm: ScriptEnded, tmp_path: Path) -> None:
    given = {"algorithm": "svm", "C": 0.5, "gamma": 0.1, "cv_folds": N_FOLDS}
    ours = run(build_opt_ml(tmp_path, given, {"train": {"iris.csv": iris_rows()}}))

    assert ours.code == 0, ours.log
    assert ours.cv_results["split"]["fingerprint"] == results_of(svm)["split"]["fingerprint"]
    assert [fold["validation"]["accuracy"] for fold in ours.cv_results["folds"]] == pytest.approx(
        [fold["validation"]["accuracy"] for fold in results_of(svm)["folds"]], abs=1e-9
    )


def test_its_model_of_all_rows_is_served(svm: ScriptEnded) -> None:
    table = np.array(iris_rows(), float)
    expected = SVC(C=0.5, gamma=0.1).fit(table[:, 1:], table[:, 0]).predict(table[:, 1:])

    with (
        serving(svm.opt_ml) as server,
        contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        ) as connection,
    ):
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        connection.request("POST", "/invocations", as_csv(table[:, 1:].tolist()), headers)
        answer = connection.getresponse().read().decode()

    assert [float(line) for line in answer.split()] == expected.tolist()


def test_without_an_objective_the_first_score_printed_counts(tmp_path: Path) -> None:
    """The last value of it wins; a script's output stays out of the driver's log in a fold."""
    job = ended(tmp_path, COUNTER, {"cv_folds": 4})

    assert job.code == 0, job.output.decode()
    results = results_of(job)
    assert results["objective"] == "score"
    assert [fold["validation"]["score"] for fold in results["folds"]] == [5.0] * 4
    assert [fold["train"]["rows"] for fold in results["folds"]] == [15.0] * 4
    # Once by the final run, then ours.
    assert line_of(job, "validation:score") == [99.0, 5.0]
    assert b"folds are not stratified" in job.output
    assert (job.opt_ml.output_data / "fold_logs" / "fold-3.log").is_file()


def test_a_channel_named_training_keeps_its_name_in_each_fold_and_in_the_final_run(
    tmp_path: Path,
) -> None:
    source = (
        "import os\n"
        "print(sorted(name for name in os.environ if name.startswith('SM_CHANNEL_')))\n"
        "print('validation:score=1;')\n"
    )
    job = ended(
        tmp_path, source, {"cv_folds": 2}, channels={"training": {"rows.csv": as_csv(ROWS)}}
    )

    assert job.code == 0, job.output.decode()
    logs = [job.opt_ml.output_data / f"fold_logs/fold-{index}.log" for index in range(2)]
    for log in logs:
        assert "['SM_CHANNEL_TRAINING', 'SM_CHANNEL_VALIDATION']" in log.read_text("utf-8")
    assert b"\n['SM_CHANNEL_TRAINING']\n" in job.output


def test_predictions_are_collected_in_row_order(tmp_path: Path) -> None:
    job = ended(tmp_path, COUNTER, {"cv_folds": 4, "cv_repeats": 2, "cv_max_parallel": 2})

    assert job.code == 0, job.output.decode()
    text = (job.opt_ml.output_data / "oof_predictions.csv").read_text(encoding="utf-8")
    lines = list(csv.reader(io.StringIO(text)))
    assert lines[0] == ["row", "repeat", "fold", "id"]
    assert [line[0] for line in lines[1:]] == [str(row) for row in range(20) for _ in range(2)]
    assert all(line[3] == line[0] for line in lines[1:])


def test_another_objective_is_also_printed_in_its_own_form(tmp_path: Path) -> None:
    source = "print('f1=0.25;'); print('epoch 2: f1=0.5;')"
    job = ended(tmp_path, source, {"cv_folds": 2, "_tuning_objective_metric": '"f1"'})

    assert job.code == 0, job.output.decode()
    assert line_of(job, "validation:f1") == [0.5]
    assert job.output.endswith(b"\nf1=0.5;\n")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "raise ValueError('no such c')",
            (
                "AlgorithmError: fold 1 of 2 failed: ValueError: no such c; train.py ended with "
                f"exit code 1; whole log: {FOLD_LOG}; stderr ends: Traceback (most recent call "
            ),
        ),
        (
            "print('done')",
            (
                "UserError: fold 1 of 2 failed: the script printed no score; expected "
                f"validation:<metric>=<number>;; whole log: {FOLD_LOG}; 0 succeeded so far"
            ),
        ),
        (
            "print('validation:loss=1.0;'); print('validation:loss=nan;')",
            "UserError: fold 1 of 2 failed: the script's last validation:loss is nan",
        ),
        (
            OWN_REASON,
            (
                "AlgorithmError: fold 1 of 2 failed: my own reason; whole log: "
                f"{FOLD_LOG}; 0 succeeded so far"
            ),
        ),
    ],
)
def test_a_failed_fold_is_named_with_its_reason_and_its_log(
    tmp_path: Path, source: str, reason: str
) -> None:
    job = ended(tmp_path, source, {"cv_folds": 2})

    assert job.code == 1
    assert (job.failure or "").startswith(reason), job.failure
    assert len((job.failure or "").splitlines()) == 1
    assert (job.opt_ml.root / FOLD_LOG.partition(" ")[0]).is_file()
    assert job.left_running == ()


@pytest.mark.parametrize("source", [LONG_REASON, OWN_REASON.replace("my own", "own " * 900)])
def test_a_long_reason_leaves_its_log_and_the_other_folds_in_sight(
    tmp_path: Path, source: str
) -> None:
    """SageMaker shows 1,024 characters."""
    job = ended(tmp_path, source, {"cv_folds": 2})

    shown = (job.failure or "")[:1024]
    assert shown.startswith("AlgorithmError: fold 1 of 2 failed: ")
    assert f"whole log: {FOLD_LOG}; " in shown
    assert shown.rstrip().endswith("; 0 succeeded so far, all must succeed")


def test_a_fold_may_fail_where_the_user_allows_it(tmp_path: Path) -> None:
    source = f"{COUNTER}\nassert not held_out or rows(held_out)[0][0] != '0'"
    given = {"cv_folds": 4, "cv_strategy": "time_series", "time_column": "0", "cv_min_success": 3}
    source = source.replace("!= '0'", "!= '4'")
    job = ended(tmp_path, source, given)

    assert job.code == 0, job.output.decode()
    statuses = [fold["status"] for fold in results_of(job)["folds"]]
    assert statuses == ["failed", "succeeded", "succeeded", "succeeded"]


def test_a_stop_ends_the_script_of_the_running_fold(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
    opt_ml = script_job(
        tmp_path / "job",
        {"train.py": source},
        {"cv_folds": 2},
        channels={"train": {"rows.csv": as_csv(ROWS)}},
    )

    def stop_in_fold(process: Any) -> None:
        while not mark.exists():
            assert process.poll() is None
        process.terminate()

    job = run_script_job(opt_ml, stop_at=b"fold_logs", act=stop_in_fold)

    assert job.code == 1
    assert job.failure == "PlatformError: stopped before a model existed\n"
    # The script would sleep for 60 s.
    assert job.seconds < 30
    assert job.left_running == ()


def test_a_script_has_four_seconds_after_a_stop_in_a_fold_and_its_own_time_at_the_end(
    tmp_path: Path,
) -> None:
    """Scores the seconds between SIGTERM and SIGKILL, which its parent was started with."""
    source = """
import os, pathlib
told = pathlib.Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\\0")
warden = next(i for i, word in enumerate(told) if word.endswith("warden.py"))
print(f"validation:seconds={told[warden + 3]};")
"""
    job = ended(tmp_path, source, {"cv_folds": 2})

    assert job.code == 0, job.output.decode()
    # Once by the final run, then the folds' mean.
    assert line_of(job, "validation:seconds") == [110.0, 4.0]


def test_a_second_start_takes_over_what_the_first_finished(tmp_path: Path) -> None:
    once = f"{COUNTER}\nassert not held_out or len(rows(os.environ['SM_CHANNEL_TRAIN'])) < 12"
    given = {"cv_folds": 4, "cv_strategy": "time_series", "time_column": "0"}
    opt_ml = script_job(
        tmp_path, {"train.py": once}, given, channels={"train": {"rows.csv": as_csv(ROWS)}}
    )
    first = run_script_job(opt_ml)
    assert first.code == 1

    second = run_script_job(opt_ml)

    assert b"2 of 4 folds taken over from an earlier run" in second.output
    assert (second.failure or "").startswith("AlgorithmError: fold 3 of 4 failed: AssertionError")


def test_a_start_with_other_code_takes_nothing_over(tmp_path: Path) -> None:
    source = f"{COUNTER}\nassert not held_out or len(rows(os.environ['SM_CHANNEL_TRAIN'])) < 12"
    given = {"cv_folds": 4, "cv_strategy": "time_series", "time_column": "0"}
    channels = {"train": {"rows.csv": as_csv(ROWS)}}
    files = {"train.py": source, "module.py": "A = 1"}
    opt_ml = script_job(tmp_path, files, given, channels=channels)
    assert run_script_job(opt_ml).code == 1
    script_job(tmp_path, files | {"module.py": "A = 2"}, given, channels=channels)

    second = run_script_job(opt_ml)

    assert b"taken over" not in second.output
    assert (second.failure or "").startswith("AlgorithmError: fold 3 of 4 failed: AssertionError")


def test_whole_files_of_any_kind_are_folded(tmp_path: Path) -> None:
    source = """
import os, pathlib
names = sorted(path.name for path in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).rglob("*.png"))
held_out = os.environ.get("SM_CHANNEL_VALIDATION")
if held_out:
    other = sorted(path.name for path in pathlib.Path(held_out).rglob("*.png"))
    assert not set(names) & set(other)
    print(f"validation:files={len(other)};")
"""
    files = {f"{kind}/{i}-{kind}.png": b"\x89PNG" for i in range(3) for kind in ("0", "1")}
    job = ended(tmp_path, source, {"cv_folds": 3, "group_by": "file"}, channels={"train": files})

    assert job.code == 0, job.output.decode()
    results = results_of(job)
    assert results["split"]["unit"] == "files"
    assert [fold["validation"]["files"] for fold in results["folds"]] == [2.0] * 3


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({}, "; group_by=file folds whole files of any kind"),
        ({"group_by": "file"}, "only 2 rows; the largest cv_folds that works is 2; with group_by="),
    ],
)
def test_files_that_cannot_be_cut_lead_to_whole_files(
    tmp_path: Path, given: dict[str, str], hint: str
) -> None:
    files = {"0.png": b"\x89PNG", "1.png": b"\x89PNG"}
    job = ended(tmp_path, "", {"cv_folds": 3, **given}, channels={"train": files})

    assert hint in (job.failure or "")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"cv_prune": "true"}, "'cv_prune' is given"),
        ({"cv_final_model": "ensemble"}, "'cv_final_model' is 'ensemble'"),
        ({"cv_aggregate": "pooled"}, "'cv_aggregate' is 'pooled'"),
        ({"cv_validation": "pool"}, "'cv_validation' is 'pool'"),
    ],
)
def test_what_is_not_supported_is_refused_first(
    tmp_path: Path, given: dict[str, str], what: str
) -> None:
    job = ended(tmp_path, "print('reached')", {"cv_folds": 2, **given})

    assert job.code == 1
    assert (job.failure or "").startswith(f"UserError: hyperparameter {what}"), job.failure
    assert b"reached" not in job.output


def test_a_fold_may_be_a_job_of_its_own(tmp_path: Path) -> None:
    job = ended(tmp_path, COUNTER, {"cv_folds": 4, "cv_fold_index": "3", "depth": "5"})

    assert job.code == 0, job.output.decode()
    result = load_fold_result(job.opt_ml.output_data / FOLD_RESULT)
    assert (result.index, result.n_train, result.n_test) == (3, 15, 5)
    assert result.validation == {"score": 5.0}
    assert job.output.endswith(b"train:rows=15.0;\nvalidation:score=5.0;\nmodel test score:5.0;\n")
    log = (job.opt_ml.output_data / "fold_logs/fold-3.log").read_bytes()
    assert b"validation:score=99;\ntrain:rows=15;\nvalidation:score=5;\n" in log
    assert log in job.output
    assert list(job.opt_ml.model.glob("*")) == []


def test_the_score_of_a_fold_of_its_own_has_a_line_of_its_own(tmp_path: Path) -> None:
    """Behind the last words of a script, a tuner's expression could take both for one."""
    source = "print('score 3 validation:score=3;', end='')"

    job = ended(tmp_path, source, {"cv_folds": 4, "cv_fold_index": "3"})

    assert job.output.endswith(
        b"score 3 validation:score=3;\nvalidation:score=3.0;\nmodel test score:3.0;\n"
    )
    log = (job.opt_ml.output_data / "fold_logs/fold-3.log").read_bytes()
    assert log.endswith(b"score 3 validation:score=3;")


@pytest.mark.parametrize(
    ("source", "given", "reason"),
    [
        (OWN_REASON, {}, "my own\nreason"),
        ("raise KeyError('x')", {}, "AlgorithmError: KeyError: 'x'; train.py ended with exit code"),
        ("print('done')", {}, "UserError: the script printed no score; expected "),
        ("", {"cv_fold_index": "4"}, "UserError: hyperparameter 'cv_fold_index' is 4; expected"),
        ("", {"cv_fingerprint": "0" * 32}, "PlatformError: the fold reads other data than its dri"),
        ("", {"cv_script_objective": "[]"}, "UserError: hyperparameter 'cv_script_objective' is "),
    ],
)
def test_a_fold_of_its_own_says_why_it_failed(
    tmp_path: Path, source: str, given: dict[str, str], reason: str
) -> None:
    job = ended(tmp_path, source, {"cv_folds": 4, "cv_fold_index": "3", **given})

    assert job.code == 1
    assert (job.failure or "").startswith(reason), job.failure
    assert not (job.opt_ml.output_data / FOLD_RESULT).exists()


def test_a_fold_of_its_own_leaves_room_for_what_its_driver_adds(tmp_path: Path) -> None:
    """Which fold, its job, its log stream, and how the other folds did: about 300 characters."""
    job = ended(tmp_path, LONG_REASON, {"cv_folds": 4, "cv_fold_index": "3"})

    assert (job.failure or "").startswith("AlgorithmError: ValueError: yyy")
    assert "; train.py ended with exit code 1; stderr ends: " in (job.failure or "")
    assert len(job.failure or "") <= 720


def test_a_broken_link_where_the_code_goes_stays_as_it_is(tmp_path: Path) -> None:
    source = "import os; os.symlink('nowhere', os.environ['SM_MODEL_DIR'] + '/code')"

    job = ended(tmp_path, f"print('validation:x=1;'); {source}", {"cv_folds": 2})

    assert job.code == 0, job.output.decode()
    assert (job.opt_ml.model / "code").is_symlink()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"cv_launher": "inline"}, "'cv_launher'"),
        ({"fold_size": "3"}, "'fold_size'"),
        ({"group_colum": "0"}, "'group_colum' (value '0') is nowhere in the script's source"),
    ],
)
def test_names_of_ours_that_are_none_are_told(
    tmp_path: Path, given: dict[str, str], what: str
) -> None:
    job = ended(tmp_path, "print('reached')", {"cv_folds": 2, **given})

    assert job.code == 1
    assert (job.failure or "").startswith("UserError: "), job.failure
    assert what in (job.failure or "")
    assert b"reached" not in job.output


def test_published_names_belong_to_the_script(tmp_path: Path) -> None:
    source = "import sys; print(sys.argv[1:]); print('validation:x=1;')"
    given = {"cv_folds": 2, "_num_cv_round": "3", "instance_type": "mine", "region": "north"}

    job = ended(tmp_path, source, given)

    assert job.code == 0, job.output.decode()
    expected = "['--_num_cv_round', '3', '--instance_type', 'mine', '--region', 'north']"
    assert expected.encode() in job.output
    assert results_of(job)["split"]["n_repeats"] == 1
    assert b"cv_launcher" not in job.output
