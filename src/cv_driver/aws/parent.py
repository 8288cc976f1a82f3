"""The driver's own training job, as the service describes it: what its folds are cloned from.

Source: API reference, DescribeTrainingJob, StoppingCondition; AWS docs, "Amazon SageMaker
Environment Variables" (the job's name), "Managed Spot Training".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Of these the limit on the run time speaks; to wait for an instance, also for a new one after an
# interruption, is not to run.  Not documented in so many words.
_RUNNING = frozenset({"Downloading", "Training", "Uploading"})
_DEFAULT_MAX_RUN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Parent:
    """The driver's job.

    Attributes
    ----------
    described : mapping
        DescribeTrainingJob's answer, times as seconds since 1970.
    tags : mapping of key to value
    region : str
    deadline : float
        When the service ends the driver at the latest, seconds since 1970.
    """

    described: Mapping[str, Any]
    tags: Mapping[str, str]
    region: str
    deadline: float

    @property
    def name(self) -> str:
        """The driver's job name."""
        return str(self.described["TrainingJobName"])

    @property
    def arn(self) -> str:
        """The driver's ARN."""
        return str(self.described["TrainingJobArn"])

    @property
    def created(self) -> float | None:
        """When the driver's job was created, seconds since 1970."""
        created: float | None = self.described.get("CreationTime")
        return created

    @property
    def tuning_job(self) -> str | None:
        """Name of the tuning job that the driver is a trial of."""
        arn: str = self.described.get("TuningJobArn") or ""
        return arn.rpartition("/")[2] or None

    @property
    def image(self) -> str | None:
        """The image's URI, or the name of the algorithm that stands for it; as it was given."""
        given: Mapping[str, str] = self.described.get("AlgorithmSpecification") or {}
        return given.get("TrainingImage") or given.get("AlgorithmName") or None

    @property
    def resources(self) -> Mapping[str, Any]:
        """``ResourceConfig``."""
        resources: Mapping[str, Any] = self.described.get("ResourceConfig") or {}
        return resources

    @property
    def n_instances(self) -> int:
        """Instances of the driver itself, all groups together."""
        chosen = self.resources.get("SelectedInstanceCount")
        groups = self.resources.get("InstanceGroups") or [self.resources]
        return int(chosen or sum(int(group.get("InstanceCount", 1)) for group in groups))

    @property
    def instance_type(self) -> str:
        """Instance type of the driver; that of its first group where it has several."""
        chosen = self.resources.get("SelectedInstanceType")
        groups = self.resources.get("InstanceGroups") or [self.resources]
        return str(chosen or groups[0].get("InstanceType", ""))

    @property
    def uses_spot(self) -> bool:
        """Whether the driver itself runs on spot capacity."""
        return bool(self.described.get("EnableManagedSpotTraining"))

    @property
    def is_isolated(self) -> bool:
        """Whether the driver has no network."""
        return bool(self.described.get("EnableNetworkIsolation"))

    @property
    def subnets(self) -> tuple[str, ...]:
        """Subnets of the driver's VPC; none outside of one."""
        return tuple((self.described.get("VpcConfig") or {}).get("Subnets", ()))

    @property
    def output_path(self) -> str:
        """``S3OutputPath`` without a slash at the end."""
        return str((self.described.get("OutputDataConfig") or {})["S3OutputPath"]).rstrip("/")

    @property
    def output_key(self) -> str | None:
        """The KMS key that the driver's output is encrypted with."""
        return (self.described.get("OutputDataConfig") or {}).get("KmsKeyId") or None

    def left_s(self, now: float) -> float:
        """Return the seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - now)


def make_parent(
    described: Mapping[str, Any], tags: Mapping[str, str], region: str, *, now: float
) -> Parent:
    """Return the driver's job as it was described at `now`, seconds since 1970."""
    return Parent(described, tags, region, deadline_of(described, now=now))


def deadline_of(described: Mapping[str, Any], *, now: float) -> float:
    """Return when the service will end a running job, seconds since 1970.

    The run time counts over all starts of the job together; on spot capacity the waiting time,
    which counts from the creation, may be over first.
    """
    condition = described.get("StoppingCondition") or {}
    limit = float(condition.get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUN_S))
    deadline = now + limit - _ran_s(described, now)
    wait = condition.get("MaxWaitTimeInSeconds")
    if wait is None or not described.get("EnableManagedSpotTraining"):
        return deadline
    return min(deadline, float(described.get("CreationTime", now)) + float(wait))


def _ran_s(described: Mapping[str, Any], now: float) -> float:
    """Return for how long the job has run, over all its starts."""
    transitions = described.get("SecondaryStatusTransitions") or ()
    spells = [
        float(each.get("EndTime", now)) - float(each["StartTime"])
        for each in transitions
        if each["Status"] in _RUNNING
    ]
    if spells:
        return max(0.0, sum(spells))
    return max(0.0, now - float(described.get("TrainingStartTime", now)))
