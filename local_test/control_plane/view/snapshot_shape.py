"""What the plane says of its jobs, as values: the JSON of ``/_plane/snapshot``, read.

It knows nothing of how the plane keeps its jobs; a key that a plane does not send counts as empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LIVE = frozenset({"InProgress", "Stopping"})
# Endpoints and versions of a model have states of their own.
_UNDER_WAY = _LIVE | {"Creating", "Updating", "Deleting", "RollingBack", "Pending"}


@dataclass(frozen=True, slots=True)
class Folds:
    """`done` of `total` folds have ended; 0 <= done <= total."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FoldOf:
    """Which fold of which job, from 0; `attempt` counts the tries before it."""

    driver: str
    index: int
    attempt: int


@dataclass(frozen=True, slots=True)
class TrialShown:
    """One trial of a tuning job; `value` is the objective's final value, `newest` its last."""

    number: int
    job: str
    values: Mapping[str, str]
    status: str
    secondary: str
    value: float | None
    newest: float | None
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
        return self.newest if self.value is None else self.value


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
    """One training job; `metrics` has the last value of each, `last_line` is of its log.

    `since` is when it came to be as it is; `folds` is what its driver has said of them.
    """

    name: str
    status: str
    secondary: str
    message: str
    since: float
    created: float
    started: float | None
    ended: float | None
    instance_type: str
    instance_count: int
    tuning_job: str | None
    fold_of: FoldOf | None
    folds: Folds | None
    metrics: Mapping[str, float]
    failure_reason: str | None
    hyperparameters: Mapping[str, str]
    last_line: str

    @property
    def is_live(self) -> bool:
        """Whether it still runs."""
        return self.status in _LIVE


@dataclass(frozen=True, slots=True)
class ResourceShown:
    """An endpoint, a transform or processing job, a version of a model: what has a status.

    `since` is when it came to be as it is, None where that is not told.
    """

    kind: str
    name: str
    status: str
    since: float | None
    created: float
    started: float | None
    ended: float | None
    failure_reason: str | None
    facts: Mapping[str, str]

    @property
    def is_live(self) -> bool:
        """Whether it is on its way to another status."""
        return self.status in _UNDER_WAY


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All jobs at one moment (seconds since 1970), in the order of their creation.

    `resources` are what else has a status, by kind and name.
    """

    now: float
    tuning_jobs: Mapping[str, TuningShown]
    training_jobs: Mapping[str, TrainingShown]
    resources: Mapping[tuple[str, str], ResourceShown]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that could run."""
        return not (self.tuning_jobs or self.training_jobs or self.resources)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs; an endpoint in service waits for others."""
        return not (
            any(job.is_live for job in self.tuning_jobs.values())
            or any(job.is_live for job in self.training_jobs.values())
            or any(each.is_live for each in self.resources.values())
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
    resources = [_read_resource(each) for each in document.get("resources") or ()]
    return Snapshot(
        now=float(document["now"]),
        tuning_jobs={job.name: job for job in tuning},
        training_jobs={job.name: job for job in training},
        resources={(each.kind, each.name): each for each in resources if each.status},
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
        newest=item.get("newest"),
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
        since=item.get("since") or item["created"],
        created=item["created"],
        started=item.get("started"),
        ended=item.get("ended"),
        instance_type=item.get("instance_type") or "",
        instance_count=item.get("instance_count") or 1,
        tuning_job=item.get("tuning_job"),
        fold_of=_read_fold_of(item.get("fold_of")),
        folds=_read_folds(item.get("folds")),
        metrics=item.get("metrics") or {},
        failure_reason=_printable(item.get("failure_reason") or "") or None,
        hyperparameters=item.get("hyperparameters") or {},
        last_line=_printable(item.get("last_line") or ""),
    )


def _read_fold_of(item: Mapping[str, Any] | None) -> FoldOf | None:
    return None if item is None else FoldOf(item["driver"], item["index"], item["attempt"])


def _read_folds(item: Mapping[str, Any] | None) -> Folds | None:
    return None if item is None else Folds(len(item["scores"]), item["total"])


def _read_resource(item: Mapping[str, Any]) -> ResourceShown:
    return ResourceShown(
        kind=item["kind"],
        name=item["name"],
        status=item.get("status") or "",
        since=item.get("since"),
        created=item["created"],
        started=item.get("started"),
        ended=item.get("ended"),
        failure_reason=_printable(item.get("failure_reason") or "") or None,
        facts={name: _printable(text) for name, text in (item.get("facts") or {}).items()},
    )


def _printable(text: str) -> str:
    """Keep what a job wrote from moving the cursor or from taking more than one line."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()
