"""One tuning job as data; its trials are training jobs and are kept by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

Status = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"]

LIVE: frozenset[Status] = frozenset({"InProgress", "Stopping"})


@dataclass(slots=True)
class Trial:
    """One set of values that is tried.

    `values` are the tuned hyperparameters as the container gets them.  `value` is the final
    objective, `epochs` every value of the objective so far, in order; `is_final` once the training
    job has ended.  `definition` names the training job definition, None where there is only one.
    """

    number: int
    job_name: str
    values: dict[str, str]
    definition: str | None = None
    epochs: list[float] = field(default_factory=list)
    value: float | None = None
    is_final: bool = False
    was_stopped_early: bool = False


@dataclass(slots=True)
class TuningJob:
    """What the plane knows of one tuning job; `request` is the validated request, untouched."""

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    modified: float
    status: Status = "InProgress"
    trials: list[Trial] = field(default_factory=list)
    # Finished trials of the parents of a warm start, best known values first to last as they ran.
    inherited: list[Trial] = field(default_factory=list)
    ended: float | None = None
    failure_reason: str | None = None
    # Why no further trial is started, in words for the log and the view.
    completion_reason: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether the job may still change."""
        return self.status in LIVE

    @classmethod
    def from_json(cls, **record: Any) -> Self:
        """Read the members of a record that is made of JSON's values only."""
        trials = {
            kind: [Trial(**each) for each in record[kind]] for kind in ("trials", "inherited")
        }
        return cls(**{**record, **trials})
