"""The moving view: tuning jobs with their trials, training jobs with their folds, and the rest.

Nothing here needs colours to be understood, and nothing asks for the time or the terminal's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group
from rich.table import Table
from rich.text import Text

from local_test.control_plane.view import wording
from local_test.control_plane.view.progress import Progress, seconds_of
from local_test.control_plane.view.resources_table import resources_table
from local_test.control_plane.view.snapshot_shape import TrialShown, TuningShown
from local_test.control_plane.view.training_table import training_table
from local_test.control_plane.view.trials_table import shown_trials, trials_table

_BAR = 30
# Lines of a table beside its rows: head and rule.
_HEAD = 2
_FEWEST_ROWS = 1
_MOST_FAILURES = 3

_Part = Text | Table


def render(progress: Progress, *, width: int, height: int | None = None) -> Group:
    """Return the view for `width` columns.

    Where `height` is given it has at most so many lines, each cut at its end, as long as what runs
    leaves room; fewer rows of what has ended are shown then.
    """
    parts, rows = _parts(progress, width=width, rows=height), height
    while rows is not None and height is not None and rows > _FEWEST_ROWS:
        excess = sum(map(_n_lines, parts)) - height
        if excess <= 0:
            break
        n_tables = sum(isinstance(part, Table) for part in parts)
        rows = max(_FEWEST_ROWS, rows - max(1, excess // max(n_tables, 1)))
        parts = _parts(progress, width=width, rows=rows)
    if height is not None:
        for part in parts:
            _cut(part)
    return Group(*parts)


def _n_lines(part: _Part) -> int:
    return 1 if isinstance(part, Text) else _HEAD + part.row_count


def _cut(part: _Part) -> None:
    """Let a text take no further line; tables with a number of rows have cut cells."""
    if isinstance(part, Text):
        part.no_wrap, part.overflow = True, "ellipsis"


def _parts(progress: Progress, *, width: int, rows: int | None) -> list[_Part]:
    jobs = list(progress.snapshot.tuning_jobs.values())
    opened = [job for job in jobs if job.is_live] or jobs[-1:]
    parts: list[_Part] = [_title(progress)]
    parts += [Text(f"{job.name}: {wording.ending(job)}") for job in jobs if job not in opened]
    for job in opened:
        parts += [Text(), *_tuning(job, progress, width=width, rows=rows)]
    tables = (
        training_table(progress, rows=rows),
        resources_table(progress, width=width, rows=rows),
    )
    for table in tables:
        if table is not None:
            parts += [Text(), table]
    parts += _failures(progress, most=_MOST_FAILURES if rows is None else rows)
    parts += _last_lines(progress, width=width, most=rows)
    return parts


def _title(progress: Progress) -> Text:
    jobs = progress.snapshot.training_jobs.values()
    n_live = sum(job.is_live for job in jobs)
    at = datetime.fromtimestamp(progress.snapshot.now, UTC)
    return Text(f"{at:%H:%M:%S} UTC, training jobs: {n_live} live, {len(jobs) - n_live} ended")


def _tuning(
    job: TuningShown, progress: Progress, *, width: int, rows: int | None
) -> Iterator[_Part]:
    time = wording.duration(seconds_of(job.created, job.ended, progress.snapshot.now))
    yield Text.assemble((job.name, "bold"), f": {job.status}, {time}")
    yield Text(f"{job.strategy}, {job.direction.lower()} {job.metric}, {wording.limits(job)}")
    yield _trials_so_far(job, width)
    yield from _best(job, progress)
    if job.completion_reason:
        yield Text(f"no more trials: {job.completion_reason}")
    if job.trials:
        yield Text()
        yield trials_table(job, progress, width=width, rows=rows)
        n_hidden = len(job.trials) - len(shown_trials(job, rows))
        if n_hidden:
            yield Text(f"  {n_hidden} ended trials are not shown here")


def _trials_so_far(job: TuningShown, width: int) -> Text:
    n_ended = sum(not trial.is_live for trial in job.trials)
    n_live = len(job.trials) - n_ended
    running = f", {n_live} running" if n_live else ""
    if not job.max_jobs:
        return Text(f"{n_ended} ended{running}")
    bar = wording.bar(n_ended, job.max_jobs, min(_BAR, width // 3))
    return Text(f"{bar}  {n_ended} of {job.max_jobs} ended{running}")


def _best(job: TuningShown, progress: Progress) -> Iterator[Text]:
    trial = next((each for each in job.trials if each.job == job.best), None)
    if trial is None:
        return
    value = wording.objective(trial, job.metric, progress.snapshot.training_jobs.get(trial.job))
    when = "best so far" if job.is_live else "best"
    yield Text(f"* {when}: {value}, {trial.job}", style="bold green")
    yield Text(f"  {wording.values_shown(trial.values)}")


def _failures(progress: Progress, *, most: int) -> Iterator[Text]:
    """Yield why what has newly failed did so."""
    snapshot = progress.snapshot
    jobs = [job for job in snapshot.training_jobs.values() if job.failure_reason]
    others = [each for each in snapshot.resources.values() if each.failure_reason]
    if jobs or others:
        yield Text()
    most = min(most, _MOST_FAILURES)
    for job in jobs[-most:]:
        yield Text(f"{_short(job.name, progress)} failed: {job.failure_reason}", style="red")
    for each in others[-most:]:
        # An endpoint whose last change failed serves as before.
        what = "failed" if each.status == "Failed" else "could not be changed"
        called = f"{wording.kind_of(each)} {each.name}"
        yield Text(f"{called} {what}: {each.failure_reason}", style="red")


def _last_lines(progress: Progress, *, width: int, most: int | None) -> Iterator[Text]:
    """Yield the last line of the log of each job that runs, cut where it is too long."""
    jobs = [
        job for job in progress.snapshot.training_jobs.values() if job.is_live and job.last_line
    ]
    if jobs:
        yield Text()
    for job in jobs[:most]:
        line = Text(f"{_short(job.name, progress)} │ {job.last_line}", style="dim")
        # Where the cursor waits, a terminal writes ^C; it must not begin a line with it.
        line.truncate(width - len("^C^C"), overflow="ellipsis")
        yield line


def _short(name: str, progress: Progress) -> str:
    """Return a trial of the only tuning job by its number, every other job by its name."""
    if len(progress.snapshot.tuning_jobs) > 1:
        return name
    tuning = progress.snapshot.tuning_jobs.get(
        progress.snapshot.training_jobs[name].tuning_job or ""
    )
    trials: tuple[TrialShown, ...] = () if tuning is None else tuning.trials
    number = next((trial.number for trial in trials if trial.job == name), None)
    return name if number is None else f"trial {number}"
