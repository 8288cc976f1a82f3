"""Scripts that register a cross-validated model: its evaluation is the one of its folds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rehearsal.plane_process import RunningPlane
from tests.rehearsal.trials import Trial
from tests.rehearsal.user_scripts import Ran

pytestmark = pytest.mark.slow

ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"


def value_at(plane: RunningPlane, uri: str) -> float:
    """Return the RMSE of the evaluation that a package's metrics point to."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    document = json.loads(plane.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    return float(document["regression_metrics"]["rmse"]["value"])


def statistics(package: dict[str, Any]) -> str:
    """Return where the metrics of a described package lie."""
    return str(package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])


def test_sdk2_registers_the_evaluation_of_the_folds(sdk2_register: Ran) -> None:
    came_back = sdk2_register.came_back
    trial = Trial(came_back["job"], sdk2_register.plane)

    value = value_at(sdk2_register.plane, statistics(came_back["registered"]))
    assert value == pytest.approx(trial.from_rows(), rel=1e-6)
    assert value == pytest.approx(trial.from_folds(), rel=1e-12)


def test_sdk2_registers_a_first_version_that_waits_for_approval(sdk2_register: Ran) -> None:
    came_back = sdk2_register.came_back
    package = came_back["registered"]

    assert package["ModelPackageArn"] == f"{ARN}model-package/sdk2-diabetes/1"
    assert (package["ModelPackageStatus"], package["ModelApprovalStatus"]) == (
        "Completed",
        "PendingManualApproval",
    )
    [container] = package["InferenceSpecification"]["Containers"]
    assert (container["Image"], container["ModelDataUrl"]) == (IMAGE, came_back["model_data"])
    assert package["CustomerMetadataProperties"] == {"trained-by": came_back["job"]}
    assert came_back["approved"]["ModelApprovalStatus"] == "Approved"
    [version] = came_back["versions"]["ModelPackageSummaryList"]
    assert (version["ModelPackageVersion"], version["ModelApprovalStatus"]) == (1, "Approved")
    assert came_back["group"]["ModelPackageGroupStatus"] == "Completed"


def test_sdk3_registers_the_evaluation_of_the_folds(sdk3_register: Ran) -> None:
    came_back = sdk3_register.came_back
    package = came_back["package"]
    trial = Trial(came_back["job"], sdk3_register.plane)

    assert package["arn"] == f"{ARN}model-package/sdk3-diabetes/1"
    assert package["version"] == 1
    assert package["approval"] == ["PendingManualApproval", "Approved"]
    assert (package["image"], package["model_data"]) == (IMAGE, came_back["model_data"])
    assert came_back["group"] == f"{ARN}model-package-group/sdk3-diabetes"
    value = value_at(sdk3_register.plane, package["statistics"])
    assert value == pytest.approx(trial.from_rows(), rel=1e-6)


def test_an_approved_package_becomes_a_model_of_its_image_and_data(sdk2_register: Ran) -> None:
    client = sdk2_register.plane.client("sagemaker")
    arn = sdk2_register.came_back["registered"]["ModelPackageArn"]

    client.create_model(
        ModelName="of-a-package",
        PrimaryContainer={"ModelPackageName": arn},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/SageMakerRole",
    )

    told = client.describe_model(ModelName="of-a-package")
    assert told["PrimaryContainer"]["ModelPackageName"] == arn
    client.delete_model(ModelName="of-a-package")
