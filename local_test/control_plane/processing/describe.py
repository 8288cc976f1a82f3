"""A processing job as DescribeProcessingJob and ListProcessingJobs answer it.

Source: the service model's DescribeProcessingJobResponse and ProcessingJobSummary, and what both
SDKs read without asking whether it is there.  Not documented: which defaults the answer repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.processing.record import ProcessingJob

_REPEATED = (
    "ProcessingOutputConfig",
    "AppSpecification",
    "Environment",
    "NetworkConfig",
    "RoleArn",
    "ExperimentConfig",
)


def describe(job: ProcessingJob) -> dict[str, Any]:
    """Return DescribeProcessingJob's answer."""
    request = job.request
    return {
        **_state(job),
        **{name: request[name] for name in _REPEATED if name in request},
        "ProcessingInputs": request.get("ProcessingInputs", []),
        "ProcessingResources": {"ClusterConfig": job.cluster},
        "StoppingCondition": {"MaxRuntimeInSeconds": job.max_runtime_s},
        **_given(ProcessingStartTime=job.started),
    }


def summarize(job: ProcessingJob) -> dict[str, Any]:
    """Return the job's entry in ListProcessingJobs."""
    return _state(job)


def _state(job: ProcessingJob) -> dict[str, Any]:
    return {
        "ProcessingJobName": job.name,
        "ProcessingJobArn": job.arn,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "ProcessingJobStatus": job.status,
        **_given(
            ProcessingEndTime=job.ended,
            FailureReason=job.failure_reason,
            ExitMessage=job.exit_message,
        ),
    }


def _given(**members: object) -> Mapping[str, object]:
    return {name: value for name, value in members.items() if value is not None}
