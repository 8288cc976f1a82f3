"""Folds of a user's script as training jobs, on a local SageMaker that really runs them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.svm import SVC

from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.conftest import ROOT
from tests.datasets import iris_rows
from tests.functional.test_siblings import (
    BUCKET,
    client,
    driver_request,
    fold_jobs,
    log_of,
    log_of_if_any,
    packed_csv,
    results_of,
    until,
    wait_for_end,
)
from tests.script_jobs import run_script_job, script_job
from tests.serving import free_port
from tests.sibling_api import packed

SVM = (ROOT / "local_test/scripts/sklearn_svm.py").read_text(encoding="utf-8")
# Scores a row count, tells its job, keeps its rows' first cells as predictions.
COUNTER = """
import csv, os, pathlib, sys
def rows(name):
    folder = pathlib.Path(os.environ[f"SM_CHANNEL_{name}"])
    return [row for path in sorted(folder.rglob("*.csv")) for row in csv.reader(path.open())]
job = os.environ["TRAINING_JOB_NAME"]
print("argv", sys.argv[1:])
print("F1 is 99")
if "SM_CHANNEL_VALIDATION" in os.environ:
    held_out = rows("VALIDATION")
    out = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"]) / "oof_predictions.csv"
    with out.open("w", newline="") as file:
        csv.writer(file).writerows([["first"], *([row[0]] for row in held_out)])
    print("F1 is", len(held_out))
"""
FIRST_TRY = """
import os
if "-f1" in os.environ["TRAINING_JOB_NAME"] and "-r1" not in os.environ["TRAINING_JOB_NAME"]:
    os.kill(os.getpid(), 9)
print("validation:tries=1;")
"""
RAISES = """
import os
if "-f1" in os.environ["TRAINING_JOB_NAME"]:
    raise ValueError("c is -1")
print("validation:x=1;")
"""
# Notes that it runs; its second fold goes on until there is a gate.
WAITS = """
import os, pathlib, sys, time
gate = pathlib.Path(sys.argv[sys.argv.index("--gate") + 1])
name = os.environ["TRAINING_JOB_NAME"]
with (gate.parent / "runs").open("a") as runs:
    runs.write(name + "\\n")
print("asleep", flush=True)
while name.endswith("f1") and not gate.exists():
    time.sleep(0.05)
