"""``cv_prune`` in tuning jobs on a local SageMaker that really runs them."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.conftest import ROOT
from tests.datasets import cancer_rows
from tests.functional.test_siblings import (
    BUCKET,
    client,
    driver_request,
    fold_jobs,
    log_of,
    packed_csv,
    results_of,
    until,
)
from tests.opt_ml import build_opt_ml, run
from tests.serving import free_port

N_FOLDS = 5
SHARED = {
    "algorithm": "lightgbm",
    "cv_folds": str(N_FOLDS),
    "num_round": "8",
    "eval_metric": "logloss,auc,accuracy",
}
NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
LAUNCHERS = ("inline", "process", "sagemaker")
GOOD, BAD = "0.4", "0.001"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlane]:
    folder = tmp_path_factory.mktemp("pruning")
    command = [sys.executable, "-m", "local_test.control_plane", "--port", str(free_port())]
    options = ["--root", str(folder / "plane"), "--grace", "60"]
    with contextlib.chdir(ROOT), plane_process([*command, *options], folder / "log") as running:
        s3 = client(running, "s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="train/rows.csv", Body=packed_csv(cancer_rows()))
        yield running


def tune(
    plane: RunningPlane,
    name: str,
    *,
    objective: str = "logloss",
    vary: str = "eta",
    values: Sequence[str] = (GOOD, BAD),
    **static: str,
) -> dict[str, dict[str, Any]]:
    """Run a trial for each value, one after the other; return value → the trial's description."""
    request = driver_request(name, **static)
    definition = {
        key: value
        for key, value in request.items()
        if key not in ("TrainingJobName", "HyperParameters", "Tags")
    }
    told = f"validation:{objective}"
    metric = {"Name": told, "Regex": f"{told}={NUMBER};"}
    wanted = "Maximize" if objective == "auc" else "Minimize"
    definition["AlgorithmSpecification"]["MetricDefinitions"] = [metric]
    definition["StaticHyperParameters"] = {"cv_prune": "true", **SHARED, **static}
    sagemaker = client(plane, "sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": wanted, "MetricName": told},
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": vary, "Values": list(values)}]
            },
        },
        TrainingJobDefinition=definition,
    )
    described = _trials(plane, name)
    return {job["HyperParameters"][vary].strip('"'): job for job in described}


@pytest.fixture(scope="module", params=LAUNCHERS)
def tuned(plane: RunningPlane, request: Any) -> dict[str, dict[str, Any]]:
    return tune(plane, f"tune-{request.param}", cv_launcher=request.param, cv_max_parallel="2")


def test_a_bad_trial_ends_after_its_first_wave(
    plane: RunningPlane, tuned: dict[str, dict[str, Any]]
) -> None:
    good, bad = tuned[GOOD], tuned[BAD]
    logs = {eta: log_of(plane, job["TrainingJobName"]) for eta, job in tuned.items()}

    assert {job["TrainingJobStatus"] for job in tuned.values()} == {"Completed"}, logs
    assert "cv_prune has no effect: no trial of" in logs[GOOD]
    assert f"is compared with {good['TrainingJobName']}" in logs[BAD], logs[BAD]
    results = results_of(plane, bad["TrainingJobName"])
    ran = [fold["index"] for fold in results["folds"] if fold["status"] == "succeeded"]
    left = [fold["index"] for fold in results["folds"] if fold["status"] == "pruned"]
    assert results["pruned"] is True
    assert results["pruning"]["best_training_job"] == good["TrainingJobName"]
    assert results["pruning"]["finished_folds"] == ran
    assert ran == list(range(len(ran)))
    assert ran + left == list(range(N_FOLDS))
    assert 1 <= len(ran) <= 2
    if bad["HyperParameters"]["cv_launcher"] == "sagemaker":
        assert len(fold_jobs(plane, bad["TrainingJobName"])) == len(ran)
        spent = results["instance_seconds"]
        assert spent["saved_by_pruning"] == pytest.approx(
            spent["fold_jobs"] / len(ran) * len(left), abs=0.001
        )
        whole = results_of(plane, good["TrainingJobName"])["instance_seconds"]
        assert "saved_by_pruning" not in whole
    assert "pruned" not in results_of(plane, good["TrainingJobName"])


