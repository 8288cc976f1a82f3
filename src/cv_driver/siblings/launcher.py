"""Folds as training jobs of their own: `SiblingLauncher`, a state machine.

It acts on an API, a clock and a source of chance that it is given, makes at most one call in a
step, and sleeps nowhere but in `wait` and `stop`: a stop is seen within the time of one call, and
thousands of drivers run in a simulation.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from crossfold.contract.stop import StopRequest
from crossfold.errors import PlatformError, UserError
from cv_driver.launchers.launcher import Failed, FoldJob, Launcher, Outcome
from cv_driver.siblings.calls import Caller, World
from cv_driver.siblings.fold_calls import FoldCalls, FoldWork
from cv_driver.siblings.fold_request import LEAST_RUN_S
from cv_driver.siblings.fold_state import PERHAPS_LIVE, FoldState
from cv_driver.siblings.listing import Listing
from cv_driver.siblings.spending import Spending
from cv_driver.siblings.stopping import Stopping

DriverFits = Literal["auto", "always", "never"]

# SageMaker kills a container 120 s after SIGTERM; what is left then has its marker and its limit.
STOP_S = 90.0
# cv_driver_fits=auto: folds have waited so long with none running and none made.
PATIENCE_S = 300.0
_TICK_S = 0.2


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


class SiblingLauncher:
    """Runs each fold as a training job beside the driver's."""

    def __init__(self, world: World, work: FoldWork, own: OwnFits | None = None) -> None:
        parent = work.plan.parent
        self.caller = Caller(world)
        self.spending = Spending(world.now, parent.n_instances)
        self._world = world
        self._work = work
        self._own = own
        self._folds = FoldCalls(world, self.caller, work, self.spending)
        self._listing = Listing(world, self.caller, self._folds, parent)
        self._fitting: FoldState | None = None
        self._last_life = world.now()
        self._stopping: Stopping | None = None
        self._may_list = True

    @property
    def capacity(self) -> int:
        """All folds at once: the account's quota is met by waiting."""
        return len(self._work.expected.splits)

    @property
    def instance_seconds(self) -> Mapping[str, float]:
        """Instance-seconds so far, by use."""
        return self.spending.document()

    def start(self, job: FoldJob) -> None:
        """Take a fold in; its job is created by a later step."""
        self._folds.add(job)

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Go on for at most `timeout_s` seconds and one call; return the folds that ended."""
        until = self._world.now() + timeout_s
        while True:
            due = self.step()
            if self._folds.outcomes:
                return self.ended()
            now = self._world.now()
            if now >= until:
                return []
            if due > now:
                self._world.sleep(min(due, until) - now)

    def step(self) -> float:
        """Make at most one call, if one is due; return when the next is, seconds since 1970.

        Raises
        ------
        UserError
            A call is not allowed or refused for good, or a job of the same name is somebody else's.
        PlatformError
            The driver's own time is nearly over.
        """
        self._check_time()
        self._hear_own_fit()
        self._fit_one()
        self._refuse_what_has_no_job()
        calls = [
            *self._folds.offered(may_create=self._listing.is_first_done),
            *self._listing.offered(),
        ]
        call = min(calls, key=lambda each: each.due, default=None)
        if call is None:
            return math.inf
        if call.due <= self._world.now():
            self.caller.carry_out(call)
        return call.due

    def ended(self) -> list[Outcome]:
        """Return the folds that ended since the last call."""
        outcomes, self._folds.outcomes = self._folds.outcomes, []
        return outcomes

    def stop(self) -> None:
        """End every job that is live or being made; return when each is ending, or in `STOP_S`."""
        until = self._world.now() + STOP_S
        due = self.step_of_stop()
        while due is not None and self._world.now() < until:
            self._world.sleep(max(0.0, min(due - self._world.now(), _TICK_S)))
            due = self.step_of_stop()
        left = self._stopping.left if self._stopping is not None else []
        if left:
            self._world.log(f"could not be stopped in time: {', '.join(left)}")
        if self._own is not None:
            self._own.is_left()
            self._own.launcher.stop()

    def step_of_stop(self) -> float | None:
        """Make at most one call towards the end of all jobs; return None when there is none left.

        Otherwise the next call is due at the time that is returned.
        """
        if self._own is not None:
            self._own.halt.set()
        if not self._listing.is_first_done and self._may_list:
            # Nothing is created before that, so what runs is an earlier start's.
            return self._find_earlier()
        if self._stopping is None:
            self._folds.take_in_running()
            parent = self._work.plan.parent
            self._stopping = Stopping(
                self._world,
                self.caller,
                self._folds,
                marker=self._work.marker,
                kms_key=parent.output_key,
            )
        return self._stopping.step()

    def close(self) -> None:
        """Give back the folder and the threads; no fold is live."""
        if self._own is not None:
            self._own.launcher.close()
        shutil.rmtree(self._work.folder, ignore_errors=True)

    def _find_earlier(self) -> float:
        call = self._listing.offered()[0]
        if call.due <= self._world.now():
            try:
                self.caller.carry_out(call)
            except UserError as error:
                self._may_list = False
                self._world.log(f"folds of an earlier start may still run: {error}")
        return call.due

    def _check_time(self) -> None:
        left_s = self._work.plan.parent.left_s(self._world.now())
        n_left = len(self._folds.states)
        if n_left and left_s < LEAST_RUN_S:
            raise PlatformError(
                f"{n_left} of {self.capacity} folds are not done {left_s:.0f} s before the "
                "driver's own end; raise its MaxRuntimeInSeconds"
            )

    def _hear_own_fit(self) -> None:
        if self._own is None or self._fitting is None:
            return
        for outcome in self._own.launcher.wait(0.0):
            self.spending.fit_ends()
            self._fitting = None
            self._folds.drop(outcome)

    def _fit_one(self) -> None:
        """Let the driver fit a fold that has no job and is not about to get one."""
        state = self._fit_candidate()
        if state is None or self._own is None:
            return
        state.enter("here", self._world.now())
        self._fitting = state
        self.spending.fit_begins()
        n_folds = self.capacity
        self._world.log(f"fold {state.index + 1} of {n_folds}: the driver fits it itself")
        self._own.launcher.start(state.job)

    def _fit_candidate(self) -> FoldState | None:
        states = self._folds.states.values()
        now = self._world.now()
        if any(state.phase in PERHAPS_LIVE for state in states):
            self._last_life = now
        if self._own is None or self._fitting is not None or not self._listing.is_first_done:
            return None
        waiting = [each for each in states if each.phase == "waiting" and not each.may_exist]
        if not waiting or self._own.when == "never":
            return None
        is_starved = self._folds.n_refused > 0 and now - self._last_life >= PATIENCE_S
        if self._own.when == "always" or is_starved or not self._folds.has_jobs_left:
            # The last one: creates begin with the first.
            return waiting[-1]
        return None

    def _refuse_what_has_no_job(self) -> None:
        """End folds that may neither have a job nor be fitted here."""
        fits = self._own is not None and self._own.when != "never"
        if fits or self._folds.has_jobs_left:
            return
        reason = (
            f"UserError: cv_max_jobs is {self._work.max_jobs}, and so many fold jobs were made; "
            "raise it or allow cv_driver_fits"
        )
        for state in list(self._folds.states.values()):
            if state.phase == "waiting" and not state.may_exist:
                self._folds.drop(Failed(state.job, reason, transient=False))
