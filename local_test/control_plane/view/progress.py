"""How far each job is: folds from hyperparameters, log lines, metrics and sibling jobs.

What a driver prints is told by `cv_driver.progress`; a snapshot has only the last line of a log, so
what was seen is carried from one snapshot to the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from local_test.control_plane.fold_scores import FOLD_ENDED
from local_test.control_plane.view.snapshot_shape import Snapshot, TrainingShown

# A fold that is a training job of its own.
_FOLD_JOB = re.compile(r"(.+)-f(\d+)")


@dataclass(frozen=True, slots=True)
class Folds:
    """`done` of `total` folds have ended; 0 <= done <= total."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FoldLines:
    """The folds whose last line was seen in a job's log."""

    ended: frozenset[int]
    total: int


@dataclass(frozen=True)
class Seen:
    """A snapshot, and what the snapshots before it have shown of the logs."""

    snapshot: Snapshot
    lines: Mapping[str, FoldLines]

    @cached_property
    def fold_jobs(self) -> Mapping[str, Sequence[TrainingShown]]:
        """The folds that are jobs of their own, in order, by the name of their driver's job."""
        found: dict[str, list[tuple[int, TrainingShown]]] = {}
        for job in self.snapshot.training_jobs.values():
            match = _FOLD_JOB.fullmatch(job.name)
            if match is not None and match[1] in self.snapshot.training_jobs:
                found.setdefault(match[1], []).append((int(match[2]), job))
        return {
            driver: [job for _, job in sorted(folds, key=lambda each: each[0])]
            for driver, folds in found.items()
        }

    @cached_property
    def _epochs(self) -> Mapping[str, int]:
        tuning_jobs = self.snapshot.tuning_jobs.values()
        return {trial.job: len(trial.epochs) for job in tuning_jobs for trial in job.trials}

    def folds(self, name: str) -> Folds | None:
        """Return how many folds of a training job have ended; None where it has none."""
        job = self.snapshot.training_jobs.get(name)
        if job is None:
            return None
        lines = self.lines.get(name, FoldLines(frozenset(), 0))
        jobs = self.fold_jobs.get(name, ())
        total = lines.total or _n_folds(job.hyperparameters) or len(jobs)
        if not total:
            return None
        # With cv_emit=running each fold is an epoch of the objective.
        emits = _text(job.hyperparameters, "cv_emit") == "running"
        done = max(
            total if job.status == "Completed" else 0,
            len(lines.ended),
            sum(not fold.is_live for fold in jobs),
            self._epochs.get(name, 0) if emits else 0,
        )
        return Folds(min(done, total), total)


def look(snapshot: Snapshot, earlier: Seen | None = None) -> Seen:
    """Add a snapshot to what was seen earlier."""
    known = {} if earlier is None else earlier.lines
    lines: dict[str, FoldLines] = {}
    for name, job in snapshot.training_jobs.items():
        match = FOLD_ENDED.match(job.last_line)
        before = known.get(name)
        if match is not None:
            ended = frozenset() if before is None else before.ended
            lines[name] = FoldLines(ended | {int(match[1])}, int(match[2]))
        elif before is not None:
            lines[name] = before
    return Seen(snapshot, lines)


def seconds_of(started: float | None, ended: float | None, now: float) -> float | None:
    """Return how long something has run or ran, in seconds; None where it has not begun."""
    return None if started is None else max(0.0, (now if ended is None else ended) - started)


def _n_folds(hyperparameters: Mapping[str, str]) -> int:
    """Return what the request asks for; 0 where only the log can tell."""
    folds = _text(hyperparameters, "cv_folds") or _text(hyperparameters, "_kfold")
    repeats = _text(hyperparameters, "cv_repeats") or "1"
    return int(folds) * int(repeats) if folds.isdecimal() and repeats.isdecimal() else 0


def _text(hyperparameters: Mapping[str, str], name: str) -> str:
    # SageMaker's SDK sends texts in the quotes of JSON.
    return hyperparameters.get(name, "").strip('" ')
