"""Requests that the service accepts, changes to them, and a client of botocore's without a net."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session

from local_test.control_plane.wire.errors import ServiceError
from local_test.control_plane.wire.protocol import decode, encode, encode_error, parse_target
from local_test.control_plane.wire.rules import check_training, check_tuning
from local_test.control_plane.wire.validation import validate

# Stands for a member that is taken away.
GONE = object()
_ROLE = "arn:aws:iam::123456789012:role/service-role/Rehearsal"
_RULES = {
    "CreateTrainingJob": check_training,
    "CreateHyperParameterTuningJob": check_tuning,
}
_ANSWERS = {
    "CreateTrainingJob": {
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/a"
    },
    "CreateHyperParameterTuningJob": {
        "HyperParameterTuningJobArn": (
            "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/a"
        )
    },
}


def channel(name: str, **changes: object) -> dict[str, Any]:
    """Return a channel that reads a prefix of S3."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{name}/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **changes}


def metric(name: str, regex: str = r"rmse=([0-9.]+);") -> dict[str, str]:
    """Return a metric definition."""
    return {"Name": name, "Regex": regex}


def training_request() -> dict[str, Any]:
    """Return a CreateTrainingJob request with every member that the rules look at."""
    return {
        "TrainingJobName": "rehearsal-1",
        "HyperParameters": {"eta": "0.3", "objective": "reg:squarederror"},
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [metric("validation:rmse")],
        },
        "RoleArn": _ROLE,
        "InputDataConfig": [channel("train"), channel("validation")],
        "OutputDataConfig": {"S3OutputPath": "s3://data/output"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 2,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "CheckpointConfig": {"S3Uri": "s3://data/checkpoints"},
        "Environment": {"LOG_LEVEL": "INFO"},
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "Tags": [{"Key": "équipe", "Value": "risque + co"}],
    }


def definition() -> dict[str, Any]:
    """Return a training job definition of a tuning job."""
    names = (
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "StoppingCondition",
    )
    request = training_request()
    return {
        **{name: request[name] for name in names},
        "StaticHyperParameters": {"n_estimators": "200"},
    }


def tuning_request() -> dict[str, Any]:
    """Return a CreateHyperParameterTuningJob request: Bayesian, one definition."""
    return {
        "HyperParameterTuningJobName": "tune-1",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "validation:rmse",
            },
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 12, "MaxParallelTrainingJobs": 3},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {
                        "Name": "eta",
                        "MinValue": "0.001",
                        "MaxValue": "0.5",
                        "ScalingType": "Logarithmic",
                    }
                ],
                "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "9"}],
                "CategoricalParameterRanges": [{"Name": "booster", "Values": ["gbtree", "dart"]}],
            },
        },
        "TrainingJobDefinition": definition(),
    }


def changed(request: Mapping[str, Any], changes: Mapping[str, object]) -> dict[str, Any]:
    """Return a request with members at dotted paths (list items by number) set or taken away."""
    result = copy.deepcopy(dict(request))
    for path, value in changes.items():
        *above, last = path.split(".")
        place: Any = result
        for name in above:
            place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
        if value is GONE:
            del place[last]
        elif isinstance(place, list):
            place[int(last)] = copy.deepcopy(value)
        else:
            place[last] = copy.deepcopy(value)
    return result


def answer(target: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Answer a request by the wire alone: protocol, model, rules."""
    try:
        operation = parse_target(target)
        request: Any = decode(body)
        validate(operation, request)
        _RULES.get(operation, lambda _: None)(request)
        return 200, {}, encode(operation, _ANSWERS.get(operation, {}))
    except ServiceError as error:
        return encode_error(error)


def client(*, checks: bool) -> BaseClient:
    """Return botocore's client of SageMaker; each request goes to `answer` and nowhere else."""
    session = Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    config = Config(parameter_validation=checks, retries={"max_attempts": 0})
    made = session.create_client("sagemaker", region_name="us-east-1", config=config)
    made.meta.events.register("before-send.sagemaker", _send)
    return made


class _Raw(BytesIO):
    def stream(self, **_: object) -> list[bytes]:
        return [self.read()]


def _send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    target = request.headers["X-Amz-Target"]
    status, headers, body = answer(
        target.decode() if isinstance(target, bytes) else target, request.body
    )
    return AWSResponse(request.url, status, headers, _Raw(body))
