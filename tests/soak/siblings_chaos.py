"""Seeded mishaps to drivers whose folds are jobs, with real processes on a local control plane.

    python -m tests.soak.siblings_chaos --runs 20
    python -m tests.soak.siblings_chaos --seed 17       one run

What must hold in each run: no fold job runs on when its driver was stopped, failed or completed
30 s ago; no fold ever has two live jobs; a driver that completes has the undisturbed run's numbers;
after a SIGKILL that nobody restarts, ``cv_reap`` ends every orphan.  The exit code is 1 where one
did not.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tests.soak.siblings_plane import N_FOLDS, SCARCE, Seen, SiblingsPlane, siblings_plane, until

Kind = Literal[
    "stop driver",
    "kill driver",
    "kill worker",
    "kill and retry",
    "interrupt driver",
    "stop fold",
    "break fold",
    "no capacity",
    "quota",
    "calls only",
]
# One round of kinds is 20 runs.
_ROUND: tuple[Kind, ...] = (
    *("stop driver", "kill driver", "kill and retry", "interrupt driver"),
    *("stop fold", "no capacity", "kill worker", "calls only"),
    *("stop driver", "kill and retry", "quota", "break fold"),
    *("interrupt driver", "stop driver", "kill driver", "stop fold"),
    *("kill and retry", "stop driver", "interrupt driver", "calls only"),
)
_KILLED_FOR_GOOD: frozenset[Kind] = frozenset({"kill driver", "kill worker"})
_RESTARTED: frozenset[Kind] = frozenset({"kill and retry", "interrupt driver"})
_CALL_FAULTS = ("throttle", "lost_response", "internal")
_OPERATIONS = ("CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "ListTrainingJobs")

BOUND_S = 30.0
_END_S = 240.0
_LOOK_S = 0.1
# Mishaps begin after a driver's creation, within about the time that an undisturbed one takes.
_FIRST_S, _LIFE_S = 0.5, 10.0
_SLOW_START_S = 8.0
_PROCESSES_END_S = 5.0
# Times are told in milliseconds.
_STAMP_S = 2e-3
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Story:
    """What is drawn from a seed.

    It happens `after_s` seconds after the driver has made the job of the fold numbered `fold` in
    the order of creation, where it waits for that, else at the share `moment` of a driver's life.
    """

    seed: int
    kind: Kind
    is_endless: bool
    waits_for_jobs: bool
    moment: float
    after_s: float
    fold: int
    faults: tuple[tuple[str, str, int], ...]

    @property
    def driver(self) -> str:
        return f"chaos-{self.seed:03d}"

    @property
    def is_about_a_fold(self) -> bool:
        return self.kind in {"stop fold", "break fold"}


@dataclass(slots=True)
class Told:
    """What became of a story."""

    story: Story
    status: str = ""
    seconds: float = 0.0
    happened: bool = False
    n_starts: int = 0
    n_jobs: int = 0
    n_taken_over: int = 0
    n_replaced: int = 0
    n_orphans: int = 0
    longest_end_s: float = 0.0
    breaches: list[str] = field(default_factory=list)


def draw_story(seed: int) -> Story:
    """Return the story of a seed."""
    chance = random.Random(seed)
    kind = _ROUND[seed % len(_ROUND)]
    faults = tuple(
        (chance.choice(_CALL_FAULTS), operation, chance.randint(1, 3))
        for operation in _OPERATIONS
        if chance.random() < (1.0 if kind == "calls only" else 0.5)
    )
    return Story(
        seed,
        kind,
        is_endless=kind in _KILLED_FOR_GOOD or (kind == "stop driver" and chance.random() < 0.5),
        waits_for_jobs=kind in _KILLED_FOR_GOOD or chance.random() < 0.6,
        moment=chance.random(),
        after_s=chance.uniform(0.0, 1.5),
        fold=chance.randrange(N_FOLDS),
        faults=faults,
    )


class Chaos:
    """A plane, and what happens there to one driver after the other."""

    def __init__(self, plane: SiblingsPlane) -> None:
        self._plane = plane

    @cached_property
    def numbers(self) -> Mapping[int, Mapping[str, Any]]:
        """The scores of every fold of a driver that nothing happens to."""
        plane, driver = self._plane, "undisturbed"
        plane.create(driver)
        until(lambda: plane.look(driver).has_ended, _END_S)
        assert plane.look(driver).status == "Completed", plane.why(driver)
        numbers = plane.numbers(driver)
        assert len(numbers) == N_FOLDS
        return numbers

    def tell(self, story: Story) -> Told:
        """Run a story."""
        told = Told(story)
        began = time.monotonic()
        watch = _Watch(self._plane, story.driver, told)
        self._begin(story)
        watch.until(lambda seen: self._is_time(story, seen, began), _END_S)
        told.happened = self._befall(story, watch)
        watch.until(lambda seen: seen.has_ended, _END_S)
        told.seconds = time.monotonic() - began
        self._plane.forget_faults()
        if watch.seen.has_ended:
            self._after_the_end(story, watch, told)
        else:
            told.breaches.append(f"the driver has not ended in {_END_S:.0f} s")
            self._plane.stop(story.driver)
        told.n_jobs = len(watch.seen.folds)
        told.n_starts = len(self._plane.streams(story.driver))
        told.happened &= story.kind not in _RESTARTED or told.n_starts > 1
        lines = self._plane.log(story.driver)
        told.n_taken_over = sum("of an earlier start is taken over" in line for line in lines)
        told.n_replaced = sum("of an earlier start is replaced" in line for line in lines)
        if told.breaches:
            sys.stdout.write("".join(f"    {line}\n" for line in lines[-40:]))
        return told

    def _begin(self, story: Story) -> None:
        given = {"num_round": "10000000"} if story.is_endless else {}
        given |= {"fold_instance_type": SCARCE} if story.kind == "quota" else {}
        if story.kind == "no capacity":
            # An exact name: a retry finds its instances.
            name = f"{story.driver}-f{story.fold}"
            self._plane.let_happen({"kind": "capacity", "name": name})
        if story.kind in _RESTARTED:
            # Some folds still run when the driver is back.
            slow = {"kind": "slow_start", "name": f"{story.driver}-f*", "seconds": _SLOW_START_S}
            self._plane.let_happen({**slow, "times": 2})
        self._plane.create(
            story.driver,
            is_spot=story.kind == "interrupt driver",
            retries=2 if story.kind == "kill and retry" else 0,
            **given,
        )
        for kind, operation, times in story.faults:
            if operation == "StopTrainingJob" and story.kind == "stop fold":
                continue  # it would hit our own call
            name = "*" if operation == "ListTrainingJobs" else f"{story.driver}-f*"
            self._plane.let_happen(
                {"kind": kind, "operation": operation, "name": name, "times": times}
            )

    def _is_time(self, story: Story, seen: Seen, began: float) -> bool:
        if seen.has_ended:
            return True
        if story.is_about_a_fold:
            return any(fold.index == story.fold and fold.is_live for fold in seen.folds)
        if story.waits_for_jobs:
            return len(seen.folds) > story.fold
        return time.monotonic() - began > _FIRST_S + story.moment * _LIFE_S

    def _befall(self, story: Story, watch: _Watch) -> bool:
        """Let the mishap happen; False where it came too late."""
        plane, driver = self._plane, story.driver
        fold = f"{driver}-f{story.fold}"
        if story.is_about_a_fold or story.waits_for_jobs:
            watch.until(lambda _: False, story.after_s)
        if story.kind == "stop driver":
            return plane.stop(driver)
        if story.kind in _KILLED_FOR_GOOD:
            return plane.kill(driver, only_worker=story.kind == "kill worker")
        if story.kind == "kill and retry":
            plane.let_happen({"kind": "job_internal", "name": driver})
            return not watch.seen.has_ended
        if story.kind == "interrupt driver":
            return self._interrupt(driver)
        if story.kind == "stop fold":
            return plane.stop(fold)
        if story.kind == "break fold":
            plane.let_happen({"kind": "job_internal", "name": fold})
        return True

    def _interrupt(self, driver: str) -> bool:
        try:
            self._plane.interrupt(driver)
        except OSError:
            return False
        return True

    def _after_the_end(self, story: Story, watch: _Watch, told: Told) -> None:
        plane, driver = self._plane, story.driver
        told.status = watch.seen.status
        if told.status not in _allowed_ends(story, happened=told.happened):
            told.breaches.append(f"the driver is {told.status}: {plane.why(driver)}")
        since = watch.ending_since
        if story.kind in _KILLED_FOR_GOOD:
            told.n_orphans = len(watch.seen.live)
            self._reap(watch, told)
            since = time.time()
        self._wait_for_folds(watch, told, since)
        if not until(lambda: not plane.processes(driver, with_folds=True), _PROCESSES_END_S):
            told.breaches.append("processes are left")
        told.breaches += _overlaps(plane.fold_spans(watch.seen))
        if told.status == "Completed":
            told.breaches += _differences(plane.numbers(driver), self.numbers)

    def _wait_for_folds(self, watch: _Watch, told: Told, since: float) -> None:
        """See to it that no fold runs longer than it may after the time `since`."""
        left_s = max(0.0, since + BOUND_S - time.time())
        if not watch.until(lambda seen: not seen.live, left_s):
            left = ", ".join(fold.name for fold in watch.seen.live)
            told.breaches.append(f"still running {BOUND_S:.0f} s later: {left}")
            for fold in watch.seen.live:
                self._plane.stop(fold.name)
            watch.until(lambda seen: not seen.live, BOUND_S)
        told.longest_end_s = max(0.0, watch.last_live - since)

    def _reap(self, watch: _Watch, told: Told) -> None:
        orphans = watch.seen.live
        code, said = self._plane.reap(told.story.driver)
        if code != 0 or f"{told.n_orphans} without a driver" not in said:
            ends = "; ".join(f"{fold.name} {self._plane.why(fold.name)}" for fold in orphans)
            told.breaches.append(f"cv_reap ended with {code}: {said.strip()}; {ends}")


class _Watch:
    """Looks at a driver again and again, and notes what must never be."""

    def __init__(self, plane: SiblingsPlane, driver: str, told: Told) -> None:
        self._plane = plane
        self._driver = driver
        self._told = told
        self.seen = Seen(0.0, "InProgress", ())
        self.ending_since = 0.0
        self.last_live = 0.0

    def until(self, holds: Callable[[Seen], bool], limit_s: float) -> bool:
        """Look until something holds; False where it did not in time."""
        return until(lambda: holds(self._look()), limit_s, every_s=_LOOK_S)

    def _look(self) -> Seen:
        self.seen = self._plane.look(self._driver)
        if self.seen.status == "InProgress":
            self.ending_since = 0.0
        elif not self.ending_since:
            self.ending_since = self.seen.now
        if self.seen.live:
            self.last_live = self.seen.now
        for fold, n_live in Counter(each.index for each in self.seen.live).items():
            breach = f"fold {fold} has {n_live} live jobs"
            if n_live > 1 and breach not in self._told.breaches:
                self._told.breaches.append(breach)
        return self.seen


def _allowed_ends(story: Story, *, happened: bool) -> set[str]:
    if story.kind in _KILLED_FOR_GOOD:
        return {"Failed"}
    if story.kind == "stop driver" and happened:
        # A stop that comes late finds the model made.
        return {"Stopped"} if story.is_endless else {"Stopped", "Completed"}
    return {"Completed"}


def _overlaps(spans: Mapping[int, list[tuple[float, float]]]) -> list[str]:
    """Name the folds that had two jobs at one time, by the service's stamps."""
    return [
        f"fold {fold} had two jobs for {end - begin:.3f} s"
        for fold, each in spans.items()
        for (_, end), (begin, _) in itertools.pairwise(sorted(each))
        if begin < end - _STAMP_S
    ]


