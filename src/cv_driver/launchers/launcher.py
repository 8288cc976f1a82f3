"""What every place that runs folds fulfils.

A launcher starts fold jobs and says how they ended.  It decides nothing: limits, retries and the
order are the watcher's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from crossfold.fitting.fold_result import FoldResult


@dataclass(frozen=True, slots=True)
class FoldJob:
    """One fold to run: its position over folds × repeats, and the how-manieth try this is."""

    index: int
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The fold was fitted and scored."""

    job: FoldJob
    result: FoldResult


@dataclass(frozen=True, slots=True)
class Failed:
    """The fold has no result.

    Attributes
    ----------
    job : FoldJob
    reason : str
        ``<class>: <reason>``, one line.
    transient : bool
        Whether another try can succeed: the platform failed, not the data or the algorithm.
    """

    job: FoldJob
    reason: str
    transient: bool


Outcome = Succeeded | Failed


class Launcher(Protocol):
    """One place that runs folds."""

    @property
    def capacity(self) -> int:
        """Folds that make sense at once, at least 1."""

    def start(self, job: FoldJob) -> None:
        """Start a fold; returns at once."""

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Wait until a fold ends, at most `timeout_s` seconds; return what ended."""

    def stop(self) -> None:
        """End every live fold; returns when none is left."""

    def close(self) -> None:
        """Give back threads and folders; no fold is live."""
