"""What must hold at every moment of a simulated account, whatever happens to it.

1. No fold has two live jobs, nor a live job while its driver fits it.
2. After a driver's orderly end no job of its folds runs longer than `bound_s`, unless its last
   start reached nobody and has nothing on its disk that tells of an earlier one.
3. A driver that was told to end has ended after `bound_s`, and the answers it had to wait for.
4. A driver that succeeded has the numbers of an undisturbed run.
5. A driver that had no reason to fail has succeeded.
6. Nobody else's job is stopped.
7. What a driver has left that was killed for good, or cut off so, is ended by the reaper.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cv_driver.siblings.fold_job.names import fold_of
from local_test.control_plane.training.record import TrainingJob
from tests.simulation.account import Account
from tests.simulation.driver_job import DriverJob, Start
from tests.simulation.fold_world import fit

# The bound of the issue: so long, or one stop a second for every live fold job of the account.
_LEAST_S = 30.0
# A running container has this long to react to SIGTERM, and the plane looks each second.
_REACTION_S = 8.0


@dataclass(slots=True)
class Monitor:
    """Looks at an account after each tick and notes each breach once."""

    account: Account
    breaches: dict[str, float] = field(default_factory=dict)
    # Live fold jobs of the account when a start was told, or saw, that it must end, or ended.
    live_then: dict[tuple[str, int], int] = field(default_factory=dict)
    left_by: set[str] = field(default_factory=set)
    longest_end_s: float = 0.0
    longest_orphan_s: float = 0.0
    # From the moment at which a driver was told, or saw, that it must end.
    longest_child_s: float = 0.0

    def look(self) -> None:
        """Look at every driver."""
        live: dict[str, list[TrainingJob]] = {name: [] for name in self.account.drivers}
        for job in self.account.plane.training.all():
            owner = self.account.owner(job) if job.is_live else None
            if owner in live:
                live[owner].append(job)
        n_live = sum(map(len, live.values()))
        for driver in self.account.drivers.values():
            self._look_for_doubles(driver, live[driver.name])
            if driver.starts:
                self._look_at_end(driver, driver.starts[-1], live[driver.name], n_live)

    def look_at_results(self, may_fail: dict[str, str]) -> None:
        """Look at what drivers have found; `may_fail` says why some have no result, by name."""
        for driver in self.account.drivers.values():
            if not driver.starts and driver.name in may_fail:
                continue
            end = driver.starts[-1].end if driver.starts else None
            if end == "succeeded":
                self._look_at_numbers(driver)
            elif end is None:
                self._note(f"{driver.name} has not ended")
            elif driver.name not in may_fail:
                error = driver.starts[-1].error
                self._note(f"{driver.name} {end} for no reason: {type(error).__name__}: {error}")

    def look_at_strangers(self) -> None:
        """Look whether a job was stopped that is no driver's, and that no mishap stops."""
        for job in self.account.plane.training.all():
            is_strange = self.account.owner(job) is None and job.name not in self.account.drivers
            if is_strange and job.stop_cause is not None:
                self._note(f"{job.name} is somebody else's and was stopped")

    def look_after_reapers(self) -> None:
        """Look for orphans that the reaper has left."""
        for driver in self.account.drivers.values():
            children = self.account.children(driver.name)
            left = sorted(job.name for job in children if job.status == "InProgress")
            if (driver.was_killed_for_good or driver.was_cut_off) and left:
                self._note(f"the reaper has left {left}")

    def _look_for_doubles(self, driver: DriverJob, live: list[TrainingJob]) -> None:
        names: dict[int, list[str]] = {}
        for job in live:
            found = fold_of(driver.name, job.name)
            if found is None:
                self._note(f"{job.name} bears the tag of {driver.name} and not its name")
            else:
                names.setdefault(found.index, []).append(job.name)
        for index in _own_fits(driver):
            names.setdefault(index, []).append(f"a fit of {driver.name}")
        for index, at_once in names.items():
            if len(at_once) > 1:
                self._note(f"fold {index} of {driver.name} runs twice: {sorted(at_once)}")

    def _look_at_end(
        self, driver: DriverJob, start: Start, live: list[TrainingJob], n_live: int
    ) -> None:
        now = self.account.timeline.now()
        asked = min((at for at in (start.told, start.failing) if at is not None), default=None)
        if asked is None and start.end is None:
            return
        if asked is not None and live and start.end != "killed":
            self.longest_child_s = max(self.longest_child_s, now - asked)
        bound_s = max(_LEAST_S, self.live_then.setdefault((driver.name, start.number), n_live))
        if start.end is None and asked is not None:
            self.longest_end_s = max(self.longest_end_s, now - asked)
            if now - asked > bound_s + self._waits_s():
                self._note(f"{driver.name}#{start.number} goes on {bound_s:.0f} s after its end")
        elif start.end != "killed" and start.ended is not None and live and not driver.was_cut_off:
            self.longest_orphan_s = max(self.longest_orphan_s, now - start.ended)
            if now - start.ended > bound_s + _REACTION_S:
                self._note_orphans(f"{driver.name}#{start.number}", live)

    def _note_orphans(self, start: str, live: list[TrainingJob]) -> None:
        """Note them once, however they become fewer."""
        if start not in self.left_by:
            self.left_by.add(start)
            self._note(f"{start} has left {sorted(job.name for job in live)}")

    def _waits_s(self) -> float:
        """Return what lost answers cost a driver beside the calls themselves."""
        habits = self.account.habits
        return 3 * habits.answer_s + habits.tick_s + self.account.outage_s

    def _look_at_numbers(self, driver: DriverJob) -> None:
        folds = Counter(result.index for result in driver.results.values())
        if folds != Counter(range(driver.n_folds)):
            self._note(f"{driver.name} has folds {sorted(folds.elements())}")
        for index, result in driver.results.items():
            expected = fit(driver.inputs(index))
            if result.validation != expected.validation or list(result.rows) != list(expected.rows):
                self._note(
                    f"fold {index} of {driver.name} has {dict(result.validation)}, "
                    f"not {dict(expected.validation)}"
                )

    def _note(self, breach: str) -> None:
        self.breaches.setdefault(breach, self.account.timeline.elapsed)


def _own_fits(driver: DriverJob) -> list[int]:
    start = driver.starts[-1] if driver.starts else None
    if start is None or start.end is not None:
        return []
    return [each.index for each in driver.fits if each.ended is None and each.began >= start.began]
