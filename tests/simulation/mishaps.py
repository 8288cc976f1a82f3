"""What can go wrong in an account, drawn from a seed: drivers and folds, and what befalls them."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, replace
from typing import Literal

from cv_driver.siblings.fold_job.names import FoldTry, fold_job_name
from local_test.control_plane.faults import Fault
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.wire.errors import ServiceError
from tests.simulation.account import OUTPUT, Account, Habits
from tests.simulation.driver_job import INSTANCE_TYPE, DriverJob
from tests.simulation.reapers import reap_orphans

Kind = Literal[
    "stop driver",
    "kill driver",
    "interrupt driver",
    "kill driver for good",
    "stop fold",
    "break fold",
    "interrupt fold",
    "no capacity",
    "throttle",
    "internal",
    "lost response",
    "users' failure",
    "foreign job",
    "early reaper",
    "outage",
]
# How often each is drawn, one to another.
_WEIGHTS: dict[Kind, int] = {
    "stop driver": 3,
    "kill driver": 6,
    "interrupt driver": 4,
    "kill driver for good": 2,
    "stop fold": 4,
    "break fold": 3,
    "interrupt fold": 3,
    "no capacity": 3,
    "throttle": 6,
    "internal": 4,
    "lost response": 8,
    "users' failure": 1,
    "foreign job": 1,
    "early reaper": 1,
    "outage": 2,
}
_OPERATIONS = (
    "CreateTrainingJob",
    "StopTrainingJob",
    "ListTrainingJobs",
    "DescribeTrainingJob",
    "ListTags",
    "PutObject",
    "GetObject",
)
OUTAGE_S = 30.0
_CALL_FAULTS: dict[str, Literal["throttle", "internal", "lost_response"]] = {
    "throttle": "throttle",
    "internal": "internal",
    "lost response": "lost_response",
}
# A fold that suffers less often than the driver tries again must not fail.
_RETRIES = 6


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that happens `at` seconds after the beginning to a driver, and one of its folds."""

    at: float
    kind: Kind
    driver: str
    fold: int = 0
    operation: str = "*"
    times: int = 1

    def __str__(self) -> str:
        """Say it on one line."""
        what = f" fold {self.fold}" if "fold" in self.kind or "foreign" in self.kind else ""
        calls = "" if self.operation == "*" else f" {self.operation} × {self.times}"
        return f"{self.at:7.1f} s  {self.kind}: {self.driver}{what}{calls}"


@dataclass(frozen=True, slots=True)
class Story:
    """One run of the simulation."""

    seed: int
    habits: Habits
    drivers: tuple[tuple[str, int, bool], ...]
    mishaps: tuple[Mishap, ...]
    driver_fits: str = "auto"

    def without(self, mishap: Mishap) -> Story:
        """Return the story in which something does not happen."""
        return replace(self, mishaps=tuple(each for each in self.mishaps if each is not mishap))

    def make_drivers(self) -> list[DriverJob]:
        """Return the drivers: name, folds, whether on spot capacity."""
        given = {"cv_driver_fits": self.driver_fits}
        return [
            DriverJob(name, n_folds, is_spot=is_spot, retries=_RETRIES, hyperparameters=given)
            for name, n_folds, is_spot in self.drivers
        ]


def draw_story(seed: int) -> Story:
    """Make up a run."""
    drawn = random.Random(f"story {seed}")
    n_drivers = drawn.choice((1, 1, 2, 3, 4))
    # Names that are parts of one another; a long one is cut and hashed.
    names = ["trial-1", "trial-10", "a-trial-1", f"trial-1-{'x' * 50}"][:n_drivers]
    drivers = tuple((name, drawn.randint(2, 6), drawn.random() < 0.4) for name in names)
    n_instances = n_drivers + drawn.randint(0, 3)
    habits = Habits(
        read_s=drawn.choice((5.0, 5.0, 40.0)),
        fold_s=drawn.choice((20.0, 60.0, 200.0)),
        spread=drawn.choice((0.0, 0.3, 0.8)),
        starting_s=drawn.choice((3.0, 5.0, 60.0)),
        prepare_s=drawn.choice((0.0, 10.0)),
        upload_s=drawn.choice((0.0, 5.0)),
        watches=drawn.random() < 0.5,
        has_checkpoints=drawn.random() < 0.5,
        latency_s=drawn.choice((0.02, 0.2, 1.0)),
        lag_s=drawn.choice((0.0, 0.0, 2.0)),
        quotas={INSTANCE_TYPE: n_instances} if drawn.random() < 0.3 else {},
    )
    n_mishaps = drawn.randint(0, 8)
    mishaps = _crowded(drawn, [_draw(drawn, habits, drivers) for _ in range(n_mishaps)])
    fits = drawn.choice(("auto", "auto", "never", "always"))
    if habits.quotas and n_instances <= n_drivers and fits == "never":
        fits = "auto"
    return Story(seed, habits, drivers, tuple(sorted(mishaps, key=lambda each: each.at)), fits)


