"""The moving view: tuning jobs with their trials, training jobs with their folds.

Nothing here needs colours to be understood, and nothing asks for the time or the terminal's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from local_test.control_plane.view import wording
from local_test.control_plane.view.progress import Seen, seconds_of
from local_test.control_plane.view.snapshot_shape import TrialShown, TuningShown
from local_test.control_plane.view.training_table import training_table
from local_test.control_plane.view.trials_table import shown_trials, trials_table

_BAR = 30
# Lines of a tuning job around its trials: heading, strategy, bar, best, its values, head, rule,
# how many are hidden, and three empty ones.
_AROUND = 11
_FEWEST_ROWS = 4
_MOST_FAILURES = 3


def render(seen: Seen, *, width: int, height: int | None = None) -> RenderableType:
    """Return the view for `width` columns, and about `height` lines where that is given."""
    jobs = list(seen.snapshot.tuning_jobs.values())
    opened = [job for job in jobs if job.is_live] or jobs[-1:]
    rows = None if height is None else _rows(seen, height, len(opened))
    parts: list[RenderableType] = [_title(seen)]
    parts += [Text(f"{job.name}: {wording.ending(job)}") for job in jobs if job not in opened]
    for job in opened:
        parts += [Text(), *_tuning(job, seen, width=width, rows=rows)]
    table = training_table(seen, rows=rows)
    if table is not None:
        parts += [Text(), table]
    parts += _failures(seen)
    parts += _last_lines(seen, width=width, most=None if height is None else height // 4)
    return Group(*parts)


def _rows(seen: Seen, height: int, n_opened: int) -> int:
    """Return how many trials of each opened tuning job fit."""
    n_live = sum(job.is_live for job in seen.snapshot.training_jobs.values())
    left = height - 3 - min(n_live, height // 4) - _AROUND * n_opened
    return max(_FEWEST_ROWS, left // max(n_opened, 1))


def _title(seen: Seen) -> Text:
    jobs = seen.snapshot.training_jobs.values()
    n_live = sum(job.is_live for job in jobs)
    at = datetime.fromtimestamp(seen.snapshot.now, UTC)
    return Text(f"{at:%H:%M:%S} UTC, training jobs: {n_live} live, {len(jobs) - n_live} ended")


def _tuning(
    job: TuningShown, seen: Seen, *, width: int, rows: int | None
) -> Iterator[RenderableType]:
    time = wording.duration(seconds_of(job.created, job.ended, seen.snapshot.now))
    yield Text.assemble((job.name, "bold"), f": {job.status}, {time}")
    yield Text(f"{job.strategy}, {job.direction.lower()} {job.metric}, {wording.limits(job)}")
    yield _trials_so_far(job, width)
    yield from _best(job, seen)
    if job.completion_reason:
        yield Text(f"no more trials: {job.completion_reason}")
    if job.trials:
        yield Text()
        yield trials_table(job, seen, width=width, rows=rows)
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


def _best(job: TuningShown, seen: Seen) -> Iterator[Text]:
    trial = next((each for each in job.trials if each.job == job.best), None)
    if trial is None:
        return
    value = wording.objective(trial, job.metric, seen.snapshot.training_jobs.get(trial.job))
    when = "best so far" if job.is_live else "best"
    yield Text(f"* {when}: {value}, {trial.job}", style="bold green")
    yield Text(f"  {wording.values_shown(trial.values)}")


def _failures(seen: Seen) -> Iterator[Text]:
    """Yield why the newest failed jobs failed."""
    jobs = [job for job in seen.snapshot.training_jobs.values() if job.failure_reason]
    if jobs:
        yield Text()
    for job in jobs[-_MOST_FAILURES:]:
        yield Text(f"{_short(job.name, seen)} failed: {job.failure_reason}", style="red")


def _last_lines(seen: Seen, *, width: int, most: int | None) -> Iterator[Text]:
    """Yield the last line of the log of each job that runs, cut where it is too long."""
    jobs = [job for job in seen.snapshot.training_jobs.values() if job.is_live and job.last_line]
    if jobs:
        yield Text()
    for job in jobs[:most]:
        line = Text(f"{_short(job.name, seen)} │ {job.last_line}", style="dim")
        # Where the cursor waits, a terminal writes ^C; it must not begin a line with it.
        line.truncate(width - len("^C^C"), overflow="ellipsis")
        yield line


def _short(name: str, seen: Seen) -> str:
    """Return a trial of the only tuning job by its number, every other job by its name."""
    if len(seen.snapshot.tuning_jobs) > 1:
        return name
    tuning = seen.snapshot.tuning_jobs.get(seen.snapshot.training_jobs[name].tuning_job or "")
    trials: tuple[TrialShown, ...] = () if tuning is None else tuning.trials
    number = next((trial.number for trial in trials if trial.job == name), None)
    return name if number is None else f"trial {number}"
