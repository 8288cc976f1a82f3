"""Folds that the driver fits itself, one at a time, so that it gets on where no job does.

Many drivers can hold the very quota that their folds wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from crossfold.contract.stop import StopRequest
from cv_driver.aws.world import World
from cv_driver.launchers.launcher import Launcher
from cv_driver.siblings.launcher.fold_state import PERHAPS_LIVE, FoldState
from cv_driver.siblings.launcher.spending import Spending
from cv_driver.siblings.launcher.transitions import Transitions
from cv_driver.siblings.launcher.work import FoldWork

DriverFits = Literal["auto", "always", "never"]

# cv_driver_fits=auto: folds have waited so long with none running and none made.
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class OwnFits:
    """How the driver fits a fold itself: one at a time, by a launcher of its own process.

    Attributes
    ----------
    launcher : Launcher
    when : {'auto', 'always', 'never'}
    halt : StopRequest
        Ends the fit that is under way.
    is_left : callable
        Hears that a stop has nothing more to wait for than this fit.
    """

    launcher: Launcher
    when: DriverFits
    halt: StopRequest
    is_left: Callable[[], None] = lambda: None


class OwnFitter:
    """Fits a fold that has no job and is not about to get one, where `OwnFits` says so."""

    def __init__(
        self,
        world: World,
        work: FoldWork,
        folds: Transitions,
        spending: Spending,
        own: OwnFits | None,
    ) -> None:
        self._world = world
        self._work = work
        self._folds = folds
        self._spending = spending
        self._own = own
        self._fitting: FoldState | None = None
        self._last_life = world.now()

    @property
    def may_fit(self) -> bool:
        """Whether folds may be fitted by the driver at all."""
        return self._own is not None and self._own.when != "never"

    def step(self, *, may_begin: bool) -> None:
        """Hear of the fit that is under way; begin one where it is time to."""
        if self._own is None:
            return
        self._hear(self._own)
        self._begin(self._own, may_begin=may_begin)

    def halt(self) -> None:
        """Ask for the end of the fit that is under way."""
        if self._own is not None:
            self._own.halt.set()

    def stop(self) -> None:
        """End the fit that is under way; there are no jobs to end any more."""
        if self._own is not None:
            self._own.is_left()
            self._own.launcher.stop()

    def close(self) -> None:
        """Give back the threads."""
        if self._own is not None:
            self._own.launcher.close()

    def _hear(self, own: OwnFits) -> None:
        if self._fitting is None:
            return
        for outcome in own.launcher.wait(0.0):
            self._spending.fit_ends()
            self._fitting = None
            self._folds.drop(outcome)

    def _begin(self, own: OwnFits, *, may_begin: bool) -> None:
        now = self._world.now()
        if any(state.phase in PERHAPS_LIVE for state in self._folds.states.values()):
            self._last_life = now
        state = self._candidate(own) if may_begin and self._fitting is None else None
        if state is None:
            return
        state.enter("here", now)
        self._fitting = state
        self._spending.fit_begins()
        self._world.log(self._work.line(state.index, "the driver fits it itself"))
        own.launcher.start(state.job)

    def _candidate(self, own: OwnFits) -> FoldState | None:
        states = self._folds.states.values()
        waiting = [each for each in states if each.phase == "waiting" and not each.may_exist]
        if not waiting or own.when == "never":
            return None
        waited_s = self._world.now() - self._last_life
        is_starved = self._folds.capacity_wait.is_refused and waited_s >= PATIENCE_S
        if own.when == "always" or is_starved or not self._folds.has_jobs_left:
            # The last one: creates begin with the first.
            return waiting[-1]
        return None
