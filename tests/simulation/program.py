"""What a driver's container runs in the simulation: the real watcher over a launcher.

Reading the data and fitting the final model take time and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from crossfold.contract.stop import Stopped, StopRequest
from cv_driver.launchers.launcher import Failed, FoldJob, Launcher, Outcome, Succeeded
from cv_driver.watch import Policy, run_folds
from tests.simulation.account import Account
from tests.simulation.driver_job import DriverJob, LocalFit, Start
from tests.simulation.fold_world import fit
from tests.simulation.virtual_api import VirtualApi

_TICK_S = 0.2
FINAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Situation:
    """What a launcher is made of in the simulation."""

    account: Account
    driver: DriverJob
    api: VirtualApi
    stop: StopRequest
    random: random.Random
    inline: Launcher

    @property
    def now(self) -> Callable[[], float]:
        """The clock."""
        return self.account.timeline.now

    @property
    def sleep(self) -> Callable[[float], None]:
        """What waits."""
        return self.account.timeline.sleep

    def wait(self, seconds: float) -> None:
        """Let time pass as the driver does before there are folds: a stop ends it."""
        until = self.now() + seconds
        while self.now() < until:
            self.stop.check()
            self.sleep(_TICK_S)

    def read_data(self) -> None:
        """Take the time that reading takes."""
        self.wait(self.account.habits.read_s)

    def log(self, text: str) -> None:
        """Note a line of the driver's log, with its time."""
        self.driver.log.append(f"{self.account.timeline.elapsed:7.1f} s  {text}")

    @property
    def fingerprint(self) -> str:
        """Of everything that the folds' numbers depend on."""
        return self.driver.inputs(0).fingerprint


MakeLauncher = Callable[[Situation], Launcher]


class Program:
    """Runs a driver with launchers of one kind; `longest_wait_s` stretches the watcher's waits."""

    def __init__(self, make: MakeLauncher, *, longest_wait_s: float | None = None) -> None:
        self._make = make
        self._longest_wait_s = longest_wait_s

    def __call__(self, account: Account, driver: DriverJob, start: Start) -> None:
        """Run one start of a driver and note how it ended."""
        try:
            self._drive(account, driver, start)
            end = "succeeded"
        except Stopped:
            end = "stopped"
        except Exception as error:  # noqa: BLE001 - as the command itself does
            start.error = error
            end = "failed"
        if start.end is None:
            start.ended = account.timeline.now()
            start.end = "succeeded" if end == "succeeded" else "failed"
            if end == "stopped":
                start.end = "stopped"

    def _drive(self, account: Account, driver: DriverJob, start: Start) -> None:
        timeline = account.timeline
        results = dict(driver.saved)
        missing = [index for index in range(driver.n_folds) if index not in results]
        if missing:
            launcher = self._launcher(account, driver, start)
            policy = Policy(driver.n_folds, None, driver.n_folds, driver.retries)
            try:
                listener = _Listener(account, driver)
                outcomes = run_folds(missing, launcher, policy, start.stop, listener)
            finally:
                launcher.close()
            results |= {
                each.job.index: each.result for each in outcomes if isinstance(each, Succeeded)
            }
        timeline.sleep(FINAL_S)
        driver.results = results

    def _launcher(self, account: Account, driver: DriverJob, start: Start) -> Launcher:
        situation = Situation(
            account,
            driver,
            VirtualApi(account, driver),
            start.stop,
            random.Random(f"{driver.name} {start.number}"),
            SimulatedInline(account, driver, start.stop),
        )
        launcher = self._make(situation)
        return _Observed(launcher, start, account, self._longest_wait_s)


class SimulatedInline:
    """The driver's own fits: one at a time, as long as a fold takes."""

    def __init__(self, account: Account, driver: DriverJob, stop: StopRequest) -> None:
        self._account = account
        self._driver = driver
        self._stop = StopRequest(stop)
        self._running: dict[int, tuple[FoldJob, LocalFit, float]] = {}

    @property
    def capacity(self) -> int:
        return 1

    def start(self, job: FoldJob) -> None:
        now = self._account.timeline.now()
        assert not self._running, "the driver fits one fold at a time"
        mark = LocalFit(job.index, now)
        self._driver.fits.append(mark)
        self._running[job.index] = (job, mark, now + self._account.habits.fold_s)

    def wait(self, timeout_s: float) -> list[Outcome]:
        timeline = self._account.timeline
        ends = [end for _, _, end in self._running.values()]
        wait_s = min([timeout_s, *(end - timeline.now() for end in ends)])
        if wait_s > 0:
            timeline.sleep(wait_s)
        return self._collect()

    def stop(self) -> None:
        self._stop.set()
        for _, mark, _ in self._running.values():
            mark.ended = self._account.timeline.now()
        self._running.clear()

    def close(self) -> None:
        self.stop()

    def _collect(self) -> list[Outcome]:
        now = self._account.timeline.now()
        over = [index for index, (_, _, end) in self._running.items() if end <= now]
        outcomes: list[Outcome] = []
        for index in over:
            job, mark, _ = self._running.pop(index)
            mark.ended = now
            outcomes.append(Succeeded(job, fit(self._driver.inputs(index))))
        return outcomes


@dataclass(frozen=True, slots=True)
class _Listener:
    account: Account
    driver: DriverJob

    def ended(self, outcome: Outcome) -> None:
        if isinstance(outcome, Succeeded):
            self.account.keep(self.driver, outcome.result)

    def retried(self, failed: Failed) -> None:
        self.driver.log.append(f"again: {failed.job} {failed.reason}")


class _Observed:
    """A launcher whose stop is noted."""

    def __init__(
        self, launcher: Launcher, start: Start, account: Account, longest_wait_s: float | None
    ) -> None:
        self._launcher = launcher
        self._start = start
        self._account = account
        self._longest_wait_s = longest_wait_s

    @property
    def capacity(self) -> int:
        return self._launcher.capacity

    def start(self, job: FoldJob) -> None:
        self._launcher.start(job)

    def wait(self, timeout_s: float) -> list[Outcome]:
        return self._launcher.wait(self._longest_wait_s or timeout_s)

    def stop(self) -> None:
        self._start.failing = self._account.timeline.now()
        self._launcher.stop()

    def close(self) -> None:
        self._launcher.close()
