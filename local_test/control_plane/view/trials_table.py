"""The trials of one tuning job as a table that fits its width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table

from local_test.control_plane.view import wording
from local_test.control_plane.view.cells import cell
from local_test.control_plane.view.progress import Progress, seconds_of
from local_test.control_plane.view.snapshot_shape import (
    Folds,
    TrainingShown,
    TrialShown,
    TuningShown,
)

_GAP = 2
_STYLES = {
    "Completed": "green",
    "Failed": "red",
    "Stopped": "yellow",
    "Stopped early": "yellow",
}
_FOLDED = frozenset({"status", "values", "training job"})

# The cells of every column, by its head.
_Columns = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class _Row:
    """One line: what stands left of the tuned values, the values, and what stands right of them."""

    number: str
    status: str
    values: dict[str, str]
    objective: str
    folds: Folds | None
    time: str
    job: str
    is_best: bool


def trials_table(job: TuningShown, progress: Progress, *, width: int, rows: int | None) -> Table:
    """Return the trials, a line each, in `width` columns.

    Each tuned hyperparameter has a column where that fits, and the training jobs' names too.  With
    more than about `rows` trials, those that run, the best and the newest are shown.
    """
    lines = [
        line
        for trial in shown_trials(job, rows)
        for line in (_row(trial, job, progress), *_folds(trial, progress))
    ]
    columns = _columns(lines, job.metric)
    if _width(columns) > width:
        columns = _with_values_in_one(columns, lines)
    for better in (_with_bars, _with_names):
        more = better(columns, lines)
        columns = more if _width(more) <= width else columns
    return _drawn(columns, lines, is_cut=rows is not None)


def shown_trials(job: TuningShown, rows: int | None) -> Sequence[TrialShown]:
    """Choose at most about `rows` trials, in their order; all where `rows` is None."""
    if rows is None or len(job.trials) <= rows:
        return job.trials
    kept = {trial.number for trial in job.trials if trial.is_live or trial.job == job.best}
    others = [trial.number for trial in job.trials if trial.number not in kept]
    kept.update(others[-max(rows - len(kept), 1) :])
    return [trial for trial in job.trials if trial.number in kept]


def _row(trial: TrialShown, job: TuningShown, progress: Progress) -> _Row:
    training = progress.snapshot.training_jobs.get(trial.job)
    seconds = seconds_of(trial.started, trial.ended, progress.snapshot.now)
    is_best = trial.job == job.best
    return _Row(
        number=f"* {trial.number}" if is_best else str(trial.number),
        status=wording.state(trial),
        values={name: wording.value_shown(text) for name, text in trial.values.items()},
        objective=wording.objective(trial, job.metric, training),
        folds=progress.folds(trial.job),
        time=wording.duration(seconds),
        job=trial.job,
        is_best=is_best,
    )


def _folds(trial: TrialShown, progress: Progress) -> list[_Row]:
    """Return a line for each fold that is a job of its own, while the trial runs."""
    jobs = progress.fold_jobs.get(trial.job, ()) if trial.is_live else ()
    return [_fold_row(fold, trial, progress) for fold in jobs]


def _fold_row(fold: TrainingShown, trial: TrialShown, progress: Progress) -> _Row:
    seconds = seconds_of(fold.started, fold.ended, progress.snapshot.now)
    return _Row(
        number="",
        status=f"└ {fold.name.removeprefix(trial.job + '-')} {wording.state(fold)}",
        values={},
        objective="",
        folds=None,
        time=wording.duration(seconds),
        job=fold.name,
        is_best=False,
    )


def _columns(lines: Sequence[_Row], metric: str) -> _Columns:
    tuned = dict.fromkeys(name for line in lines for name in line.values)
    columns = {
        "#": [line.number for line in lines],
        "status": [line.status for line in lines],
        **{name: [line.values.get(name, "") for line in lines] for name in tuned},
        metric: [line.objective for line in lines],
        "folds": [wording.folds_shown(line.folds) for line in lines],
        "time": [line.time for line in lines],
    }
    if not any(columns["folds"]):
        del columns["folds"]
    return columns


def _with_values_in_one(columns: _Columns, lines: Sequence[_Row]) -> _Columns:
    tuned = {name for line in lines for name in line.values}
    values = [", ".join(f"{name} {text}" for name, text in line.values.items()) for line in lines]
    kept = {head: cells for head, cells in columns.items() if head not in tuned}
    return {"#": kept.pop("#"), "status": kept.pop("status"), "values": values, **kept}


def _with_bars(columns: _Columns, lines: Sequence[_Row]) -> _Columns:
    bars = [wording.folds_shown(line.folds, with_bar=True) for line in lines]
    return columns | {"folds": bars} if "folds" in columns else columns


def _with_names(columns: _Columns, lines: Sequence[_Row]) -> _Columns:
    return columns | {"training job": [line.job for line in lines]}


def _width(columns: _Columns) -> int:
    widths = [max(map(cell_len, (head, *cells))) for head, cells in columns.items()]
    return sum(widths) + _GAP * (len(widths) - 1)


def _drawn(columns: _Columns, lines: Sequence[_Row], *, is_cut: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for head in columns:
        is_text = head in _FOLDED
        table.add_column(head, justify="left" if is_text else "right", no_wrap=head != "values")
    columns_of_cells = [
        [cell(text, is_cut=is_cut) for text in cells] if head == "values" else cells
        for head, cells in columns.items()
    ]
    for line, cells in zip(lines, zip(*columns_of_cells, strict=True), strict=True):
        style = "bold green" if line.is_best else _STYLES.get(line.status)
        table.add_row(*cells, style=style)
    return table
