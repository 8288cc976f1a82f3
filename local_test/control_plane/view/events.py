"""The plain view: one line for each thing that happened between two snapshots.

For logs, pipes and terminals that cannot move their cursor.  A thing bears the time at which it
happened, where the plane tells it, and otherwise that of the look.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from local_test.control_plane.view import wording
from local_test.control_plane.view.progress import Progress, seconds_of
from local_test.control_plane.view.snapshot_shape import (
    ResourceShown,
    TrainingShown,
    TrialShown,
    TuningShown,
)

_FIRST_STATUS = "InProgress"

# When (seconds since 1970, None for now), and what.
_Event = tuple[float | None, str]


def events(before: Progress | None, after: Progress) -> list[str]:
    """Return what is new in `after`, the oldest first, in lines that begin with the time in UTC.

    Days other than that of the look are named.
    """
    now = after.snapshot.now
    found = [(now if at is None else at, text) for at, text in _events(before, after)]
    return [f"{_time(at, now)}  {text}" for at, text in sorted(found, key=lambda each: each[0])]


def _time(at: float, now: float) -> str:
    when, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC).date()
    return f"{when:%H:%M:%S}" if when.date() == today else f"{when:%Y-%m-%d %H:%M:%S}"


def _events(before: Progress | None, after: Progress) -> Iterator[_Event]:
    tuning = {} if before is None else before.snapshot.tuning_jobs
    for job in after.snapshot.tuning_jobs.values():
        old = tuning.get(job.name)
        if old is None:
            yield job.created, f"{job.name}: {_opening(job)}"
        yield from _trials(old, job, before, after)
        if job.status != (_FIRST_STATUS if old is None else old.status):
            yield job.ended, f"{job.name}: {_change(job)}"
    trials = {trial.job for job in after.snapshot.tuning_jobs.values() for trial in job.trials}
    for name, training in after.snapshot.training_jobs.items():
        if name not in trials:
            yield from _training(name, training, before, after)
    yield from _resources(before, after)


def _opening(job: TuningShown) -> str:
    asked = f"{job.strategy}, {job.direction.lower()} {job.metric}, {wording.limits(job)}"
    return f"{_FIRST_STATUS}, {asked}"


def _change(job: TuningShown) -> str:
    if job.is_live:
        return job.status
    reason = f", no more trials: {job.completion_reason}" if job.completion_reason else ""
    return f"{wording.ending(job)}{reason}"


def _trials(
    old: TuningShown | None, job: TuningShown, before: Progress | None, after: Progress
) -> Iterator[_Event]:
    known = {} if old is None else {trial.number: trial for trial in old.trials}
    prefix = "" if len(after.snapshot.tuning_jobs) == 1 else f"{job.name} "
    for trial in job.trials:
        shown, earlier = f"{prefix}trial {trial.number}", known.get(trial.number)
        training = after.snapshot.training_jobs.get(trial.job)
        if earlier is None:
            created = None if training is None else training.created
            yield created, f"{shown}: {wording.values_shown(trial.values)}"
        if earlier is None or wording.state(earlier) != wording.state(trial):
            since = None if training is None else training.since
            yield since, f"{shown}: {_trial_state(trial, job, after)}"
        if trial.is_live:
            yield from _folds(trial.job, shown, before, after)


def _trial_state(trial: TrialShown, job: TuningShown, after: Progress) -> str:
    if trial.is_live:
        return wording.state(trial)
    time = wording.duration(seconds_of(trial.started, trial.ended, after.snapshot.now))
    training = after.snapshot.training_jobs.get(trial.job)
    value = wording.objective(trial, job.metric, training)
    shown = f", {job.metric} {value}" if trial.value is not None else ""
    best = ", the best so far" if trial.job == job.best else ""
    reason = f", {trial.failure_reason}" if trial.failure_reason else ""
    return f"{wording.state(trial)} after {time}{shown}{best}{reason}"


def _training(
    name: str, job: TrainingShown, before: Progress | None, after: Progress
) -> Iterator[_Event]:
    earlier = None if before is None else before.snapshot.training_jobs.get(name)
    if earlier is None or wording.state(earlier) != wording.state(job):
        text = f"{name}: {wording.state(job)}"
        if not job.is_live:
            seconds = seconds_of(job.started, job.ended, after.snapshot.now)
            text += f" after {wording.duration(seconds)}"
        yield job.since, f"{text}, {job.failure_reason}" if job.failure_reason else text
    if job.is_live:
        yield from _folds(name, name, before, after)


def _folds(name: str, shown: str, before: Progress | None, after: Progress) -> Iterator[_Event]:
    folds = after.folds(name)
    earlier = None if before is None else before.folds(name)
    if folds is not None and folds.done > (0 if earlier is None else earlier.done):
        yield None, f"{shown}: {folds.done} of {folds.total} folds ended"


def _resources(before: Progress | None, after: Progress) -> Iterator[_Event]:
    known = {} if before is None else before.snapshot.resources
    now = after.snapshot.resources
    for key, each in now.items():
        earlier = known.get(key)
        if earlier is None or earlier.status != each.status:
            reason = f", {each.failure_reason}" if each.failure_reason else ""
            yield _since(each, earlier), f"{_called(each)}: {each.status}{reason}"
    for key, gone in known.items():
        if key not in now:
            yield None, f"{_called(gone)}: deleted"


def _since(each: ResourceShown, earlier: ResourceShown | None) -> float | None:
    """Return when it came to be as it is; where that is not told, when it came to be."""
    return each.ended or each.since or (each.created if earlier is None else None)


def _called(each: ResourceShown) -> str:
    return f"{wording.kind_of(each)} {each.name}"
