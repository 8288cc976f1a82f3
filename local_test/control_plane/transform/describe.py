"""A transform job as DescribeTransformJob and ListTransformJobs answer it.

It knows the record and no wire: times are seconds since 1970.  Source: the service model's
DescribeTransformJobResponse and TransformJobSummary.  Not documented: the answer repeats what the
request said and no default, but for the types that both SDKs show.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from local_test.control_plane.transform.record import TransformJob

_REPEATED = (
    "ModelName",
    "MaxConcurrentTransforms",
    "ModelClientConfig",
    "MaxPayloadInMB",
    "BatchStrategy",
    "Environment",
    "TransformResources",
    "ExperimentConfig",
)
_INPUT = MappingProxyType({"CompressionType": "None", "SplitType": "None"})
_OUTPUT = MappingProxyType({"AssembleWith": "None", "KmsKeyId": ""})
_PROCESSING = MappingProxyType({"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"})


def describe(job: TransformJob) -> dict[str, Any]:
    """Return DescribeTransformJob's answer."""
    request = job.request
    times = {"TransformStartTime": job.started, "TransformEndTime": job.ended}
    return {
        "TransformJobName": job.name,
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
        "CreationTime": job.created,
        **_failure(job),
        **{name: at for name, at in times.items() if at is not None},
        **{name: request[name] for name in _REPEATED if name in request},
        "TransformInput": {**_INPUT, **request["TransformInput"]},
        "TransformOutput": {**_OUTPUT, **request["TransformOutput"]},
        "DataProcessing": {**_PROCESSING, **request.get("DataProcessing", {})},
    }


def summary(job: TransformJob) -> dict[str, Any]:
    """Return one of ListTransformJobs' summaries."""
    return {
        "TransformJobName": job.name,
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        **({} if job.ended is None else {"TransformEndTime": job.ended}),
        **_failure(job),
    }


def _failure(job: TransformJob) -> dict[str, str]:
    return {} if job.failure_reason is None else {"FailureReason": job.failure_reason}
