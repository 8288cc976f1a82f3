"""AWS's cross-validation sample with its image exchanged, on a SageMaker that really runs jobs.

Every expected score is scikit-learn's own on the folds that the sample's preprocessing draws.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import KFold
from sklearn.svm import SVC

from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.conftest import ROOT
from tests.functional.test_siblings import client, fold_jobs
from tests.published_requests import (
    ALIASES,
    BUCKET,
    Answer,
    Asked,
    completed,
    create,
    ended,
    mean,
    put,
    saved_text,
)
from tests.serving import free_port

PREFIX = "cross_validation_iris_classification"
N_FOLDERS = 5
SCORE = "model test score:(.*?);"
# What the tuner of the sample adds to the trial's own, quoted as its SDK quotes.
STATIC = {
    "train_src": f"s3://{BUCKET}/{PREFIX}/train",
    "test_src": f"s3://{BUCKET}/{PREFIX}/test",
    "region": "us-east-1",
    "sagemaker_estimator_class_name": '"Estimator"',
    "sagemaker_estimator_module": '"sagemaker.estimator"',
    "_tuning_objective_metric": "test:score",
}
LINEAR = {"c": "1.0", "gamma": "0.0005", "kernel": "linear"}
RBF = {"c": '"0.5"', "gamma": "0.0005", "kernel": '"rbf"'}
DRIVER_KEYS = {"k", "train_src", "test_src", "instance_type", "region"}
TUNING = "sagemaker-cross-val-261121-1134"
_END_S = 150.0


def trial(name: str, own: dict[str, str], **driver: str) -> Asked:
    return Asked(
        name,
        STATIC | own | driver,
        {channel: f"s3://{BUCKET}/{PREFIX}/{channel}" for channel in ("train", "test")},
        metrics={"test:score": SCORE},
    )


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlane]:
    """Run a plane with the sample's folds in S3 and all its driver jobs under way."""
    folder = tmp_path_factory.mktemp("sample")
    command = [sys.executable, "-m", "local_test.control_plane"]
    options = ["--port", str(free_port()), "--root", str(folder / "plane"), "--grace", "60"]
    with contextlib.chdir(ROOT), plane_process([*command, *options], folder / "log") as running:
        client(running, "s3").create_bucket(Bucket=BUCKET)
        _put_folds(running)
        create(
            running,
            trial("jobs", RBF, k="5", instance_type="ml.c4.xlarge"),
            trial("one", LINEAR, k='"5"', cv_launcher="inline", instance_type="ml.c4.xlarge"),
            trial("first-three", LINEAR, k="3"),
            trial("uncounted", RBF),
            trial("edge", LINEAR | {"c": "0.0"}, k="5", instance_type="ml.c4.xlarge"),
        )
        client(running, "sagemaker").create_hyper_parameter_tuning_job(**_tuning_request())
        yield running


def _tuning_request() -> dict[str, Any]:
    """Return what the sample's script asks the tuner for, with the pipeline's own defaults."""
    definition = trial("", {}, k="3", instance_type="ml.m5.xlarge").request()
    del definition["TrainingJobName"]
    static = definition.pop("HyperParameters")
    del static["_tuning_objective_metric"]  # the service adds it
    continuous = [
        {"Name": "c", "MinValue": "0", "MaxValue": "1", "ScalingType": "Auto"},
        {"Name": "gamma", "MinValue": "0.0001", "MaxValue": "0.001", "ScalingType": "Logarithmic"},
    ]
    kernels = ["linear", "poly", "rbf", "sigmoid"]
    return {
        "HyperParameterTuningJobName": TUNING,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "test:score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": continuous,
                "CategoricalParameterRanges": [{"Name": "kernel", "Values": kernels}],
                "IntegerParameterRanges": [],
            },
            "TrainingJobEarlyStoppingType": "Off",
        },
        "TrainingJobDefinition": definition | {"StaticHyperParameters": static},
    }


