"""Orphans end, and the folds of drivers that run are left to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from crossfold.errors import UserError
from cv_driver.aws.api import JobState, Page
from cv_driver.aws.call_sequence import make_calls
from cv_driver.aws.errors import Denied
from cv_driver.launchers.launcher import FoldJob
from cv_driver.reap.reaping import Wanted, reap
from cv_driver.siblings.fold_job.tags import DRIVER_TAG, TUNING_JOB_TAG
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import Script
from tests.sibling_api import DRIVER, SiblingWorld


@pytest.fixture
def world(tmp_path: Path) -> SiblingWorld:
    """Let a driver make three folds, of which one ends early."""
    world = SiblingWorld(
        tmp_path,
        lambda launch: Script(exits_s=5.0 if launch.job_name.endswith("f1") else 5000.0),
        n_folds=3,
    )
    launcher = world.launcher()
    for index in range(3):
        launcher.start(FoldJob(index))
    until = world.now() + 20
    while world.now() < until:
        launcher.wait(1.0)
    world.api.find_tagged = finder(world)  # type: ignore[method-assign]
    return world


def finder(world: SiblingWorld) -> Callable[..., Page]:
    """Search as the service does, one job a page."""

    def find(key: str, value: str, token: str | None = None) -> Page:
        found = [job for job in world.folds() if job.is_live and tags(job).get(key) == value]
        at = int(token or 0)
        states = [JobState(each.name, each.arn, each.status, each.created, None) for each in found]
        return Page(states[at : at + 1], str(at + 1) if at + 1 < len(states) else None)

    return find


def tags(job: TrainingJob) -> Mapping[str, str]:
    return {tag["Key"]: tag["Value"] for tag in job.request.get("Tags", ())}


def reaped(world: SiblingWorld, *, tag: str = DRIVER_TAG, **options: Any) -> tuple[bool, list[str]]:
    said: list[str] = []
    value = options.pop("value", DRIVER)
    steps = reap(world.api, Wanted(tag, value, **options), said.append)
    return make_calls(steps, sleep=world.sleep, uniform=lambda low, _high: low), said


def end_driver(world: SiblingWorld) -> None:
    world.plane.executor.containers(DRIVER).kill()
    world.sleep(1.0)


def test_folds_of_a_driver_that_runs_are_left_to_it(world: SiblingWorld) -> None:
    all_stopped, said = reaped(world)

    assert all_stopped
    assert world.running() == [f"{DRIVER}-f0", f"{DRIVER}-f2"]
    assert said[-1] == "2 live fold jobs, 0 without a driver"


def test_orphans_end(world: SiblingWorld) -> None:
    end_driver(world)
    world.fault("throttle", "StopTrainingJob", times=3)

    all_stopped, said = reaped(world)

    assert all_stopped
    assert world.running() == []
    assert said == [
        f"{DRIVER}-f0 is stopped",
        f"{DRIVER}-f2 is stopped",
        "2 live fold jobs, 2 without a driver",
    ]


def test_a_dry_run_stops_nothing(world: SiblingWorld) -> None:
    end_driver(world)

    _, said = reaped(world, is_dry=True)

    assert len(world.running()) == 2
    assert f"{DRIVER}-f0 would be stopped" in said


def test_by_the_tuning_job_each_folds_own_driver_counts(world: SiblingWorld) -> None:
    for job in world.folds():
        world.plane.call(
            "AddTags", ResourceArn=job.arn, Tags=[{"Key": TUNING_JOB_TAG, "Value": "search"}]
        )
        job.request["Tags"].append({"Key": TUNING_JOB_TAG, "Value": "search"})
    assert reaped(world, tag=TUNING_JOB_TAG, value="search")[0]
    assert len(world.running()) == 2
    end_driver(world)

    reaped(world, tag=TUNING_JOB_TAG, value="search")

    assert world.running() == []


def test_a_job_that_may_not_be_stopped_is_told_of(world: SiblingWorld) -> None:
    end_driver(world)

    def deny(operation: str) -> None:
        if operation == "StopTrainingJob":
            raise Denied("no permission")

    world.api.hears = deny
    all_stopped, said = reaped(world)

    assert not all_stopped
    assert f"{DRIVER}-f0 could not be stopped: no permission" in said


def test_a_search_that_is_not_allowed_is_the_users_to_mend(world: SiblingWorld) -> None:
    def deny(key: str, value: str, token: str | None = None) -> Page:
        raise Denied("sagemaker:Search")

    world.api.find_tagged = deny  # type: ignore[method-assign]

    with pytest.raises(UserError, match="sagemaker:Search"):
        reaped(world)
