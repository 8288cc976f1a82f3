"""Folds as training jobs of their own: `SiblingLauncher`, a state machine.

It acts on an API, a clock and a source of chance that it is given, makes at most one call in a
step, and sleeps nowhere but in `wait` and `stop`: a stop is seen within the time of one call, and
thousands of drivers run in a simulation.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping

from crossfold.errors import PlatformError, UserError
from cv_driver.aws.world import World
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome
from cv_driver.siblings.fold_job.plan import LEAST_RUN_S, STOP_S
from cv_driver.siblings.launcher.driver_fits import OwnFits, OwnFitter
from cv_driver.siblings.launcher.paced_calls import Caller
from cv_driver.siblings.launcher.polling import Polling
from cv_driver.siblings.launcher.spending import Spending
from cv_driver.siblings.launcher.stopping import Stopping
from cv_driver.siblings.launcher.transitions import Transitions
from cv_driver.siblings.launcher.work import FoldWork

_TICK_S = 0.2


class SiblingLauncher:
    """Runs each fold as a training job beside the driver's."""

    def __init__(self, world: World, work: FoldWork, own: OwnFits | None = None) -> None:
        parent = work.plan.parent
        self.caller = Caller(world)
        self.spending = Spending(world.now, parent.n_instances)
        self._world = world
        self._work = work
        self._folds = Transitions(world, self.caller, work, self.spending)
        self._polling = Polling(world, self.caller, self._folds, parent)
        self._fitter = OwnFitter(world, work, self._folds, self.spending, own)
        self._stopping: Stopping | None = None
        self._may_list = True

    @property
    def capacity(self) -> int:
        """All folds at once: the account's quota is met by waiting."""
        return self._work.n_folds

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
        self._fitter.step(may_begin=self._polling.is_first_done)
        self._refuse_what_has_no_job()
        calls = [
            *self._folds.offered(may_create=self._polling.is_first_done),
            *self._polling.offered(),
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
        driver = self._work.plan.parent.name
        left = None if self._stopping is None else self._stopping.what_is_left(driver)
        if left is not None:
            self._world.log(left)
        self._fitter.stop()

    def step_of_stop(self) -> float | None:
        """Make at most one call towards the end of all jobs; return None when there is none left.

        Otherwise the next call is due at the time that is returned.
        """
        self._fitter.halt()
        if not self._polling.is_first_done and self._may_list:
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
        self._fitter.close()
        shutil.rmtree(self._work.folder, ignore_errors=True)

    def _find_earlier(self) -> float:
        call = self._polling.offered()[0]
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

    def _refuse_what_has_no_job(self) -> None:
        """End folds that may neither have a job nor be fitted here."""
        if self._fitter.may_fit or self._folds.has_jobs_left:
            return
        reason = (
            f"UserError: cv_max_jobs is {self._work.max_jobs}, and so many fold jobs were made; "
            "raise it or allow cv_driver_fits"
        )
        for state in list(self._folds.states.values()):
            if state.phase == "waiting" and not state.may_exist:
                self._folds.drop(Failed(state.job, reason, transient=False))