def test_folds_as_jobs_score_what_scikit_learn_scores(plane: RunningPlane) -> None:
    driver = completed(plane, "jobs")

    expected = scores(kernel="rbf", C=0.5, gamma=0.0005)
    assert np.round(expected, 4).tolist() == [0.2667, 0.3, 0.2667, 0.2667, 0.2667]
    assert "cv_launcher=auto: sagemaker" in driver.log
    assert driver.captured(f"average {SCORE}") == [pytest.approx(mean(expected), abs=1e-12)]
    assert driver.metrics["test:score"] == pytest.approx(mean(expected), rel=1e-6)
    for index, score in enumerate(expected):
        fold = completed(plane, f"jobs-f{index}")
        assert fold.captured(SCORE) == [pytest.approx(score, abs=1e-12)]
        assert fold.metrics["test:score"] == pytest.approx(score, rel=1e-6)


def test_a_fold_job_is_one_fold_on_the_instance_that_the_driver_was_told(
    plane: RunningPlane,
) -> None:
    completed(plane, "jobs")

    assert set(fold_jobs(plane, "jobs")) == {f"jobs-f{index}" for index in range(N_FOLDERS)}
    fold = completed(plane, "jobs-f3").described
    given = fold["HyperParameters"]
    assert not DRIVER_KEYS & set(given)
    assert not [name for name in given if name.startswith("sagemaker_")]
    assert {name: given[name] for name in RBF} == RBF
    assert fold["ResourceConfig"]["InstanceType"] == "ml.c4.xlarge"
    assert not fold_jobs(plane, "jobs-f3")


@pytest.mark.parametrize(
    ("name", "n_folds", "parameters"),
    [
        ("one", 5, {"kernel": "linear", "C": 1.0}),
        ("first-three", 3, {"kernel": "linear", "C": 1.0}),
        ("uncounted", 5, {"kernel": "rbf", "C": 0.5, "gamma": 0.0005}),
    ],
)
def test_folds_in_the_driver_score_what_scikit_learn_scores(
    plane: RunningPlane, name: str, n_folds: int, parameters: dict[str, object]
) -> None:
    driver = completed(plane, name)

    expected = scores(**parameters)[:n_folds]
    results = driver.evaluation("cv_results.json")
    assert [fold["validation"]["accuracy"] for fold in results["folds"]] == pytest.approx(expected)
    assert driver.captured(f"average {SCORE}") == [pytest.approx(mean(expected), abs=1e-12)]
    assert driver.metrics["test:score"] == pytest.approx(mean(expected), rel=1e-6)
    assert fold_jobs(plane, name) == {}


def test_both_ways_give_the_same_numbers(plane: RunningPlane) -> None:
    in_jobs = completed(plane, "jobs").evaluation("cv_results.json")["folds"]
    in_one = completed(plane, "uncounted").evaluation("cv_results.json")["folds"]

    for ours, theirs in zip(in_jobs, in_one, strict=True):
        for split in ("train", "validation"):
            assert ours[split] == pytest.approx(theirs[split], rel=0, abs=1e-9)


@pytest.mark.parametrize("name", ["jobs", "one"])
def test_each_published_expression_finds_one_line_of_a_driver(
    plane: RunningPlane, name: str
) -> None:
    driver = completed(plane, name)

    for expression in ALIASES:
        assert len(driver.captured(expression)) == 1, expression
    # Whatever a fold prints, the driver does not repeat: the last match would be the objective.
    assert driver.captured(SCORE) == driver.captured(f"average {SCORE}")


def test_the_evaluation_has_the_shape_that_the_sample_s_condition_reads(
    plane: RunningPlane,
) -> None:
    driver = completed(plane, "jobs")

    accuracy = driver.evaluation()["multiclass_classification_metrics"]["accuracy"]
    expected = scores(kernel="rbf", C=0.5, gamma=0.0005)
    assert accuracy["value"] == pytest.approx(mean(expected), abs=1e-12)
    assert accuracy["standard_deviation"] == pytest.approx(np.std(expected, ddof=1), abs=1e-12)


