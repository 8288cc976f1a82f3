"""Requests that the service refuses: nothing is made, and nothing is paid.

Should one be taken after all, it is stopped at once, and has a minute to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from local_test.verify_aws.costs import Use
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.probes.probe import Probe, refused
from local_test.verify_aws.probes.training import training_request
from local_test.verify_aws.side import Side

Change = Callable[[Any], None]
_MOST_RUN_S = 60
_STOP_S = 120


def refusal_probes() -> list[Probe]:
    """Return the one probe of refusals."""
    most_s = len(_CHANGES) * (_MOST_RUN_S + _STOP_S)
    return [
        Probe(
            "refusals",
            "requests that are refused (free; one that is taken is stopped at once)",
            (Use("refusals, were all taken", 1, most_s),),
            _refusals,
        )
    ]


def _refusals(side: Side) -> Iterator[Observation]:
    for fact, asks, change in _CHANGES:
        name = side.job_name(f"refused-{fact.replace('_', '-')}")
        request = training_request(side, name, "completed", most_s=_MOST_RUN_S)
        change(request)
        yield Observation(f"refusal.{fact}", asks, _answer(side, request))
    for operation, request in _UNKNOWN:
        yield Observation(
            f"refusal.unknown.{operation}",
            "What is said of a name that is not there?",
            refused(side, partial(getattr(side.sagemaker, operation), **request)),
        )


def _answer(side: Side, request: Any) -> dict[str, str]:
    name = str(request["TrainingJobName"])
    side.begin("training-job", name)
    said = refused(side, partial(side.sagemaker.create_training_job, **request))
    if said["code"] == "none":
        side.sagemaker.stop_training_job(TrainingJobName=name)
    else:
        side.made.remove("training-job", name)
    return said


def _deep(*path: str | int, value: Any) -> Change:
    def change(request: Any) -> None:
        for step in path[:-1]:
            request = request[step]
        request[path[-1]] = value

    return change


def _spot(request: Any) -> None:
    request["EnableManagedSpotTraining"] = True
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": 120, "MaxWaitTimeInSeconds": 60}


def _twice(request: Any) -> None:
    request["InputDataConfig"] = request["InputDataConfig"] * 2


_CHANGES: tuple[tuple[str, str, Change], ...] = (
    ("name", "A name with an underscore?", _deep("TrainingJobName", value="crossfold_verify")),
    (
        "long_name",
        "A name of 64 characters?",
        _deep("TrainingJobName", value="crossfold-verify".ljust(64, "v")),
    ),
    (
        "instance_type",
        "An instance type that there is not?",
        _deep("ResourceConfig", "InstanceType", value="ml.m5.tiny"),
    ),
    ("no_hosts", "No instances?", _deep("ResourceConfig", "InstanceCount", value=0)),
    ("role", "A role that is no ARN?", _deep("RoleArn", value="no role")),
    (
        "output",
        "An output path that is no URI?",
        _deep("OutputDataConfig", "S3OutputPath", value="/output"),
    ),
    (
        "no_time",
        "A MaxRuntimeInSeconds of 0?",
        _deep("StoppingCondition", "MaxRuntimeInSeconds", value=0),
    ),
    ("spot_wait", "A MaxWaitTimeInSeconds below MaxRuntimeInSeconds?", _spot),
    ("two_channels", "Two channels of one name?", _twice),
    (
        "hyperparameters",
        "101 hyperparameters?",
        _deep("HyperParameters", value={f"h{number}": "1" for number in range(101)}),
    ),
    (
        "long_value",
        "A hyperparameter of 2,501 characters?",
        _deep("HyperParameters", "plain", value="v" * 2501),
    ),
    (
        "regex",
        "A metric's regular expression with an open group?",
        _deep("AlgorithmSpecification", "MetricDefinitions", value=[{"Name": "m", "Regex": "m=("}]),
    ),
    (
        "warm_pool",
        "A KeepAlivePeriodInSeconds of six hours and a second?",
        # More than an hour may be taken, and a kept instance is paid for.
        _deep("ResourceConfig", "KeepAlivePeriodInSeconds", value=21601),
    ),
    (
        "aws_tag",
        "A tag that begins with aws:?",
        _deep("Tags", value=[{"Key": "aws:verify", "Value": "1"}]),
    ),
)
_UNKNOWN: tuple[tuple[str, dict[str, str]], ...] = (
    ("describe_training_job", {"TrainingJobName": "crossfold-verify-is-not-there"}),
    ("stop_training_job", {"TrainingJobName": "crossfold-verify-is-not-there"}),
    (
        "describe_hyper_parameter_tuning_job",
        {"HyperParameterTuningJobName": "crossfold-verify-none"},
    ),
    (
        "stop_hyper_parameter_tuning_job",
        {"HyperParameterTuningJobName": "crossfold-verify-none"},
    ),
    (
        "list_training_jobs_for_hyper_parameter_tuning_job",
        {"HyperParameterTuningJobName": "crossfold-verify-none"},
    ),
    ("stop_transform_job", {"TransformJobName": "crossfold-verify-is-not-there"}),
    ("stop_processing_job", {"ProcessingJobName": "crossfold-verify-is-not-there"}),
    ("delete_model", {"ModelName": "crossfold-verify-is-not-there"}),
    ("delete_endpoint", {"EndpointName": "crossfold-verify-is-not-there"}),
    ("delete_endpoint_config", {"EndpointConfigName": "crossfold-verify-is-not-there"}),
    ("describe_endpoint_config", {"EndpointConfigName": "crossfold-verify-is-not-there"}),
    ("describe_model", {"ModelName": "crossfold-verify-is-not-there"}),
    ("describe_endpoint", {"EndpointName": "crossfold-verify-is-not-there"}),
    ("describe_transform_job", {"TransformJobName": "crossfold-verify-is-not-there"}),
    ("describe_processing_job", {"ProcessingJobName": "crossfold-verify-is-not-there"}),
)
