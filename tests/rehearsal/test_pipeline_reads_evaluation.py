"""A pipeline of SDK v2's, whose condition and model metrics read a driver's evaluation.json.

The plane has no pipelines.  So its jobs are created from the definition's own arguments, and what
the definition refers to is looked up as the pipelines' schema says.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.opt_ml import build_opt_ml, run
from tests.rehearsal.conftest import SDKS_LEFT_OUT
from tests.rehearsal.plane_process import RunningPlane
from tests.rehearsal.trials import log_lines
from tests.rehearsal.user_scripts import rows, run_scripts

pytestmark = pytest.mark.slow

SCRIPT = "sdk2_pipeline_definition"
OBJECTIVE = "validation:rmse="
_END_S = 600.0


@dataclass(frozen=True, slots=True)
class Execution:
    """The jobs of one execution; `steps` is step → what describes its job."""

    plane: RunningPlane
    definition: Mapping[str, Any]
    steps: Mapping[str, Mapping[str, Any]]

    def step(self, name: str) -> Mapping[str, Any]:
        """Return a step of the definition by its name."""
        found: Mapping[str, Any] = _by_name(self.definition["Steps"])[name]
        return found

    def value(self, expression: Any) -> Any:
        """Return what an expression of the definition stands for."""
        match expression:
            case {"Std:Join": {"On": on, "Values": values}}:
                return on.join(str(self.value(each)) for each in values)
            case {"Std:JsonGet": {"S3Uri": uri, "Path": path}}:
                return _at(json.loads(self.object(self.value(uri))), path)
            case {"Get": path}:
                return self._property(path)
            case dict():
                return {name: self.value(each) for name, each in expression.items()}
            case _:
                return expression

    def object(self, uri: str) -> bytes:
        """Read an object of S3."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.plane.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def _property(self, path: str) -> Any:
        kind, name, rest = [*path.split(".", 2), ""][:3]
        if kind == "Parameters":
            return _by_name(self.definition["Parameters"])[name]["DefaultValue"]
        assert kind == "Steps", path
        return _at(self.steps[name], rest)


@pytest.fixture(scope="module")
def execution(plane: RunningPlane, tmp_path_factory: pytest.TempPathFactory) -> Execution:
    """Define the pipeline with the SDK and run the jobs of its two steps."""
    if not os.environ.get("CROSSFOLD_REHEARSAL"):
        pytest.skip(SDKS_LEFT_OUT)
    ran = run_scripts([SCRIPT], plane, tmp_path_factory.mktemp("pipeline"))[SCRIPT]
    assert ran.code == 0, ran.log
    definition = json.loads(ran.came_back["definition"])
    steps = _by_name(definition["Steps"])
    sagemaker, name = plane.client("sagemaker"), "pipelines-0123456789ab"
    sagemaker.create_training_job(TrainingJobName=name, **steps["CrossValidate"]["Arguments"])
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, **steps["Tune"]["Arguments"]
    )
    described = {"CrossValidate": _trained(plane, name), "Tune": _tuned(plane, name)}
    return Execution(plane, definition, described)


@pytest.fixture(params=["CrossValidate", "Tune"])
def step(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _driver(execution: Execution, step: str) -> str:
    """Return the job whose model the step hands on."""
    described = execution.steps[step]
    best: Mapping[str, Any] = described.get("BestTrainingJob", described)
    return str(best["TrainingJobName"])


def test_the_condition_reads_the_mean_that_the_driver_printed(
    execution: Execution, step: str
) -> None:
    (condition,) = execution.step(f"Evaluate{step}")["Arguments"]["Conditions"]

    left, right = (execution.value(condition[side]) for side in ("LeftValue", "RightValue"))

    assert "Std:JsonGet" in condition["LeftValue"]
    assert condition["Type"] == "LessThanOrEqualTo"
    assert left == pytest.approx(_printed(execution, step), rel=1e-12)
    assert left <= right == 70.0


def test_the_model_s_metrics_are_that_evaluation(execution: Execution, step: str) -> None:
    (registers,) = execution.step(f"Evaluate{step}")["Arguments"]["IfSteps"]
    arguments = execution.value(registers["Arguments"])

    statistics = arguments["ModelMetrics"]["ModelQuality"]["Statistics"]
    evaluation = json.loads(execution.object(statistics["S3Uri"]))

    assert registers["Type"] == "RegisterModel"
    assert statistics["ContentType"] == "application/json"
    assert statistics["S3Uri"].endswith(f"/{_driver(execution, step)}/evaluation/evaluation.json")
    assert set(evaluation) == {"regression_metrics"}
    rmse = evaluation["regression_metrics"]["rmse"]
    assert set(rmse) == {"value", "standard_deviation"}
    assert rmse["value"] == pytest.approx(_printed(execution, step), rel=1e-12)


def test_the_registered_model_is_the_one_of_the_job_that_was_evaluated(
    execution: Execution, step: str
) -> None:
    (registers,) = execution.step(f"Evaluate{step}")["Arguments"]["IfSteps"]
    (container,) = registers["Arguments"]["InferenceSpecification"]["Containers"]

    uri = execution.value(container["ModelDataUrl"])

    assert uri.endswith(f"/{_driver(execution, step)}/output/model.tar.gz")
    assert execution.object(uri)[:2] == b"\x1f\x8b"


def test_the_step_s_evaluation_is_what_the_command_finds_outside(
    execution: Execution, tmp_path: Path
) -> None:
    own = {"cv_folds": 3, "num_round": 5}
    outside = run(build_opt_ml(tmp_path, own, {"train": {"rows.csv": rows()}}))

    assert _printed(execution, "CrossValidate") == pytest.approx(
        outside.metric("validation:rmse"), rel=1e-9
    )


def _printed(execution: Execution, step: str) -> float:
    (line,) = [
        each
        for each in log_lines(execution.plane, _driver(execution, step))
        if each.startswith(OBJECTIVE)
    ]
    return float(line.removeprefix(OBJECTIVE).removesuffix(";"))


def _trained(plane: RunningPlane, name: str) -> Mapping[str, Any]:
    client = plane.client("sagemaker")
    return _ended(lambda: client.describe_training_job(TrainingJobName=name), "TrainingJobStatus")


def _tuned(plane: RunningPlane, name: str) -> Mapping[str, Any]:
    """Describe a tuning job, with its trials in the order that a step tells them in: best first."""
    client, asked = plane.client("sagemaker"), {"HyperParameterTuningJobName": name}
    described = _ended(
        lambda: client.describe_hyper_parameter_tuning_job(**asked), "HyperParameterTuningJobStatus"
    )
    trials = client.list_training_jobs_for_hyper_parameter_tuning_job(
        **asked, SortBy="FinalObjectiveMetricValue", SortOrder="Ascending"
    )
    return {**described, "TrainingJobSummaries": trials["TrainingJobSummaries"]}


def _ended(describe: Any, status: str) -> Mapping[str, Any]:
    end = time.monotonic() + _END_S
    while True:
        described: Mapping[str, Any] = describe()
        if described[status] != "InProgress":
            assert described[status] == "Completed", described.get("FailureReason")
            return described
        assert time.monotonic() < end, described
        time.sleep(0.1)


def _by_name(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["Name"]: each for each in listed}


def _at(document: Any, path: str) -> Any:
    """Return what a path of names and ``[indices]`` leads to."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        document = document[name] if name else document[int(index)]
    return document
