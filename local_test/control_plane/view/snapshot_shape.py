"""What the plane says of its jobs, as values: the JSON of ``/_plane/snapshot``, read.

It knows nothing of how the plane keeps its jobs; a key that a plane does not send counts as empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LIVE = frozenset({"InProgress", "Stopping"})


@dataclass(frozen=True, slots=True)
class TrialShown:
    """One trial of a tuning job; `epochs` are the objective's values so far, in order."""

    number: int
    job: str
    values: Mapping[str, str]
    status: str
    secondary: str
    value: float | None
    epochs: tuple[float, ...]
    stopped_early: bool
    started: float | None
    ended: float | None
    failure_reason: str | None

    @property
    def is_live(self) -> bool:
        """Whether it still runs."""
        return self.status in _LIVE

    @property
    def newest_value(self) -> float | None:
        """The objective: final, or the newest so far."""
        return self.epochs[-1] if self.value is None and self.epochs else self.value


@dataclass(frozen=True, slots=True)
class TuningShown:
    """One tuning job; `best` names a training job, and `max_jobs` is 0 for no limit."""

    name: str
    status: str
    strategy: str
    metric: str
    direction: str
    max_jobs: int
    max_parallel: int
    best: str | None
    best_value: float | None
    created: float
    ended: float | None
    completion_reason: str | None
    trials: tuple[TrialShown, ...]

    @property
    def is_live(self) -> bool:
        """Whether it still runs."""
        return self.status in _LIVE


@dataclass(frozen=True, slots=True)
class TrainingShown:
    """One training job; `metrics` has the last value of each, `last_line` is of its log."""

    name: str
    status: str
    secondary: str
    message: str
    created: float
    started: float | None
    ended: float | None
    instance_type: str
    instance_count: int
    tuning_job: str | None
    metrics: Mapping[str, float]
    failure_reason: str | None
    hyperparameters: Mapping[str, str]
    last_line: str

    @property
    def is_live(self) -> bool:
        """Whether it still runs."""
        return self.status in _LIVE


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All jobs at one moment (seconds since 1970), in the order of their creation."""

    now: float
    tuning_jobs: Mapping[str, TuningShown]
    training_jobs: Mapping[str, TrainingShown]

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return not (
            any(job.is_live for job in self.tuning_jobs.values())
            or any(job.is_live for job in self.training_jobs.values())
        )


def read_snapshot(document: Mapping[str, Any]) -> Snapshot:
    """Read what the plane sent.

    Raises
    ------
    KeyError
        A job has no name or status, so it is no snapshot of the plane.
    """
    tuning = [_read_tuning(each) for each in document["tuning_jobs"]]
    training = [_read_training(each) for each in document["training_jobs"]]
    return Snapshot(
        now=float(document["now"]),
        tuning_jobs={job.name: job for job in tuning},
        training_jobs={job.name: job for job in training},
    )


def _read_tuning(item: Mapping[str, Any]) -> TuningShown:
    objective, best = item.get("objective") or {}, item.get("best") or {}
    return TuningShown(
        name=item["name"],
        status=item["status"],
        strategy=item.get("strategy") or "",
        metric=objective.get("name") or "",
        direction=objective.get("type") or "",
        max_jobs=item.get("max_jobs") or 0,
        max_parallel=item.get("max_parallel") or 0,
        best=best.get("job"),
        best_value=best.get("value"),
        created=item["created"],
        ended=item.get("ended"),
        completion_reason=item.get("completion_reason"),
        trials=tuple(_read_trial(each) for each in item.get("trials") or ()),
    )


def _read_trial(item: Mapping[str, Any]) -> TrialShown:
    return TrialShown(
        number=item["number"],
        job=item["job"],
        values=item.get("values") or {},
        status=item["status"],
        secondary=item.get("secondary") or "",
        value=item.get("value"),
        epochs=tuple(item.get("epochs") or ()),
        stopped_early=bool(item.get("stopped_early")),
        started=item.get("started"),
        ended=item.get("ended"),
        failure_reason=_printable(item.get("failure_reason") or "") or None,
    )


def _read_training(item: Mapping[str, Any]) -> TrainingShown:
    return TrainingShown(
        name=item["name"],
        status=item["status"],
        secondary=item.get("secondary") or "",
        message=item.get("message") or "",
        created=item["created"],
        started=item.get("started"),
        ended=item.get("ended"),
        instance_type=item.get("instance_type") or "",
        instance_count=item.get("instance_count") or 1,
        tuning_job=item.get("tuning_job"),
        metrics=item.get("metrics") or {},
        failure_reason=_printable(item.get("failure_reason") or "") or None,
        hyperparameters=item.get("hyperparameters") or {},
        last_line=_printable(item.get("last_line") or ""),
    )


def _printable(text: str) -> str:
    """Keep what a job wrote from moving the cursor or from taking more than one line."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()
