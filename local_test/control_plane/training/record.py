"""One training job as data: what was asked, what has happened; it is JSON on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

Status = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"]
# Why a job is being stopped decides its last secondary status.
StopCause = Literal["asked", "early", "max_runtime", "max_wait"]

LIVE: frozenset[Status] = frozenset({"InProgress", "Stopping"})


@dataclass(slots=True)
class Transition:
    """One secondary status; times are seconds since 1970."""

    status: str
    start: float
    end: float | None
    message: str


@dataclass(frozen=True, slots=True)
class Emission:
    """One value of a metric that a line of the log showed."""

    name: str
    value: float
    at: float


@dataclass(slots=True)
class TrainingJob:
    """What the plane knows of one training job.

    `request` is the validated CreateTrainingJob request, untouched.  `attempt` counts the starts of
    the containers from 1 (retries and spot interruptions start them again); 0 before the first.
    """

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    modified: float
    tuning_job_arn: str | None = None
    status: Status = "InProgress"
    transitions: list[Transition] = field(default_factory=list)
    emissions: list[Emission] = field(default_factory=list)
    attempt: int = 0
    retries: int = 0
    stop_cause: StopCause | None = None
    failure_reason: str | None = None
    model_uri: str | None = None
    output_uri: str | None = None
    training_started: float | None = None
    training_ended: float | None = None
    # Seconds in which containers ran, and seconds that would be billed, over all attempts.
    training_s: float = 0.0
    billable_s: float = 0.0

    @property
    def secondary_status(self) -> str:
        """The newest secondary status."""
        return self.transitions[-1].status

    @property
    def is_live(self) -> bool:
        """Whether the job may still change."""
        return self.status in LIVE

    def last_value(self, metric: str) -> float | None:
        """Return the last emission of a metric, or None."""
        return next((e.value for e in reversed(self.emissions) if e.name == metric), None)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes; every value is JSON's."""
        # Not `asdict` of the whole: it copies the request, and emissions are many and often saved.
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "transitions": [asdict(each) for each in self.transitions],
            "emissions": [{"name": e.name, "value": e.value, "at": e.at} for e in self.emissions],
        }

    @classmethod
    def from_json(cls, **record: Any) -> Self:
        """Read the members of what `to_json` returns."""
        return cls(
            **{
                **record,
                "transitions": [Transition(**each) for each in record["transitions"]],
                "emissions": [Emission(**each) for each in record["emissions"]],
            }
        )
