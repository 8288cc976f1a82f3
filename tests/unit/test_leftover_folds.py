from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.paths import OptMl
from crossfold.contract.stop import Stopped
from crossfold.errors import PlatformError, UserError
from crossfold.fitting.job import Job
from crossfold.request.reading import read_request
from cv_driver.aws.api import Page
from cv_driver.aws.errors import CallFailed, Denied, NoAnswer, Refused, Unreachable
from cv_driver.aws.world import World
from cv_driver.launchers.launcher import FoldJob
from cv_driver.siblings.connection import end_abandoned
from cv_driver.siblings.leftover_folds import LeftoverFolds, note_reached, was_reached
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


def ended_by(
    world: SiblingWorld, reason: BaseException, *, api: Any = None, was_reached: bool = True
) -> None:
    own = World(api or world.api, world.now, world.sleep, random.Random(0), world.log.append)
    left = LeftoverFolds(own, DRIVER, 90.0, was_reached=was_reached)
    with pytest.raises(type(reason)), left.ended_with():
        raise reason


def test_a_start_that_is_stopped_early_ends_the_folds_of_an_earlier_one(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    world.create(f"{DRIVER}-f9", Tags=[{"Key": "crossfold:driver", "Value": "somebody-else"}])

    ended_by(world, Stopped())

    assert world.running() == [f"{DRIVER}-f9"]


def test_a_block_that_ends_well_ends_no_fold(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    own = World(world.api, world.now, world.sleep, random.Random(0), world.log.append)

    with LeftoverFolds(own, DRIVER, 90.0).ended_with():
        pass

    assert len(world.running()) == world.n_folds


def test_lost_answers_and_throttles_keep_no_fold_running(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    world.fault("lost_response", "StopTrainingJob", times=2)
    world.fault("throttle", "*", times=5)
    world.fault("internal", "ListTrainingJobs", times=3)

    ended_by(world, Stopped())

    assert world.running() == []


@pytest.mark.parametrize(
    ("n_throttled", "longest_s", "n_left"), [(0, 15.0, 0), (20, 55.0, 0), (1_000, 91.0, 5)]
)
def test_throttled_lists_hold_a_stop_for_seconds_and_never_past_its_time(
    tmp_path: Path, n_throttled: int, longest_s: float, n_left: int
) -> None:
    world = killed_with_folds_running(tmp_path)
    world.fault("throttle", "ListTrainingJobs", times=n_throttled)
    began = world.now()

    ended_by(world, Stopped())

    assert world.now() - began <= longest_s
    assert len(world.running()) == n_left


class Away:
    """An API that nobody reaches before a moment."""

    def __init__(self, world: SiblingWorld, until: float) -> None:
        self._world, self._until = world, until

    def list_page(self, name_contains: str, token: str | None = None, **filters: Any) -> Page:
        if self._world.now() < self._until:
            self._world.sleep(3.0)
            raise Unreachable("no connection could be made")
        return self._world.api.list_page(name_contains, token, **filters)

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


def unreached(kind: type[UserError | PlatformError] = UserError) -> UserError | PlatformError:
    reason = kind("the SageMaker API cannot be reached")
    reason.__cause__ = Unreachable("no connection could be made")
    return reason


def test_a_network_that_never_led_anywhere_is_told_of_at_once(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    began = world.now()

    ended_by(world, unreached(), api=Away(world, began + 600.0), was_reached=False)

    assert world.now() == began
    assert not any("looking for folds" in line for line in world.log)


def test_a_network_that_an_earlier_start_has_used_is_waited_for(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)

    ended_by(world, unreached(), api=Away(world, world.now() + 40.0), was_reached=True)

    assert world.running() == []


def test_a_stop_is_not_held_by_a_network_that_never_led_anywhere(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    began = world.now()

    ended_by(world, Stopped(), api=Away(world, began + 600.0), was_reached=False)

    # Three tries of 3 s, and what is between them.
    assert world.now() - began < 13
    assert any("may still run: no connection could be made" in line for line in world.log)


def test_a_start_that_reached_aws_leaves_a_note_among_the_checkpoints(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    note_reached(checkpoints, DRIVER)
    assert not was_reached(checkpoints, DRIVER)

    checkpoints.mkdir()
    note_reached(checkpoints, DRIVER)

    assert was_reached(checkpoints, DRIVER)
    assert not was_reached(checkpoints, "another-trial")


def test_a_note_that_cannot_be_written_fails_no_job(tmp_path: Path) -> None:
    (tmp_path / f"{DRIVER}.reached").mkdir()

    note_reached(tmp_path, DRIVER)

    assert not was_reached(tmp_path, DRIVER)


def test_where_nothing_is_allowed_nothing_more_is_asked(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    reason = PlatformError("the role may not list")
    reason.__cause__ = Denied("AccessDenied")
    calls = sum(world.api.calls.values())

    ended_by(world, reason, was_reached=False)

    assert sum(world.api.calls.values()) == calls


@pytest.mark.parametrize("cause", [Denied("AccessDenied"), Refused("NoSuchBucket", "is gone")])
def test_a_start_that_may_not_write_its_output_ends_the_folds_of_an_earlier_one(
    tmp_path: Path, cause: CallFailed
) -> None:
    """What is denied of S3 is not denied of jobs."""
    world = killed_with_folds_running(tmp_path)
    reason = UserError("the role may not touch s3://bucket/out")
    reason.__cause__ = cause

    ended_by(world, reason)

    assert world.running() == []


def test_a_job_that_cannot_be_stopped_is_told_of(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)

    class Locked(Away):
        def stop(self, job_name: str) -> None:
            raise Denied("AccessDenied: StopTrainingJob")

    ended_by(world, NoAnswer("x"), api=Locked(world, 0.0))

    assert any("may still run: AccessDenied" in line for line in world.log)


def driver_job(root: Path, log: io.StringIO) -> Job:
    given = {"algorithm": "svm", "cv_folds": "5", "cv_launcher": "sagemaker"}
    environ = {"TRAINING_JOB_NAME": DRIVER}
    return Job(OptMl(root), read_request(given, environ), given, {}, environ, log)


def test_a_killed_driver_s_folds_end_with_those_that_it_was_just_creating(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    others = [{"Key": "crossfold:driver", "Value": "somebody-else"}]
    world.create(f"{DRIVER}-f8", Tags=others)

    def sleep(seconds: float) -> None:
        world.sleep(seconds)
        if world.api.calls["StopTrainingJob"] == world.n_folds:
            own = [{"Key": "crossfold:driver", "Value": DRIVER}]
            world.create(f"{DRIVER}-f9", Tags=own)

    away = World(world.api, world.now, sleep, random.Random(0), world.log.append)
    end_abandoned(driver_job(tmp_path, io.StringIO()), away)

    assert world.running() == [f"{DRIVER}-f8"]
    assert f"{DRIVER}-f9, a fold of this driver, is stopped" in world.log


@pytest.mark.parametrize(("noted", "n_left"), [(DRIVER, 0), ("another-trial", 5)])
def test_a_killed_driver_that_had_reached_aws_has_its_folds_ended_after_an_outage(
    tmp_path: Path, noted: str, n_left: int
) -> None:
    world = killed_with_folds_running(tmp_path)
    job = driver_job(tmp_path, io.StringIO())
    job.opt_ml.checkpoints.mkdir(parents=True)
    note_reached(job.opt_ml.checkpoints, noted)
    api: Any = Away(world, world.now() + 40.0)

    end_abandoned(job, World(api, world.now, world.sleep, random.Random(0), world.log.append))

    assert len(world.running()) == n_left


def test_what_is_denied_of_a_killed_driver_is_told_once(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)

    class Mute(Away):
        def list_page(self, *_: object, **__: object) -> Page:
            raise Denied("AccessDenied: ListTrainingJobs")

    own: Any = Mute(world, 0.0)
    way = World(own, world.now, world.sleep, random.Random(0), world.log.append)
    n_lines = len(world.log)
    end_abandoned(driver_job(tmp_path, io.StringIO()), way)

    assert world.log[n_lines:] == [
        "folds of this driver may still run: AccessDenied: ListTrainingJobs"
    ]
