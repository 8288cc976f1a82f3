"""Account quotas on instances, switched on for a rehearsal of scarcity.

Source: AWS General Reference, "Amazon SageMaker endpoints and quotas": instances per type and use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local_test.control_plane.training.machine import TrainingJobs
from local_test.control_plane.training.record import StopCause, TrainingJob
from local_test.control_plane.wire.errors import ResourceLimitExceeded


def check_quota(
    limits: Mapping[str, int], running: Iterable[TrainingJob], request: Mapping[str, Any]
) -> None:
    """Refuse a training job whose instances are more than the quota leaves.

    Parameters
    ----------
    limits
        Instances by instance type; a type that is not named has no limit.
    running
        Every training job, live or not.

    Raises
    ------
    ResourceLimitExceeded
        As the service words it.
    """
    used = [each for job in running if job.is_live for each in _instances(job.request)]
    use = "spot training job" if request.get("EnableManagedSpotTraining") else "training job"
    for kind, count in _instances(request):
        taken = sum(n for other, n in used if other == kind)
        if kind in limits and taken + count > limits[kind]:
            raise ResourceLimitExceeded(
                f"The account-level service limit '{kind} for {use} usage' is {limits[kind]} "
                f"Instances, with current utilization of {taken} Instances and a request delta of "
                f"{count} Instances. Please use AWS Service Quotas to request an increase for this "
                "quota. If AWS Service Quotas is not available, contact AWS support to request an "
                "increase for this quota."
            )


class Admitted:
    """The training jobs as a tuning job sees them: its trials need instances like any other."""

    def __init__(self, jobs: TrainingJobs, limits: Mapping[str, int]) -> None:
        self._jobs = jobs
        self._limits = limits

    def create(
        self, request: dict[str, Any], *, arn: str, tuning_job_arn: str | None = None
    ) -> TrainingJob:
        """Create a training job if the quotas allow it; see `check_quota`."""
        check_quota(self._limits, self._jobs.all(), request)
        return self._jobs.create(request, arn=arn, tuning_job_arn=tuning_job_arn)

    def get(self, name: str) -> TrainingJob:
        """Return a training job."""
        return self._jobs.get(name)

    def stop(self, name: str, cause: StopCause = "asked") -> None:
        """Begin to stop a training job."""
        self._jobs.stop(name, cause)


def _instances(request: Mapping[str, Any]) -> list[tuple[str, int]]:
    resources = request["ResourceConfig"]
    groups = resources.get("InstanceGroups") or [resources]
    return [
        (each["InstanceType"], each["InstanceCount"]) for each in groups if "InstanceType" in each
    ]
