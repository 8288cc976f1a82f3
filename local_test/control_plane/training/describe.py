"""A training job as DescribeTrainingJob and ListTrainingJobs answer it.

It knows the record and no wire: times are seconds since 1970.  Source: the service model's
DescribeTrainingJobResponse and TrainingJobSummary, and what both SDKs read without asking whether
it is there.  Not documented: which defaults of the request the answer repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from local_test.control_plane.training.limits import DEFAULT_MAX_RUNTIME_S
from local_test.control_plane.training.record import TrainingJob

# Members of the request that the answer repeats as they are, if they were given.
_REPEATED = (
    "RoleArn",
    "HyperParameters",
    "VpcConfig",
    "CheckpointConfig",
    "DebugHookConfig",
    "ExperimentConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ProfilerConfig",
    "ProfilerRuleConfigurations",
    "Environment",
    "RetryStrategy",
    "RemoteDebugConfig",
    "InfraCheckConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
_FLAGS = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)
_OUTPUT_DEFAULTS = MappingProxyType({"KmsKeyId": "", "CompressionType": "GZIP"})
_CHANNEL_DEFAULTS = MappingProxyType({"CompressionType": "None", "RecordWrapperType": "None"})


def describe(job: TrainingJob) -> dict[str, Any]:
    """Return DescribeTrainingJob's answer."""
    request = job.request
    answer = {
        **_identity(job),
        "AlgorithmSpecification": dict(request["AlgorithmSpecification"]),
        "OutputDataConfig": {**_OUTPUT_DEFAULTS, **request.get("OutputDataConfig", {})},
        "ResourceConfig": dict(request.get("ResourceConfig", {})),
        "StoppingCondition": {
            "MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_S,
            **(request.get("StoppingCondition") or {}),
        },
        "ModelArtifacts": {"S3ModelArtifacts": job.model_uri or _expected_model_uri(request)},
        "SecondaryStatusTransitions": _transitions(job),
        "ProfilingStatus": "Disabled",
        **{name: request[name] for name in _REPEATED if request.get(name) is not None},
        **{name: bool(request.get(name, False)) for name in _FLAGS},
        **_times(job),
    }
    channels = request.get("InputDataConfig")
    if channels:
        answer["InputDataConfig"] = [{**_CHANNEL_DEFAULTS, **channel} for channel in channels]
    if job.failure_reason is not None:
        answer["FailureReason"] = job.failure_reason
    if job.tuning_job_arn is not None:
        answer["TuningJobArn"] = job.tuning_job_arn
    if job.emissions:
        answer["FinalMetricDataList"] = final_metrics(job)
    return answer


def summary(job: TrainingJob) -> dict[str, Any]:
    """Return the job's line in ListTrainingJobs' answer."""
    line = _identity(job)
    if not job.is_live and job.training_ended is not None:
        line["TrainingEndTime"] = job.training_ended
    return line


def final_metrics(job: TrainingJob) -> list[dict[str, Any]]:
    """Return the last value of every metric that has one, in the order of first appearance."""
    last = {each.name: each for each in job.emissions}
    return [
        {"MetricName": each.name, "Value": each.value, "Timestamp": each.at}
        for each in last.values()
    ]


def _identity(job: TrainingJob) -> dict[str, Any]:
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary_status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
    }


def _times(job: TrainingJob) -> dict[str, Any]:
    """Return the times that are known; the shortest time that the service tells is 1 second."""
    if job.training_started is None:
        return {}
    times: dict[str, Any] = {
        "TrainingStartTime": job.training_started,
        "TrainingTimeInSeconds": max(1, round(job.training_s)),
        "BillableTimeInSeconds": max(1, round(job.billable_s)),
    }
    if job.training_ended is not None:
        times["TrainingEndTime"] = job.training_ended
    return times


def _transitions(job: TrainingJob) -> list[dict[str, Any]]:
    return [
        {
            "Status": each.status,
            "StartTime": each.start,
            **({} if each.end is None else {"EndTime": each.end}),
            "StatusMessage": each.message,
        }
        for each in job.transitions
    ]


def _expected_model_uri(request: Mapping[str, Any]) -> str:
    """Return where the model will lie: the service names the place before it is filled."""
    output = request.get("OutputDataConfig", {})
    folder = f"{output.get('S3OutputPath', '').rstrip('/')}/{request['TrainingJobName']}/output"
    is_packed = output.get("CompressionType", "GZIP") == "GZIP"
    return f"{folder}/{'model.tar.gz' if is_packed else 'model/'}"
