"""Seeded runs in which drivers, folds and calls fail; what must hold is in `invariants`.

python -m tests.simulation.chaos --runs 1000
python -m tests.simulation.chaos --seed 17          one run, told and made smaller where it fails
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.simulation.account import Account
from tests.simulation.driver_job import Start
from tests.simulation.invariants import Monitor
from tests.simulation.mishaps import OUTAGE_S, Mishap, Story, befall, draw_story
from tests.simulation.program import MakeLauncher, Program
from tests.simulation.reapers import reap_orphans
from tests.simulation.sibling_launchers import make_sibling_launcher
from tests.simulation.timeline import Timeline

_Happen = Callable[[], None]
_LIMIT_S = 4 * 3600.0
_PREFLIGHT_S = 60.0
_AFTER_S = 60.0


@dataclass(slots=True)
class Told:
    """What became of a story."""

    story: Story
    breaches: dict[str, float]
    ends: Counter[str] = field(default_factory=Counter)
    n_fold_jobs: int = 0
    n_starts: int = 0
    seconds: float = 0.0
    longest_end_s: float = 0.0
    longest_orphan_s: float = 0.0
    longest_child_s: float = 0.0
    n_cut_off: int = 0
    log: list[str] = field(default_factory=list)


def tell(story: Story, make: MakeLauncher) -> Told:
    """Run a story."""
    timeline = Timeline()
    account = Account(timeline, Program(make), story.habits, seed=story.seed)
    monitor = Monitor(account)
    timeline.every(story.habits.tick_s, monitor.look)
    for driver in story.make_drivers():
        account.submit(driver)
    for mishap in story.mishaps:
        timeline.after(mishap.at, _happening(account, mishap))
    try:
        timeline.run(lambda: _is_over(account), limit_s=_LIMIT_S)
        # Whatever is left by then has been left.
        timeline.run(lambda: False, limit_s=_AFTER_S)
        n_cut_off = _count_cut_off(account)
        for driver in account.drivers.values():
            if driver.was_killed_for_good or driver.was_cut_off:
                reap_orphans(account, driver)
        timeline.run(lambda: False, limit_s=_AFTER_S)
        monitor.look_after_reapers()
        monitor.look_at_strangers()
        monitor.look_at_results(_reasons(account, story))
        return _told(story, account, monitor, n_cut_off)
    finally:
        timeline.close()


def shrink(story: Story, make: MakeLauncher) -> Story:
    """Leave out of a story that breaches whatever it does not need for that."""
    for mishap in story.mishaps:
        smaller = story.without(mishap)
        if tell(smaller, make).breaches:
            story = smaller
    return story


def _happening(account: Account, mishap: Mishap) -> _Happen:
    return lambda: befall(account, mishap)


def _is_over(account: Account) -> bool:
    return not any(account.job(name).is_live for name in account.drivers)


def _reasons(account: Account, story: Story) -> dict[str, str]:
    """Return why drivers may have failed, by name."""
    enough = {"stop driver", "kill driver for good", "users' failure", "foreign job"}
    reasons: dict[str, str] = {
        each.driver: each.kind for each in story.mishaps if each.kind in enough
    }
    for name, driver in account.drivers.items():
        # Stopped before its program began.
        if not driver.starts:
            reasons[name] = "never began"
        if any(_meets_outage(account, start, story) for start in driver.starts):
            reasons[name] = "nobody was reached when it began"
    return reasons


def _meets_outage(account: Account, start: Start, story: Story) -> bool:
    """Say whether a driver began when AWS was out of reach, which is told at once."""
    since = start.began - account.timeline.start
    until = since + story.habits.read_s + _PREFLIGHT_S
    outages = [each.at for each in story.mishaps if each.kind == "outage"]
    return any(at < until and since < at + OUTAGE_S for at in outages)


def _count_cut_off(account: Account) -> int:
    """Count the folds that run on because nobody could be reached, and nothing told of them."""
    cut_off = [driver.name for driver in account.drivers.values() if driver.was_cut_off]
    return sum(job.is_live for name in cut_off for job in account.children(name))


def _told(story: Story, account: Account, monitor: Monitor, n_cut_off: int) -> Told:
    drivers = account.drivers.values()
    return Told(
        story,
        dict(monitor.breaches),
        Counter(str(driver.starts[-1].end) for driver in drivers if driver.starts),
        len(account.children()),
        sum(len(driver.starts) for driver in drivers),
        account.timeline.elapsed,
        monitor.longest_end_s,
        monitor.longest_orphan_s,
        monitor.longest_child_s,
        n_cut_off,
        sorted(f"{line}  ({driver.name[:12]})" for driver in drivers for line in driver.log),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the stories that were asked for; 1 where something was breached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _explain(options.seed)
    return _run_many(range(options.first, options.first + options.runs))


def _run_many(seeds: Iterable[int], make: MakeLauncher = make_sibling_launcher) -> int:
    began = time.perf_counter()
    told = []
    for seed in seeds:
        told.append(tell(draw_story(seed), make))
        for breach in told[-1].breaches:
            _say(f"seed {seed}: {breach}")
    _say(f"{summary(told)}; {time.perf_counter() - began:.0f} s on the wall")
    return 1 if any(each.breaches for each in told) else 0


def summary(told: list[Told]) -> str:
    """Return what a number of runs came to, on one line."""
    ends = sum((each.ends for each in told), Counter[str]())
    kinds = Counter(mishap.kind for each in told for mishap in each.story.mishaps)
    parts = [
        f"{len(told)} runs, {sum(bool(each.breaches) for each in told)} breached",
        f"{sum(each.n_starts for each in told)} starts of drivers",
        f"{sum(each.n_fold_jobs for each in told)} fold jobs",
        "drivers " + ", ".join(f"{end} {n}" for end, n in sorted(ends.items())),
        "mishaps " + ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())),
        f"slowest end after SIGTERM {max(each.longest_end_s for each in told):.0f} s",
        f"longest orphan after an end {max(each.longest_orphan_s for each in told):.0f} s",
        f"last child {max(each.longest_child_s for each in told):.0f} s after a stop",
        f"{sum(each.n_cut_off for each in told)} folds of cut-off drivers left to the reaper",
        f"{sum(each.seconds for each in told) / 3600:.0f} h of virtual time",
    ]
    return "; ".join(parts)


def _explain(seed: int, make: MakeLauncher = make_sibling_launcher) -> int:
    told = tell(draw_story(seed), make)
    if told.breaches:
        told = tell(shrink(told.story, make), make)
    story = told.story
    _say(f"seed {seed}: {story.drivers}; cv_driver_fits={story.driver_fits}; {story.habits}")
    breaches = [f"{at:7.1f} s  BREACH {what}" for what, at in told.breaches.items()]
    for line in (*map(str, story.mishaps), *told.log, *breaches):
        _say(line)
    _say(f"ended {dict(told.ends)} after {told.seconds:.0f} s")
    return 1 if told.breaches else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
