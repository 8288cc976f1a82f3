"""How the views word numbers, times and states; both the moving one and the plain lines."""

from __future__ import annotations

import re
from collections.abc import Mapping

from local_test.control_plane.view.snapshot_shape import (
    Folds,
    ResourceShown,
    TrainingShown,
    TrialShown,
    TuningShown,
)

_SIGNIFICANT = 6
_MOST_BLOCKS = 10
# Neither whole numbers, which are exact, nor what only Python takes for a number.
_REAL = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=e))(e[-+]?\d{1,2})?", re.ASCII | re.IGNORECASE)


def number(value: float | None) -> str:
    """Return a metric's value with six significant digits.

    >>> number(58.77720055252813), number(None)
    ('58.7772', '–')
    """
    return "–" if value is None else f"{value:.{_SIGNIFICANT}g}"


def value_shown(text: str) -> str:
    """Return a hyperparameter's value as one reads it.

    >>> [value_shown(text) for text in ("0.083471230948", "250000", '"gbtree"', "1_000.5")]
    ['0.08347', '250000', 'gbtree', '1_000.5']
    """
    bare = text.strip('"')
    return f"{float(bare):.4g}" if _REAL.fullmatch(bare) else bare


def values_shown(values: Mapping[str, str]) -> str:
    """Return all values of a trial.

    >>> values_shown({"eta": "0.1", "max_depth": "3"})
    'eta 0.1, max_depth 3'
    """
    return ", ".join(f"{name} {value_shown(text)}" for name, text in values.items())


def duration(seconds: float | None) -> str:
    """Return a time as minutes and seconds, or hours before them.

    >>> duration(7.9), duration(3725), duration(None)
    ('0:07', '1:02:05', '–')
    """
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bar(done: int, total: int, width: int) -> str:
    """Return `done` of `total` as a bar of `width` characters.

    >>> bar(1, 3, 6)
    '██····'
    """
    filled = width * min(done, total) // total if total else 0
    return "█" * filled + "·" * (width - filled)


def folds_shown(folds: Folds | None, *, with_bar: bool = False) -> str:
    """Return the folds of a job.

    >>> folds_shown(Folds(2, 5)), folds_shown(Folds(2, 5), with_bar=True)
    ('2/5', '██··· 2/5')
    """
    if folds is None:
        return ""
    drawn = bar(folds.done, folds.total, min(folds.total, _MOST_BLOCKS)) + " " if with_bar else ""
    return f"{drawn}{folds.done}/{folds.total}"


def limits(job: TuningShown) -> str:
    """Return how many trials a tuning job may start."""
    trials = f"{job.max_jobs} trials, " if job.max_jobs else ""
    return f"{trials}at most {job.max_parallel} at once"


def ending(job: TuningShown) -> str:
    """Return how a tuning job ended."""
    seconds = None if job.ended is None else job.ended - job.created
    best = "" if job.best is None else f", best {job.metric} {number(job.best_value)}"
    return f"{job.status} after {duration(seconds)}, {len(job.trials)} trials{best}"


def state(job: TrialShown | TrainingShown) -> str:
    """Return the one word that tells most: what a live job does, how another ended."""
    if isinstance(job, TrialShown) and job.stopped_early and not job.is_live:
        return "Stopped early"
    if job.status == "InProgress":
        return job.secondary or job.status
    exceeded = job.status == "Stopped" and job.secondary not in {"", "Stopped"}
    return job.secondary if exceeded else job.status


def kind_of(resource: ResourceShown) -> str:
    """Return what one thing of its kind is called, as ``transform job`` of ``Transform jobs``."""
    return resource.kind.removesuffix("s").lower()


def objective(trial: TrialShown, metric: str, job: TrainingShown | None) -> str:
    """Return a trial's objective: the newest while it runs, with its deviation where it has one.

    Our driver prints the deviation over the folds as ``<metric>_std``.
    """
    text = number(trial.newest_value)
    if trial.is_live:
        return text if trial.newest_value is None else f"{text} so far"
    deviation = None if job is None else job.metrics.get(f"{metric}_std")
    return text if deviation is None else f"{text} ± {deviation:.3g}"
