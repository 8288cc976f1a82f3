"""What the launcher knows of one fold, between two calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cv_driver.launchers.launcher import FoldJob
from cv_driver.siblings.fold_job.names import FoldTry

# waiting   no job is there; one is created as soon as pace and capacity allow
# unsure    a create had no answer: the job may be there
# taken     a job of this name is there; not yet known whose and how it stands
# described the same, described; its tags are still to be read
# live      our job runs, or is about to
# ended     our job has ended, as a list said; not yet known how
# output    our job is completed; its output is to be fetched
# model     the result is there; its model is to be fetched
# here      the driver fits this fold itself
Phase = Literal[
    "waiting", "unsure", "taken", "described", "live", "ended", "output", "model", "here"
]

# Phases in which a job of ours may be running.
PERHAPS_LIVE: frozenset[Phase] = frozenset({"unsure", "taken", "described", "live"})


@dataclass(slots=True)
class FoldState:
    """One fold on its way to an outcome.

    Attributes
    ----------
    job : FoldJob
        As the watcher asked for it.
    number : int
        Which job for this fold: 0, 1, … (``-r<number>``).
    phase : Phase
    not_before : float
        Nothing is called for this fold before.
    since : float
        When this phase began.
    was_asked : bool
        Whether this start of the driver has asked for the job: if not, the job is adopted.
    may_exist : bool
        Whether a create was not answered, so that nobody else may fit the fold.
    unanswered_at : float
        When the last such create was made.
    is_lost : bool
        Whether the job was being stopped when it was adopted: then its end is no failure.
    n_missed : int
        Lists in a row in which the job was not.
    marker : str, optional
        Object that ends the job when it appears.
    described : mapping
        The last description.
    """

    job: FoldJob
    number: int = 0
    phase: Phase = "waiting"
    not_before: float = 0.0
    since: float = 0.0
    was_asked: bool = False
    may_exist: bool = False
    unanswered_at: float = 0.0
    is_lost: bool = False
    n_missed: int = 0
    marker: str | None = None
    described: Mapping[str, Any] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The fold, over folds × repeats."""
        return self.job.index

    @property
    def fold(self) -> FoldTry:
        """Which job for which fold."""
        return FoldTry(self.job.index, self.number)

    def enter(self, phase: Phase, now: float, *, wait_s: float = 0.0) -> None:
        """Go on to another phase, in which nothing is called for `wait_s` seconds."""
        self.phase, self.since, self.not_before = phase, now, now + wait_s

    def begin_anew(self, now: float) -> None:
        """Forget the job; wait for the next one of this fold."""
        self.number += 1
        self.was_asked = self.may_exist = self.is_lost = False
        self.n_missed, self.marker, self.described = 0, None, {}
        self.enter("waiting", now)
