"""What sibling folds cost as drivers and folds grow, under the published rates, in virtual time.

    python -m tests.simulation.cost

The account makes one job a second, so nobody can be faster than that: the lower bound is reading,
one second for every fold but the first, one fold, and the final model.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from cv_driver.launchers.launcher import Launcher
from tests.simulation.account import Account, Habits
from tests.simulation.driver_job import INSTANCE_TYPE, DriverJob
from tests.simulation.invariants import Monitor
from tests.simulation.program import FINAL_S, MakeLauncher, Program, Situation
from tests.simulation.sibling_launchers import make_sibling_launcher
from tests.simulation.timeline import Timeline

GOAL = 1.15
# All folds take the same time, so that the lower bound is exact.
HABITS = Habits(spread=0.0)
_SIZES = ((1, 5), (1, 10), (10, 5), (10, 10), (100, 5), (100, 10))
_KINDS = {
    "create": "CreateTrainingJob",
    "list": "ListTrainingJobs",
    "describe": "DescribeTrainingJob",
    "stop": "StopTrainingJob",
}
# Nothing hangs on how often the watcher looks up, and longer waits are simulated faster.
_WAIT_S = 2.0
_AFTER_S = 30.0
_LIMIT_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """One simulation; `seconds` from the first start of a driver to the last end.

    `idle_share` is the drivers' idle time as a share of all instance-seconds, `bill_s` the billed
    instance-seconds per driver, folds and the driver itself, and `left` counts the jobs that run
    after the last end.
    """

    n_drivers: int
    n_folds: int
    seconds: float
    bound_s: float
    calls: Counter[str]
    ends: Counter[str]
    breaches: list[str]
    idle_share: float
    bill_s: float
    left: int

    @property
    def ratio(self) -> float:
        """How many times the lower bound it took."""
        return self.seconds / self.bound_s


def lower_bound_s(habits: Habits, n_jobs: int) -> float:
    """Return the seconds that nobody can do without."""
    fold_s = habits.starting_s + habits.prepare_s + habits.fold_s + habits.upload_s
    return habits.read_s + (n_jobs - 1) + fold_s + FINAL_S


def simulate(
    n_drivers: int,
    n_folds: int,
    *,
    habits: Habits = HABITS,
    make: MakeLauncher = make_sibling_launcher,
    driver_fits: str = "auto",
) -> Cost:
    """Run drivers that all start at once until the last has ended."""
    launchers: list[Launcher] = []

    def make_and_keep(situation: Situation) -> Launcher:
        launcher = make(situation)
        launchers.append(launcher)
        return launcher

    timeline = Timeline()
    account = Account(timeline, Program(make_and_keep, longest_wait_s=_WAIT_S), habits)
    monitor = Monitor(account)
    timeline.every(10.0, monitor.look)
    given = {"cv_driver_fits": driver_fits}
    for number in range(n_drivers):
        account.submit(DriverJob(f"trial-{number:03}", n_folds, hyperparameters=given))
    try:
        timeline.run(_all_ended(account), limit_s=_LIMIT_S)
        monitor.look_at_results({})
        # The jobs of the drivers themselves end a little later.
        timeline.run(lambda: False, limit_s=_AFTER_S)
    finally:
        timeline.close()
    return _cost(account, launchers, list(monitor.breaches), n_folds)


def _cost(account: Account, launchers: list[Launcher], breaches: list[str], n_folds: int) -> Cost:
    drivers, jobs = account.drivers.values(), account.plane.training.all()
    ended = [driver.starts[-1].ended or account.timeline.now() for driver in drivers]
    return Cost(
        n_drivers=len(drivers),
        n_folds=n_folds,
        seconds=max(ended) - min(driver.starts[0].began for driver in drivers),
        bound_s=lower_bound_s(account.habits, len(drivers) * n_folds),
        calls=account.calls,
        ends=Counter(str(driver.starts[-1].end) for driver in drivers),
        breaches=breaches,
        idle_share=_idle_share(launchers),
        bill_s=sum(job.billable_s for job in jobs) / len(drivers),
        left=sum(job.is_live for job in jobs),
    )


def _all_ended(account: Account) -> Callable[[], bool]:
    drivers = account.drivers.values()
    return lambda: all(driver.starts and driver.starts[-1].end for driver in drivers)


def _idle_share(launchers: list[Launcher]) -> float:
    total: Counter[str] = Counter()
    for launcher in launchers:
        seconds = getattr(launcher, "instance_seconds", {})
        used = {use: value for use, value in seconds.items() if use != "saved_by_spot"}
        total.update({use: round(value) for use, value in used.items()})
    return total["driver_idle"] / max(1, sum(total.values()))


def row(cost: Cost) -> str:
    """Return one line of the table."""
    cells = [f"{cost.n_drivers:7}", f"{cost.n_folds:5}", f"{cost.seconds:8.0f}"]
    cells += [f"{cost.bound_s:7.0f}", f"{cost.ratio:6.2f}"]
    cells += [_calls(cost, operation) for operation in _KINDS.values()]
    cells += [f"{100 * cost.idle_share:10.0f} %", f"{cost.bill_s:7.0f}", f"{cost.left:4}"]
    return "  ".join(cells)


def _calls(cost: Cost, operation: str) -> str:
    """Return calls per driver, and how many of them were throttled."""
    made, refused = cost.calls[operation], cost.calls[f"{operation} throttled"]
    return f"{made / cost.n_drivers:6.1f} ({refused / cost.n_drivers:6.1f})"


HEAD = "  ".join(
    ["drivers", "folds", "time / s", "bound/s", " ratio"]
    + [f"{kind:>15}" for kind in _KINDS]
    + ["drivers idle", "bill/s", "left"]
)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 where a driver failed or the largest case is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="no case of 100 drivers")
    options = parser.parse_args(arguments)
    _say(f"calls per driver (of them throttled); fold {HABITS.fold_s:.0f} s\n{HEAD}")
    costs = []
    for n_drivers, n_folds in _SIZES:
        if options.small and n_drivers == 100:
            continue
        costs.append(simulate(n_drivers, n_folds))
        _say(row(costs[-1]))
    _say(f"quota of 4 instances, 4 drivers, cv_driver_fits=auto; then without a quota\n{HEAD}")
    for quotas in ({INSTANCE_TYPE: 4}, {}):
        costs.append(simulate(4, 5, habits=Habits(spread=0.0, quotas=quotas)))
        _say(row(costs[-1]))
    bad = [cost for cost in costs if cost.breaches]
    for cost in bad:
        _say(f"{cost.n_drivers} × {cost.n_folds}: {cost.breaches[0]}")
    largest = max(costs, key=lambda each: each.n_drivers * each.n_folds)
    return 1 if bad or largest.ratio > GOAL else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