def test_the_sample_s_tuner_takes_the_trial_with_the_best_mean(plane: RunningPlane) -> None:
    best = _best_trial(plane)

    expected: dict[str, float] = {}
    for summary in _trials(plane):
        name = summary["TrainingJobName"]
        expected[name] = mean(scores(**_estimator_parameters(completed(plane, name)))[:3])
        value = summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert value == pytest.approx(expected[name], rel=1e-6)
        assert len(fold_jobs(plane, name)) == 3
    assert len(expected) == 2
    assert expected[best.name] == max(expected.values())


def test_the_final_job_fits_the_best_trial_s_parameters_to_all_rows(plane: RunningPlane) -> None:
    best = _best_trial(plane)
    kept = {
        name: text
        for name, text in best.described["HyperParameters"].items()
        if not name.startswith("sagemaker_")
    }
    assert set(kept) == {"c", "gamma", "kernel", "_tuning_objective_metric"} | DRIVER_KEYS
    document = {"name": TUNING, "best_training_job": best.name, "hyperparams": kept}
    key = f"{PREFIX}/jobinfo/jobinfo.json"
    client(plane, "s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())
    channels = {"train": "train/all", "jobinfo": "jobinfo"}
    uris = {name: f"s3://{BUCKET}/{PREFIX}/{folder}" for name, folder in channels.items()}

    create(plane, Asked("final", {}, uris))
    final = completed(plane, "final")

    features, label = load_iris(return_X_y=True)
    fitted = SVC(**_estimator_parameters(best)).fit(features, label)
    assert final.captured(r"train:accuracy=(.*?);") == [fitted.score(features, label)]
    assert final.manifest["algorithm"] == "svm"
    assert final.manifest["final_model"] == "single"
    assert fold_jobs(plane, "final") == {}


def test_a_trial_at_the_edge_of_the_sample_s_range_says_why_it_failed(plane: RunningPlane) -> None:
    """The sample searches C from 0 on, which scikit-learn does not take."""
    edge = ended(plane, "edge").described

    assert edge["TrainingJobStatus"] == "Failed"
    assert "hyperparameter 'c' is '0.0'; expected a number above 0" in edge["FailureReason"]
    assert fold_jobs(plane, "edge") == {}


def scores(**parameters: object) -> list[float]:
    """Score the published split with scikit-learn alone."""
    features, label = load_iris(return_X_y=True)
    return [
        float(SVC(**parameters).fit(features[fit], label[fit]).score(features[held], label[held]))
        for fit, held in _split(features)
    ]


def _trials(plane: RunningPlane) -> list[dict[str, Any]]:
    """Wait for the tuning job; return its trials."""
    sagemaker, asked = client(plane, "sagemaker"), {"HyperParameterTuningJobName": TUNING}
    end = time.monotonic() + _END_S
    while True:
        described = sagemaker.describe_hyper_parameter_tuning_job(**asked)
        if described["HyperParameterTuningJobStatus"] != "InProgress":
            break
        assert time.monotonic() < end, described
        time.sleep(0.1)
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**asked)
    return list(listed["TrainingJobSummaries"])


def _best_trial(plane: RunningPlane) -> Answer:
    _trials(plane)
    sagemaker, asked = client(plane, "sagemaker"), {"HyperParameterTuningJobName": TUNING}
    best = sagemaker.describe_hyper_parameter_tuning_job(**asked)["BestTrainingJob"]
    return completed(plane, best["TrainingJobName"])


def _estimator_parameters(driver: Answer) -> dict[str, Any]:
    given = driver.described["HyperParameters"]
    return {"kernel": given["kernel"], "C": float(given["c"]), "gamma": float(given["gamma"])}


def _split(features: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(KFold(n_splits=N_FOLDERS, shuffle=True, random_state=23).split(features))


def _put_folds(plane: RunningPlane) -> None:
    features, label = load_iris(return_X_y=True)
    everything = np.arange(len(label))
    parts = [("train", "all", everything)]
    for fold, (fit, held) in enumerate(_split(features)):
        parts += [("train", str(fold), fit), ("test", str(fold), held)]
    for channel, folder, rows in parts:
        path = f"{PREFIX}/{channel}/{folder}/{channel}"
        put(plane, f"{path}_x.csv", saved_text(features[rows]))
        put(plane, f"{path}_y.csv", saved_text(label[rows]))
