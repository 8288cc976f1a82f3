from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.stop import Stopped
from crossfold.errors import PlatformError
from cv_driver.launchers.launcher import FoldJob
from cv_driver.siblings.api import Page
from cv_driver.siblings.asking import Asking, Call, ask
from cv_driver.siblings.calls import World
from cv_driver.siblings.errors import CallFailed, Denied, NoAnswer, Throttled, Unreachable
from cv_driver.siblings.left_folds import none_left
from local_test.control_plane.training.simulated import Script
from tests.sibling_api import DRIVER, SiblingWorld


def killed_with_folds_running(folder: Path) -> SiblingWorld:
    """Return an account on which a driver was killed while its folds run."""
    world = SiblingWorld(folder, Script(exits_s=3600.0))
    launcher = world.launcher()
    for index in range(world.n_folds):
        launcher.start(FoldJob(index))
    for _ in range(20):
        launcher.wait(1.0)
    assert len(world.running()) == world.n_folds
    return world


def ended_by(world: SiblingWorld, reason: BaseException, *, api: Any = None) -> None:
    own = World(api or world.api, world.now, world.sleep, random.Random(0), world.log.append)
    with pytest.raises(type(reason)), none_left(own, DRIVER, within_s=90.0):
        raise reason


def test_a_start_that_is_stopped_early_ends_the_folds_of_an_earlier_one(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    world.create(f"{DRIVER}-f9", Tags=[{"Key": "crossfold:driver", "Value": "somebody-else"}])

    ended_by(world, Stopped())

    assert world.running() == [f"{DRIVER}-f9"]


def test_a_block_that_ends_well_ends_no_fold(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    own = World(world.api, world.now, world.sleep, random.Random(0), world.log.append)

    with none_left(own, DRIVER, within_s=90.0):
        pass

    assert len(world.running()) == world.n_folds


def test_lost_answers_and_throttles_keep_no_fold_running(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    world.fault("lost_response", "StopTrainingJob", times=2)
    world.fault("throttle", "*", times=5)
    world.fault("internal", "ListTrainingJobs", times=3)

    ended_by(world, Stopped())

    assert world.running() == []


class Away:
    """An API that nobody reaches before a moment."""

    def __init__(self, world: SiblingWorld, until: float) -> None:
        self._world, self._until = world, until

    def list_page(self, name_contains: str, token: str | None = None) -> Page:
        if self._world.now() < self._until:
            self._world.sleep(3.0)
            raise Unreachable("no connection could be made")
        return self._world.api.list_page(name_contains, token)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.api, name)


@pytest.mark.parametrize(("away_s", "n_left"), [(40.0, 0), (600.0, 5)])
def test_an_outage_is_waited_for_a_minute(tmp_path: Path, away_s: float, n_left: int) -> None:
    world = killed_with_folds_running(tmp_path)
    reason = PlatformError("SageMaker cannot be reached")
    reason.__cause__ = Unreachable("no connection could be made")
    began = world.now()

    ended_by(world, reason, api=Away(world, world.now() + away_s))

    assert len(world.running()) == n_left
    assert world.now() - began < 100
    assert any("for 60 s" in line for line in world.log)


def test_where_nothing_is_allowed_nothing_more_is_asked(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    reason = PlatformError("the role may not list")
    reason.__cause__ = Denied("AccessDenied")
    calls = sum(world.api.calls.values())

    ended_by(world, reason)

    assert sum(world.api.calls.values()) == calls


@pytest.mark.parametrize(
    ("failure", "n_failures", "is_patient"),
    [(NoAnswer, 20, True), (Throttled, 200, True), (Unreachable, 2, True), (Unreachable, 3, False)],
)
def test_a_service_that_fails_is_asked_longer_than_one_that_is_not_there(
    failure: type[CallFailed], n_failures: int, *, is_patient: bool
) -> None:
    left = [failure("x")] * n_failures

    def describe() -> str:
        if left:
            raise left.pop()
        return "answer"

    def asking() -> Asking:
        return (yield Call("describe", describe))

    if is_patient:
        assert ask(asking(), sleep=lambda _seconds: None, uniform=max) == "answer"
    else:
        with pytest.raises(failure):
            ask(asking(), sleep=lambda _seconds: None, uniform=max)


def test_a_job_that_cannot_be_stopped_is_told_of(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)

    class Locked(Away):
        def stop(self, job_name: str) -> None:
            raise Denied("AccessDenied: StopTrainingJob")

    ended_by(world, NoAnswer("x"), api=Locked(world, 0.0))

    assert any("may still run: AccessDenied" in line for line in world.log)
