"""Removing what the check made, also what an earlier run had no time to remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local_test.verify_aws.side import NotInTime, Side

# The service says of a job that has ended, and of a name that is not there, that it cannot.
_NOTHING_TO_DO = {"ValidationException", "ResourceNotFound", "ResourceNotFoundException"}
# An endpoint that is being made cannot be deleted before it is there.
_SETTLED_S = 1800.0


def remove_all(side: Side) -> list[str]:
    """Stop or delete everything that is noted as made.

    Return what could not be removed, in words; it stays noted.
    """
    problems = []
    for kind, name in side.made.newest_first():
        try:
            _ACTS[kind](side, name)
        except (ClientError, NotInTime) as error:
            problems.append(f"{kind} {name}: {error}")
        else:
            side.made.remove(kind, name)
    return problems


def delete_endpoint(side: Side, name: str) -> None:
    """Delete an endpoint, as soon as it can be.

    Raises
    ------
    NotInTime
        It was being made or changed for half an hour.
    botocore.exceptions.ClientError
        The service refused.
    """

    def is_settled() -> bool | None:
        try:
            status = side.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]
        except ClientError as error:
            _pass_over_what_is_gone(error)
            return True
        return None if status in ("Creating", "Updating", "SystemUpdating") else True

    # Also where the run is cancelled: nobody else would delete it.
    side.wait(is_settled, most_s=_SETTLED_S, what=f"an end of changes to {name}", always=True)
    try:
        side.sagemaker.delete_endpoint(EndpointName=name)
    except ClientError as error:
        _pass_over_what_is_gone(error)


def _pass_over_what_is_gone(error: ClientError) -> None:
    if error.response["Error"]["Code"] not in _NOTHING_TO_DO:
        raise error


def _by_name(operation: str, member: str) -> Callable[[Side, str], None]:
    def act(side: Side, name: str) -> None:
        try:
            getattr(side.sagemaker, operation)(**{member: name})
        except ClientError as error:
            _pass_over_what_is_gone(error)

    return act


def _delete_objects(side: Side, folder: str) -> None:
    s3: Any = side.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=side.bucket, Prefix=folder):
        for each in page.get("Contents", ()):
            s3.delete_object(Bucket=side.bucket, Key=each["Key"])


_ACTS: dict[str, Callable[[Side, str], None]] = {
    "training-job": _by_name("stop_training_job", "TrainingJobName"),
    "tuning-job": _by_name("stop_hyper_parameter_tuning_job", "HyperParameterTuningJobName"),
    "transform-job": _by_name("stop_transform_job", "TransformJobName"),
    "processing-job": _by_name("stop_processing_job", "ProcessingJobName"),
    "endpoint": delete_endpoint,
    "endpoint-config": _by_name("delete_endpoint_config", "EndpointConfigName"),
    "model": _by_name("delete_model", "ModelName"),
    "objects": _delete_objects,
}
