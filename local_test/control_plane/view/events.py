"""The plain view: one line for each thing that happened between two snapshots.

For logs, pipes and terminals that cannot move their cursor.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from local_test.control_plane.view import wording
from local_test.control_plane.view.progress import Seen, seconds_of
from local_test.control_plane.view.snapshot_shape import TrainingShown, TrialShown, TuningShown


def events(before: Seen | None, after: Seen) -> list[str]:
    """Return what is new in `after`, in lines that begin with the time in UTC."""
    at = datetime.fromtimestamp(after.snapshot.now, UTC)
    return [f"{at:%H:%M:%S}  {text}" for text in _texts(before, after)]


def _texts(before: Seen | None, after: Seen) -> Iterator[str]:
    tuning = {} if before is None else before.snapshot.tuning_jobs
    for job in after.snapshot.tuning_jobs.values():
        old = tuning.get(job.name)
        if old is None:
            yield f"{job.name}: {_opening(job)}"
        yield from _trials(old, job, before, after)
        if old is not None and old.status != job.status:
            yield f"{job.name}: {_change(job)}"
    trials = {trial.job for job in after.snapshot.tuning_jobs.values() for trial in job.trials}
    for name, training in after.snapshot.training_jobs.items():
        if name not in trials:
            yield from _training(name, training, before, after)


def _opening(job: TuningShown) -> str:
    return (
        f"{job.status}, {job.strategy}, {job.direction.lower()} {job.metric}, {wording.limits(job)}"
    )


def _change(job: TuningShown) -> str:
    if job.is_live:
        return job.status
    reason = f", no more trials: {job.completion_reason}" if job.completion_reason else ""
    return f"{wording.ending(job)}{reason}"


def _trials(
    old: TuningShown | None, job: TuningShown, before: Seen | None, after: Seen
) -> Iterator[str]:
    known = {} if old is None else {trial.number: trial for trial in old.trials}
    prefix = "" if len(after.snapshot.tuning_jobs) == 1 else f"{job.name} "
    for trial in job.trials:
        shown, earlier = f"{prefix}trial {trial.number}", known.get(trial.number)
        if earlier is None:
            yield f"{shown}: {wording.values_shown(trial.values)}"
        if trial.is_live:
            yield from _folds(trial.job, shown, before, after)
        if earlier is None or wording.state(earlier) != wording.state(trial):
            yield f"{shown}: {_trial_state(trial, job, after)}"


def _trial_state(trial: TrialShown, job: TuningShown, after: Seen) -> str:
    if trial.is_live:
        return wording.state(trial)
    time = wording.duration(seconds_of(trial.started, trial.ended, after.snapshot.now))
    training = after.snapshot.training_jobs.get(trial.job)
    value = wording.objective(trial, job.metric, training)
    shown = f", {job.metric} {value}" if trial.value is not None else ""
    best = ", the best so far" if trial.job == job.best else ""
    reason = f", {trial.failure_reason}" if trial.failure_reason else ""
    return f"{wording.state(trial)} after {time}{shown}{best}{reason}"


def _training(name: str, job: TrainingShown, before: Seen | None, after: Seen) -> Iterator[str]:
    if job.is_live:
        yield from _folds(name, name, before, after)
    earlier = None if before is None else before.snapshot.training_jobs.get(name)
    if earlier is not None and wording.state(earlier) == wording.state(job):
        return
    text = f"{name}: {wording.state(job)}"
    if not job.is_live:
        text += f" after {wording.duration(seconds_of(job.started, job.ended, after.snapshot.now))}"
    yield f"{text}, {job.failure_reason}" if job.failure_reason else text


def _folds(name: str, shown: str, before: Seen | None, after: Seen) -> Iterator[str]:
    folds = after.folds(name)
    earlier = None if before is None else before.folds(name)
    if folds is not None and folds.done > (0 if earlier is None else earlier.done):
        yield f"{shown}: {folds.done} of {folds.total} folds ended"