def test_the_tuner_is_told_the_bests_mean_plus_the_paired_difference(
    plane: RunningPlane, tuned: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    full = {}
    for eta in (GOOD, BAD):
        given = SHARED | {"eta": eta, "cv_final_model": "none"}
        ended = run(build_opt_ml(tmp_path / eta, given, {"train": {"rows.csv": cancer_rows()}}))
        folds = ended.cv_results["folds"]
        full[eta] = [fold["validation"]["logloss"] for fold in folds]
    results = results_of(plane, tuned[BAD]["TrainingJobName"])
    ran = results["pruning"]["finished_folds"]

    expected = fmean(full[GOOD]) + fmean(full[BAD][i] - full[GOOD][i] for i in ran)

    told = {
        eta: {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
        for eta, job in tuned.items()
    }
    assert told[BAD]["validation:logloss"] == pytest.approx(expected, rel=1e-6)
    assert told[BAD]["validation:logloss"] > told[GOOD]["validation:logloss"]
    estimate = results["pruning"]["estimate"]["validation"]
    assert estimate["logloss"] == pytest.approx(expected, rel=1e-9)
    assert set(estimate) == {"logloss", "auc", "accuracy"}


def test_no_file_of_a_pruned_trial_shows_a_mean_of_some_folds(
    plane: RunningPlane, tuned: dict[str, dict[str, Any]]
) -> None:
    name = tuned[BAD]["TrainingJobName"]
    results, log = results_of(plane, name), log_of(plane, name)
    evaluation = json.loads(_object(plane, f"output/{name}/evaluation/evaluation.json"))
    with tarfile.open(
        fileobj=io.BytesIO(_object(plane, f"output/{name}/output/output.tar.gz"))
    ) as t:
        files = set(t.getnames())

    assert results["summary"] == {"train": {}, "validation": {}}
    assert results["final_model"]["kind"] == "none"
    entry = evaluation["binary_classification_metrics"]["logloss"]
    estimate = results["pruning"]["estimate"]["validation"]["logloss"]
    assert evaluation["pruned"] is True
    assert evaluation["finished_folds"] == results["pruning"]["finished_folds"]
    assert entry == {"value": estimate, "standard_deviation": None}
    assert "oof_predictions_pruned.csv" in files
    assert "oof_predictions.csv" not in files
    assert "validation:logloss_std" not in log
    assert "  all  " not in log
    assert f"pruned after {len(evaluation['finished_folds'])} of {N_FOLDS} folds" in log


def test_a_metric_without_a_loss_of_each_row_prunes_nothing(plane: RunningPlane) -> None:
    jobs = tune(plane, "by-auc", objective="auc", cv_launcher="inline")

    for job in jobs.values():
        assert job["TrainingJobStatus"] == "Completed"
        assert "pruned" not in results_of(plane, job["TrainingJobName"])
        log = log_of(plane, job["TrainingJobName"])
        assert log.count("cv_prune has no effect: auc has no loss of a single row") == 1


def test_another_split_than_the_bests_prunes_nothing(plane: RunningPlane) -> None:
    jobs = tune(plane, "reseeded", vary="cv_seed", values=("1", "2"), cv_launcher="inline")

    logs = [log_of(plane, job["TrainingJobName"]) for job in jobs.values()]
    assert [job["TrainingJobStatus"] for job in jobs.values()] == ["Completed"] * 2
    assert len([log for log in logs if " has other folds" in log]) == 1


def test_outside_of_a_tuning_job_nothing_is_pruned(tmp_path: Path) -> None:
    given = SHARED | {"cv_prune": "true", "cv_final_model": "none"}

    ended = run(build_opt_ml(tmp_path, given, {"train": {"rows.csv": cancer_rows()}}))

    assert ended.code == 0
    assert "cv_prune has no effect: this is no trial of a tuning job" in ended.log
    assert len(ended.cv_results["folds"]) == N_FOLDS


def _trials(plane: RunningPlane, name: str) -> list[dict[str, Any]]:
    """Wait for the end of a tuning job; return the descriptions of its trials."""
    until(lambda: _tuning(plane, name)["HyperParameterTuningJobStatus"] != "InProgress")
    sagemaker = client(plane, "sagemaker")
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )["TrainingJobSummaries"]
    return [
        sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"]) for job in listed
    ]


def _tuning(plane: RunningPlane, name: str) -> dict[str, Any]:
    described: dict[str, Any] = client(plane, "sagemaker").describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )
    return described


def _object(plane: RunningPlane, key: str) -> bytes:
    body: bytes = client(plane, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body