print(f"validation:fold={name[-1]};")
"""
SOURCES = {
    "waits.py": WAITS,
    "sklearn_svm.py": SVM,
    "counter.py": COUNTER,
    "first_try.py": FIRST_TRY,
    "raises.py": RAISES,
    "sleeps.py": "import time; print('asleep'); time.sleep(120)",
}
MARKER = "output/marked/stop/1"
F1 = {"Name": "validation:f1", "Regex": "F1 is ([0-9.]+)"}
SVM_HYPERPARAMETERS = {
    "c": "0.5",
    "gamma": "0.1",
    "label": "0",
    "cv_folds": "2",
    "cv_final_model": "none",
    "_tuning_objective_metric": "validation:accuracy",
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlane]:
    """Start a plane, and on it every job at once: most of their time is waiting."""
    folder = tmp_path_factory.mktemp("script-siblings")
    command = [sys.executable, "-m", "local_test.control_plane"]
    options = ["--port", str(free_port()), "--root", str(folder / "plane"), "--grace", "60"]
    with contextlib.chdir(ROOT), plane_process([*command, *options], folder / "log") as running:
        s3 = client(running, "s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="train/rows.csv", Body=packed_csv(iris_rows()))
        source = packed({name: text.encode() for name, text in SOURCES.items()})
        s3.put_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz", Body=source)
        s3.put_object(Bucket=BUCKET, Key=MARKER, Body=b"stop")
        for request in requests():
            client(running, "sagemaker").create_training_job(**request)
        yield running


def requests() -> Iterator[dict[str, Any]]:
    """Yield the jobs of the tests, those first that take longest."""
    yield script_request("killed", "first_try.py")
    yield script_request("svm", "sklearn_svm.py", SVM_HYPERPARAMETERS)
    yield script_request("stopped", "sleeps.py")
    yield script_request("own", "counter.py", {"depth": "3", "_kfold": "7"}, [F1])
    yield script_request("helps", "counter.py", {"cv_driver_fits": "always"}, [F1])
    yield script_request("raises", "raises.py")
    marker = {"cv_stop_marker": f"s3://{BUCKET}/{MARKER}"}
    yield script_request("marked", "sleeps.py", {"cv_fold_index": "0", **marker})
    # Stands for a driver that this machine runs, so that it can be killed and started again.
    again = script_request("again", "sleeps.py")
    given = again["HyperParameters"].items()
    again["HyperParameters"] = {k: text for k, text in given if k.startswith("sagemaker_")}
    yield again


def script_request(
    name: str,
    program: str,
    given: Mapping[str, str] | None = None,
    definitions: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    request = driver_request(name)
    request["HyperParameters"] = {
        # As the SDK writes them: texts in quotes of their own.
        "sagemaker_program": json.dumps(program),
        "sagemaker_submit_directory": json.dumps(f"s3://{BUCKET}/code/sourcedir.tar.gz"),
        "sagemaker_region": '"us-east-1"',
        "cv_folds": "2",
        "cv_launcher": "sagemaker",
        "cv_final_model": "none",
        **(given or {}),
    }
    if definitions:
        request["AlgorithmSpecification"]["MetricDefinitions"] = list(definitions)
    return request


def ended(plane: RunningPlane, name: str) -> tuple[dict[str, Any], str]:
    return wait_for_end(plane, name), log_of(plane, name)


def output_of(plane: RunningPlane, name: str) -> Mapping[str, str]:
    body = client(plane, "s3").get_object(Bucket=BUCKET, Key=f"output/{name}/output/output.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(body["Body"].read())) as tar:
        files = {each.name: tar.extractfile(each) for each in tar if each.isreg()}
        return {
            name: file.read().decode("utf-8", "replace") for name, file in files.items() if file
        }


def test_folds_as_jobs_score_as_folds_in_the_driver_and_as_scikit_learn(
    plane: RunningPlane, tmp_path: Path
) -> None:
    opt_ml = script_job(
        tmp_path,
        {"sklearn_svm.py": SVM},
        SVM_HYPERPARAMETERS,
        program="sklearn_svm.py",
        channels={"train": {"rows.csv": packed_csv(iris_rows())}},
    )
    assert run_script_job(opt_ml).code == 0
    table = np.array(iris_rows(), float)
    expected = cross_validate(
        SVC(C=0.5, gamma=0.1),
        table[:, 1:],
        table[:, 0],
        cv=StratifiedKFold(2, shuffle=True, random_state=0),
        return_train_score=True,
    )

    driver, log = ended(plane, "svm")

    assert driver["TrainingJobStatus"] == "Completed", driver.get("FailureReason", "") + log
    own = results_of(plane, "svm")
    inline = json.loads((opt_ml.output_data / "cv_results.json").read_text())
    assert own["split"] == inline["split"]
    for fold, other in zip(own["folds"], inline["folds"], strict=True):
        for split in ("train", "validation"):
            assert fold[split] == pytest.approx(other[split], rel=0, abs=1e-9)
    scores = [fold["validation"]["accuracy"] for fold in own["folds"]]
    assert np.allclose(scores, expected["test_score"], rtol=0, atol=1e-9)
    assert fold_jobs(plane, "svm") == {f"svm-f{fold}": "Completed" for fold in range(2)}
    assert {fold["source"] for fold in own["folds"]} == {"script"}
    assert own["instance_seconds"]["fold_jobs"] >= 2


def test_a_fold_shows_its_own_log_and_the_driver_collects_it(plane: RunningPlane) -> None:
    driver, log = ended(plane, "own")

    assert driver["TrainingJobStatus"] == "Completed", driver.get("FailureReason", "") + log
    results = results_of(plane, "own")
    # The driver's own expression finds it, although the fold's job has ours under that name.
    assert [fold["validation"]["f1"] for fold in results["folds"]] == [75.0] * 2
    fold = log_of(plane, "own-f1")
    assert "argv ['--_kfold', '7', '--depth', '3']" in fold
    assert "\nF1 is 75\n" in fold
    assert "\nvalidation:f1=75.0;\n" in fold
    assert "F1 is 75\n" not in log
    assert "validation:f1=75.0;" in log
    output = output_of(plane, "own")
    assert "F1 is 75\n" in output["fold_logs/fold-1.log"]
    lines = list(csv.reader(io.StringIO(output["oof_predictions.csv"])))
    assert lines[0] == ["row", "repeat", "fold", "first"]
    assert [int(line[0]) for line in lines[1:]] == list(range(150))
    assert [float(line[3]) for line in lines[1:]] == [float(str(row[0])) for row in iris_rows()]
    described = client(plane, "sagemaker").describe_training_job(TrainingJobName="own-f1")
    told = {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}
    assert told["validation:f1"] == 75.0


def test_the_driver_may_run_waiting_folds_itself(plane: RunningPlane) -> None:
    driver, log = ended(plane, "helps")

    assert driver["TrainingJobStatus"] == "Completed", driver.get("FailureReason", "") + log
    assert "the driver fits it itself" in log
    folds = results_of(plane, "helps")["folds"]
    assert [fold["validation"]["f1"] for fold in folds] == [75.0] * 2
    assert "F1 is 75\n" not in log
    assert len(fold_jobs(plane, "helps")) < 2
    assert {"fold_logs/fold-0.log", "fold_logs/fold-1.log"} <= set(output_of(plane, "helps"))


def test_a_failed_fold_is_named_with_its_job_and_its_reason(plane: RunningPlane) -> None:
    driver, _ = ended(plane, "raises")

    assert driver["TrainingJobStatus"] == "Failed"
    said = driver["FailureReason"]
    assert said.startswith(
        "AlgorithmError: AlgorithmError: fold 2 of 2 failed: in job raises-f1: "
        "ValueError: c is -1; raises.py ended with exit code 1; stderr ends: "
    ), said
    assert "(log: /aws/sagemaker/TrainingJobs, stream raises-f1/…)" in said
    assert "raises-f1-r1" not in fold_jobs(plane, "raises")


def test_a_fold_whose_script_was_killed_is_tried_again(plane: RunningPlane) -> None:
    driver, log = ended(plane, "killed")

    assert driver["TrainingJobStatus"] == "Completed", driver.get("FailureReason", "") + log
    jobs = fold_jobs(plane, "killed")
    assert jobs.pop("killed-f1") == "Failed"
    assert jobs == {"killed-f0": "Completed", "killed-f1-r1": "Completed"}
    assert "fold 2 of 2 is tried again after: PlatformError: in job killed-f1: " in log


def test_a_stop_of_the_driver_ends_the_scripts_of_all_folds(plane: RunningPlane) -> None:
    until(lambda: "asleep" in log_of_if_any(plane, "stopped-f0"))
    until(lambda: "asleep" in log_of_if_any(plane, "stopped-f1"))

    client(plane, "sagemaker").stop_training_job(TrainingJobName="stopped")

    ends = {name: wait_for_end(plane, name) for name in ("stopped", *fold_jobs(plane, "stopped"))}
    assert ends["stopped"]["TrainingJobStatus"] == "Stopped"
    # A fold that sees the marker before its StopTrainingJob ends by itself, as a failure.
    assert {end["TrainingJobStatus"] for end in ends.values()} <= {"Stopped", "Failed"}
    assert "PlatformError: stopped before a model existed" in log_of(plane, "stopped")
    assert "PlatformError: stopped before a model existed" in log_of(plane, "stopped-f1")


def test_a_fold_ends_at_its_drivers_marker(plane: RunningPlane) -> None:
    driver, _ = ended(plane, "marked")

    assert driver["TrainingJobStatus"] == "Failed"
    assert "stopped before a model existed" in driver["FailureReason"]


def test_a_driver_that_was_killed_and_started_again_takes_over_its_folds(
    plane: RunningPlane, tmp_path: Path
) -> None:
    """SIGKILL: nothing is stopped, nothing is told; and not one fold runs twice."""
    gate = tmp_path / "gate"
    given = script_request("again", "waits.py", {"gate": str(gate)})["HyperParameters"]
    rows = {"train": {"rows.csv": packed_csv(iris_rows())}}
    opt_ml = script_job(tmp_path / "job", {}, given, program="waits.py", channels=rows)
    described = client(plane, "sagemaker").describe_training_job(TrainingJobName="again")
    environ = {**plane.exports, "TRAINING_JOB_NAME": "again"}
    environ["TRAINING_JOB_ARN"] = described["TrainingJobArn"]

    def kill(process: subprocess.Popen[bytes]) -> None:
        wait_for_end(plane, "again-f0")
        until(lambda: "asleep" in log_of_if_any(plane, "again-f1"))
        os.killpg(process.pid, signal.SIGKILL)

    def open_gate(_process: subprocess.Popen[bytes]) -> None:
        gate.touch()

    killed = run_script_job(opt_ml, stop_at=b"again-f1 is created", act=kill, **environ)
    assert killed.code == -signal.SIGKILL
    # Without checkpoints the fold that has ended comes from what its job has left.
    shutil.rmtree(opt_ml.checkpoints, ignore_errors=True)
    adopting = b"job again-f1 of an earlier start is taken over"
    started_again = run_script_job(opt_ml, stop_at=adopting, act=open_gate, **environ)

    assert started_again.code == 0, started_again.output
    assert (tmp_path / "runs").read_text().split() == ["again-f0", "again-f1"]
    assert fold_jobs(plane, "again") == {f"again-f{fold}": "Completed" for fold in range(2)}
    assert b"is created" not in started_again.output
    results = json.loads((opt_ml.output_data / "cv_results.json").read_text())
    assert [fold["validation"]["fold"] for fold in results["folds"]] == [0, 1]
    for fold in range(2):
        assert "asleep" in (opt_ml.output_data / f"fold_logs/fold-{fold}.log").read_text()
