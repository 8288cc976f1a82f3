"""The training jobs that no tuner started, as a table; folds stand below their driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from local_test.control_plane.view import wording
from local_test.control_plane.view.cells import cell
from local_test.control_plane.view.progress import Progress, seconds_of
from local_test.control_plane.view.snapshot_shape import TrainingShown

_STYLES = {"Completed": "green", "Failed": "red", "Stopped": "yellow"}
_MOST_METRICS = 3


def training_table(progress: Progress, *, rows: int | None) -> Table | None:
    """Return the table, or None where a tuner started every job.

    With more than about `rows` jobs, those that run and the newest are shown, a line each.
    """
    jobs = _shown(_heads(progress), rows)
    if not jobs:
        return None
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("training job", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("metrics")
    table.add_column("folds", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for name, job in _lines(jobs, progress):
        time = wording.duration(seconds_of(job.started, job.ended, progress.snapshot.now))
        folds = wording.folds_shown(progress.folds(job.name))
        status = wording.state(job)
        cut_name, metrics = (cell(text, is_cut=rows is not None) for text in (name, _metrics(job)))
        table.add_row(cut_name, status, metrics, folds, time, style=_STYLES.get(status))
    return table


def _heads(progress: Progress) -> list[TrainingShown]:
    """Return the jobs that neither are a trial nor a fold of another job."""
    jobs = progress.snapshot.training_jobs.values()
    return [job for job in jobs if job.tuning_job is None and job.fold_of is None]


def _shown(jobs: Sequence[TrainingShown], rows: int | None) -> Sequence[TrainingShown]:
    if rows is None or len(jobs) <= rows:
        return jobs
    kept = {job.name for job in jobs if job.is_live}
    ended = [job.name for job in jobs if not job.is_live]
    kept.update(ended[-max(rows - len(kept), 1) :])
    return [job for job in jobs if job.name in kept]


def _lines(
    jobs: Sequence[TrainingShown], progress: Progress
) -> Iterator[tuple[str, TrainingShown]]:
    for job in jobs:
        yield _name(job), job
        for fold in progress.fold_jobs.get(job.name, ()):
            yield f"└ {fold.name.removeprefix(job.name + '-')}", fold


def _name(job: TrainingShown) -> str:
    return job.name if job.instance_count == 1 else f"{job.name} ({job.instance_count} hosts)"


def _metrics(job: TrainingShown) -> str:
    newest = list(job.metrics.items())[:_MOST_METRICS]
    return ", ".join(f"{name} {wording.number(value)}" for name, value in newest)
