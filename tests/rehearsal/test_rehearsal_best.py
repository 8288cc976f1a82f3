"""The README's journey from rows to a registered model, by SDK 2 and one script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.user_scripts import Ran


def _said(ran: Ran, beginning: str) -> str:
    line = next(each for each in ran.log.splitlines() if beginning in each)
    return line.partition(beginning)[2]


def _trials(ran: Ran, name: str) -> dict[str, float]:
    found = ran.plane.client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )["TrainingJobSummaries"]
    metric = "FinalHyperParameterTuningJobObjectiveMetric"
    return {each["TrainingJobName"]: each[metric]["Value"] for each in found}


def _read(ran: Ran, uri: str) -> Any:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return json.loads(ran.plane.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def test_the_best_mean_over_folds_is_what_was_registered(sdk2_deploy_best: Ran) -> None:
    name, _, best = _said(sdk2_deploy_best, "the best trial of ").partition(" is ")
    trials = _trials(sdk2_deploy_best, name)
    assert len(trials) == 2
    assert trials[best] == min(trials.values())

    arn = _said(sdk2_deploy_best, "registered and approved: ")
    package = sdk2_deploy_best.plane.client("sagemaker").describe_model_package(
        ModelPackageName=arn
    )
    assert package["ModelApprovalStatus"] == "Approved"
    (container,) = package["InferenceSpecification"]["Containers"]
    assert f"/{best}/output/model.tar.gz" in container["ModelDataUrl"]
    evaluation = _read(
        sdk2_deploy_best, package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    )
    mean = evaluation["regression_metrics"]["rmse"]["value"]
    # What a log line of six digits told the tuner.
    assert mean == pytest.approx(trials[best], rel=1e-5)


def test_the_batch_said_what_the_endpoint_said(sdk2_deploy_best: Ran) -> None:
    assert _said(sdk2_deploy_best, "the batch says the same of all ") == "442 rows: True"


def test_no_endpoint_is_left(sdk2_deploy_best: Ran) -> None:
    name, _, _ = _said(sdk2_deploy_best, "the best trial of ").partition(" is ")
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sdk2_deploy_best.plane.client("sagemaker").describe_endpoint(EndpointName=name)
