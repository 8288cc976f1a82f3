"""How far each job is: its folds by what its driver has said, by their own jobs, by its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from local_test.control_plane.view.snapshot_shape import Folds, Snapshot, TrainingShown


@dataclass(frozen=True)
class Progress:
    """A snapshot, and what follows from it."""

    snapshot: Snapshot

    @cached_property
    def fold_jobs(self) -> Mapping[str, Sequence[TrainingShown]]:
        """The folds that are jobs of their own, in order, by the name of their driver's job."""
        found: dict[str, list[TrainingShown]] = {}
        for job in self.snapshot.training_jobs.values():
            if job.fold_of is not None:
                found.setdefault(job.fold_of.driver, []).append(job)
        return {driver: sorted(jobs, key=_order) for driver, jobs in found.items()}

    def folds(self, name: str) -> Folds | None:
        """Return how many folds of a training job have ended; None where it has none."""
        job = self.snapshot.training_jobs.get(name)
        # A fold has its driver's hyperparameters.
        if job is None or job.fold_of is not None:
            return None
        # Of several tries of a fold the newest counts.
        tries = {_order(each)[0]: each for each in self.fold_jobs.get(name, ())}
        said = job.folds or Folds(0, 0)
        total = said.total or _n_folds(job.hyperparameters) or len(tries)
        if not total:
            return None
        done = max(said.done, sum(not each.is_live for each in tries.values()))
        return Folds(total if job.status == "Completed" else min(done, total), total)


def seconds_of(started: float | None, ended: float | None, now: float) -> float | None:
    """Return how long something has run or ran, in seconds; None where it has not begun."""
    return None if started is None else max(0.0, (now if ended is None else ended) - started)


def _order(fold: TrainingShown) -> tuple[int, int]:
    assert fold.fold_of is not None
    return fold.fold_of.index, fold.fold_of.attempt


def _n_folds(hyperparameters: Mapping[str, str]) -> int:
    """Return what the request asks for; 0 where only the driver can tell."""
    folds = _text(hyperparameters, "cv_folds") or _text(hyperparameters, "_kfold")
    repeats = _text(hyperparameters, "cv_repeats") or "1"
    return int(folds) * int(repeats) if folds.isdecimal() and repeats.isdecimal() else 0


def _text(hyperparameters: Mapping[str, str], name: str) -> str:
    # SageMaker's SDK sends texts in the quotes of JSON.
    return hyperparameters.get(name, "").strip('" ')