def _draw(
    drawn: random.Random, habits: Habits, drivers: tuple[tuple[str, int, bool], ...]
) -> Mishap:
    kind = drawn.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    name, n_folds, _ = drawn.choice(drivers)
    # Half of it while folds are created, where every call can be the last.
    early_s = habits.starting_s + habits.prepare_s + habits.read_s + 5 + 3 * n_folds
    last_s = early_s if drawn.random() < 0.5 else early_s + 2 * habits.fold_s
    operation = drawn.choice(_OPERATIONS) if kind in _CALL_FAULTS else "*"
    times = drawn.choice((1, 1, 2, 5, 20)) if kind == "throttle" else drawn.choice((1, 1, 2))
    at = 0.0 if kind in {"users' failure", "foreign job"} else drawn.uniform(0, last_s)
    return Mishap(round(at, 1), kind, name, drawn.randrange(n_folds), operation, times)


def _crowded(drawn: random.Random, mishaps: list[Mishap]) -> list[Mishap]:
    """Let some befall the driver of the one before, and soon: what is hard is two at once."""
    crowded: list[Mishap] = []
    for each in mishaps:
        before = crowded[-1] if crowded else each
        if before.at > 0 and each.at > 0 and drawn.random() < 0.5:
            at = round(before.at + drawn.uniform(0, drawn.choice((5, 60))), 1)
            crowded.append(replace(each, at=at, driver=before.driver))
        else:
            crowded.append(each)
    return crowded


def befall(account: Account, mishap: Mishap) -> None:
    """Let a mishap happen now, as far as there is something that it can happen to."""
    # The job may not be there, have ended, or be in no state for it.
    with contextlib.suppress(ServiceError):
        _befall(account, mishap)


def _befall(account: Account, mishap: Mishap) -> None:
    kind, driver = mishap.kind, account.drivers[mishap.driver]
    if kind in _CALL_FAULTS:
        fault = Fault(_CALL_FAULTS[kind], operation=mishap.operation, times=mishap.times)
        account.plane.faults.add(fault)
    elif kind == "stop driver":
        account.plane.training.stop(driver.name)
    elif kind == "interrupt driver":
        account.plane.interrupt(driver.name)
    elif kind in {"kill driver", "kill driver for good"}:
        _kill(account, driver, for_good=kind == "kill driver for good")
    elif kind == "outage":
        account.go_out(OUTAGE_S)
    elif kind == "early reaper":
        reap_orphans(account, driver)
    elif kind == "users' failure":
        name = fold_job_name(driver.name, FoldTry(mishap.fold))
        account.scripts.fates[name] = "UserError: hyperparameter 'eta' is too great"
    elif kind == "foreign job":
        account.create(_foreign_request(driver, mishap.fold))
    else:
        _hit_fold(account, driver, mishap)


def _kill(account: Account, driver: DriverJob, *, for_good: bool) -> None:
    job = account.job(driver.name)
    if not driver.starts or driver.starts[-1].end is not None:
        return
    if for_good:
        job.request = {**job.request, "RetryStrategy": {"MaximumRetryAttempts": 0}}
    account.plane.faults.add(Fault("job_internal", name=driver.name))


def _hit_fold(account: Account, driver: DriverJob, mishap: Mishap) -> None:
    """Hit the newest live job of a fold, or else any live one of the driver."""
    live = [job for job in account.children(driver.name) if job.is_live]
    suits = [job for job in live if f"-f{mishap.fold}" in job.name] or live
    if mishap.kind == "no capacity":
        account.plane.faults.add(Fault("capacity", name=f"*-f{mishap.fold}*"))
    elif not suits:
        return
    elif mishap.kind == "stop fold":
        account.plane.training.stop(suits[-1].name)
    elif mishap.kind == "break fold":
        _break(account, suits[-1])
    else:
        account.plane.interrupt(suits[-1].name)


def _break(account: Account, job: TrainingJob) -> None:
    job.request = {**job.request, "RetryStrategy": {"MaximumRetryAttempts": 0}}
    account.plane.faults.add(Fault("job_internal", name=job.name))


def _foreign_request(driver: DriverJob, fold: int) -> dict[str, object]:
    """Return somebody else's job that has the name of a fold's."""
    request = DriverJob(fold_job_name(driver.name, FoldTry(fold))).request(OUTPUT)
    return {**request, "HyperParameters": {"epochs": "3"}, "Tags": [{"Key": "team", "Value": "x"}]}