def _differences(
    own: Mapping[int, Mapping[str, Any]], expected: Mapping[int, Mapping[str, Any]]
) -> list[str]:
    if set(own) != set(expected):
        return [f"the folds {sorted(own)} have numbers"]
    return [
        f"fold {fold}: {split} {name} is {own[fold][split][name]}, undisturbed {value}"
        for fold, splits in expected.items()
        for split, values in splits.items()
        for name, value in values.items()
        if not abs(own[fold][split][name] - value) <= _TOLERANCE
    ]


def run(folder: Path, seeds: Iterable[int], say: Callable[[str], None]) -> list[Told]:
    """Run the stories of the seeds one after the other on one plane."""
    with siblings_plane(folder) as plane:
        chaos = Chaos(plane)
        told = []
        for seed in seeds:
            told.append(chaos.tell(draw_story(seed)))
            say(_line(told[-1]))
        return told


def _line(told: Told) -> str:
    story = told.story
    notes = [
        "endless folds" if story.is_endless else "",
        "" if told.happened else "too late",
        f"{told.n_starts} starts" if told.n_starts > 1 else "",
        f"{told.n_jobs} jobs",
        f"{told.n_taken_over} taken over" if told.n_taken_over else "",
        f"{told.n_replaced} replaced" if told.n_replaced else "",
        f"{told.n_orphans} orphans" if told.n_orphans else "",
        f"folds ended {told.longest_end_s:.1f} s after" if told.longest_end_s > 0.5 else "",
        f"{len(story.faults)} kinds of failed calls" if story.faults else "",
    ]
    shown = ", ".join(filter(None, notes))
    lines = [f"{story.seed:3d} {story.kind:16} {told.status:9} {told.seconds:5.1f} s  {shown}"]
    return "\n".join([*lines, *(f"    BREACH: {breach}" for breach in told.breaches)])


def summary(told: list[Told]) -> str:
    """Return one line about all runs."""
    n_bad = sum(bool(each.breaches) for each in told)
    return (
        f"{len(told)} runs, {n_bad} with a breach; {sum(each.n_jobs for each in told)} fold jobs, "
        f"{sum(each.n_taken_over for each in told)} taken over, "
        f"{sum(each.n_replaced for each in told)} replaced, "
        f"{sum(each.n_orphans for each in told)} orphans reaped; folds ended at most "
        f"{max(each.longest_end_s for each in told):.1f} s after their driver (bound "
        f"{BOUND_S:.0f} s)"
    )


def main() -> int:
    """Run what was asked for; 1 where something was breached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.runs) if given.seed is None else [given.seed]
    with tempfile.TemporaryDirectory() as folder:
        told = run(Path(folder), seeds, _say)
    _say(summary(told))
    return int(any(each.breaches for each in told))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
