"""Which jobs are there and how they stand: lists by the names' common part, never job by job.

The first list, before anything is created, finds the jobs of earlier starts.
Source: API reference, ListTrainingJobs (up to 100 jobs a page, newest first).
"""

from __future__ import annotations

from collections.abc import Sequence

from cv_driver.aws.api import LIVE, JobState
from cv_driver.aws.parent import Parent
from cv_driver.aws.world import World
from cv_driver.siblings.fold_job.job_pages import JobPages
from cv_driver.siblings.fold_job.names import FoldTry, fold_of
from cv_driver.siblings.launcher.fold_state import FoldState
from cv_driver.siblings.launcher.paced_calls import Caller, PacedCall
from cv_driver.siblings.launcher.transitions import Transitions

_SHORTEST_S, _LONGEST_S = 2.0, 30.0
# Of the age of the youngest live job: who has run for long may be told of late.
_SHARE_OF_AGE = 0.1
# A job that so many lists in a row lack is asked for by its name.
_MISSED = 5


class Polling:
    """Lists the jobs of one driver again and again, slower as they grow older."""

    def __init__(self, world: World, caller: Caller, folds: Transitions, parent: Parent) -> None:
        self._world = world
        self._caller = caller
        self._folds = folds
        self._driver = parent.name
        self._pages = JobPages(world.api, parent.name, parent.created)
        self._next_at = 0.0
        self._unseen: set[int] = set()
        self._found: dict[FoldTry, bool] = {}
        self.is_first_done = False

    def offered(self) -> list[PacedCall]:
        """Return the next list, if anything is to be learnt from one."""
        if self.is_first_done and not self._live():
            return []
        return [self._caller.call("list", self._read_page, not_before=self._next_at)]

    def _live(self) -> list[FoldState]:
        return [state for state in self._folds.states.values() if state.phase == "live"]

    def _read_page(self) -> None:
        if self._pages.is_at_start:
            self._unseen = {state.index for state in self._live()}
        jobs = self._pages.read()
        if jobs is None:
            return
        self._note(jobs)
        if not self.is_first_done and self._pages.is_at_start:
            self.is_first_done = True
            self._folds.take_over(self._found)
        if self._pages.is_at_start or (self.is_first_done and not self._unseen):
            self._pages.begin_anew()
            self._miss()
            self._next_at = self._world.now() + self._interval_s()

    def _note(self, jobs: Sequence[JobState]) -> None:
        for job in jobs:
            fold = fold_of(self._driver, job.name)
            if fold is None:
                continue
            if not self.is_first_done:
                self._found[fold] = job.status in LIVE
            state = self._folds.states.get(fold.index)
            if state is None or state.phase != "live" or state.number != fold.number:
                continue
            self._unseen.discard(fold.index)
            state.n_missed = 0
            if job.status not in LIVE:
                state.enter("ended", self._world.now())

    def _miss(self) -> None:
        for index in self._unseen:
            state = self._folds.states.get(index)
            if state is None or state.phase != "live":
                continue
            state.n_missed += 1
            if state.n_missed >= _MISSED:
                state.n_missed = 0
                state.enter("ended", self._world.now())

    def _interval_s(self) -> float:
        ages = [self._world.now() - state.since for state in self._live()]
        interval = min(max(min(ages, default=0.0) * _SHARE_OF_AGE, _SHORTEST_S), _LONGEST_S)
        return interval * self._world.chance.uniform(0.9, 1.1)
