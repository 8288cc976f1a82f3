"""One processing job as data: what was asked, what has happened; it is JSON on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"]
# What was asked first counts: a job that runs too long is stopped as if someone had asked.
StopCause = Literal["asked", "max_runtime"]

_DAY_S = 86_400
LIVE: frozenset[Status] = frozenset({"InProgress", "Stopping"})


@dataclass(slots=True)
class ProcessingJob:
    """What the plane knows of one processing job; times are seconds since 1970.

    `request` is the validated CreateProcessingJob request, untouched.
    """

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    modified: float
    status: Status = "InProgress"
    started: float | None = None
    ended: float | None = None
    stop_cause: StopCause | None = None
    exit_message: str | None = None
    failure_reason: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether the job may still change."""
        return self.status in LIVE

    @property
    def host_names(self) -> tuple[str, ...]:
        """The names of the job's hosts, sorted as text: algo-10 comes before algo-2."""
        count = int(self.cluster["InstanceCount"])
        return tuple(sorted(f"algo-{number}" for number in range(1, count + 1)))

    @property
    def cluster(self) -> dict[str, Any]:
        """The request's cluster; one host unless it says otherwise."""
        return {"InstanceCount": 1, **self.request["ProcessingResources"]["ClusterConfig"]}

    @property
    def max_runtime_s(self) -> int:
        """How long the containers may run; a day unless the request says otherwise."""
        condition = self.request.get("StoppingCondition") or {}
        return int(condition.get("MaxRuntimeInSeconds", _DAY_S))

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The inputs that the platform downloads."""
        given = self.request.get("ProcessingInputs") or ()
        return [each for each in given if not each.get("AppManaged")]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The outputs that the platform uploads."""
        given = (self.request.get("ProcessingOutputConfig") or {}).get("Outputs", ())
        return [each for each in given if not each.get("AppManaged")]

    @property
    def has_continuous_outputs(self) -> bool:
        """Whether outputs are uploaded while the job runs."""
        return any(each["S3Output"]["S3UploadMode"] == "Continuous" for each in self.outputs)

    @property
    def is_isolated(self) -> bool:
        """Whether the containers have no network."""
        return bool((self.request.get("NetworkConfig") or {}).get("EnableNetworkIsolation"))
