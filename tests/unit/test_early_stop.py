from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.stop import PATIENCE_S, Stopped, StopRequest
from crossfold.errors import AlgorithmError
from cv_driver.aws.world import World
from cv_driver.siblings.early_stop import ended_early
from cv_driver.siblings.leftover_folds import LeftoverFolds
from tests.sibling_api import DRIVER, SiblingWorld
from tests.unit.test_leftover_folds import killed_with_folds_running

_PATIENT_S = 100.0
_LIMIT_S = 60.0


def left_in(world: SiblingWorld, api: Any = None) -> LeftoverFolds:
    own = World(api or world.api, world.now, world.sleep, random.Random(0), world.log.append)
    return LeftoverFolds(own, DRIVER, 90.0)


class Busy(StopRequest):
    """A stop that tells when nobody needs to be patient any more."""

    def __init__(self) -> None:
        self.is_hurried = threading.Event()
        super().__init__()

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "patience_s" and value == PATIENCE_S and self.is_set:
            self.is_hurried.set()


def test_a_stop_ends_left_folds_while_the_data_is_still_read(tmp_path: Path) -> None:
    world, stop = killed_with_folds_running(tmp_path), Busy()
    world.api.calls.clear()
    seen: list[tuple[float, list[str]]] = []

    def read() -> None:
        """Be stopped, and look at no stop, as a library does."""
        patience_s = stop.patience_s
        stop.set()
        assert stop.is_hurried.wait(_LIMIT_S)
        seen.append((patience_s, world.running()))

    with pytest.raises(Stopped), ended_early(left_in(world), stop, patience_s=_PATIENT_S):
        read()

    assert seen == [(_PATIENT_S, [])]
    assert stop.patience_s == PATIENCE_S
    assert world.api.calls["ListTrainingJobs"] == 1


def test_a_failure_ends_left_folds_once(tmp_path: Path) -> None:
    world, stop = killed_with_folds_running(tmp_path), StopRequest()

    with pytest.raises(AlgorithmError), ended_early(left_in(world), stop, patience_s=_PATIENT_S):
        raise AlgorithmError("the split failed")

    assert world.running() == []
    assert stop.patience_s == _PATIENT_S


def test_a_stop_that_the_block_does_not_see_is_raised_at_its_end(tmp_path: Path) -> None:
    world, stop = killed_with_folds_running(tmp_path), StopRequest()

    with pytest.raises(Stopped), ended_early(left_in(world), stop, patience_s=_PATIENT_S):
        stop.set()

    assert world.running() == []


def test_a_block_that_ends_well_leaves_folds_and_patience(tmp_path: Path) -> None:
    world, stop = killed_with_folds_running(tmp_path), StopRequest()
    before = set(threading.enumerate())

    with ended_early(left_in(world), stop, patience_s=_PATIENT_S):
        assert len(set(threading.enumerate()) - before) == 1

    assert set(threading.enumerate()) <= before
    assert len(world.running()) == world.n_folds
    assert stop.patience_s == _PATIENT_S


class Unforeseen:
    """An API whose first stop of a job ends as nobody has foreseen."""

    def __init__(self, world: SiblingWorld) -> None:
        self._world = world
        self.was_called = threading.Event()

    def stop(self, job_name: str) -> None:
        if not self.was_called.is_set():
            self.was_called.set()
            raise ValueError("an answer that is none")
        self._world.api.stop(job_name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.api, name)


def test_what_nobody_has_foreseen_while_folds_are_ended_is_told_and_they_are_tried_again(
    tmp_path: Path,
) -> None:
    world, stop = killed_with_folds_running(tmp_path), StopRequest()
    api = Unforeseen(world)

    def read() -> None:
        stop.set()
        assert api.was_called.wait(_LIMIT_S)

    with pytest.raises(Stopped), ended_early(left_in(world, api), stop, patience_s=_PATIENT_S):
        read()

    assert world.running() == []
    assert any("may still run: ValueError('an answer that is none')" in line for line in world.log)


def test_what_nobody_has_foreseen_does_not_hide_why_the_driver_ends(tmp_path: Path) -> None:
    world = killed_with_folds_running(tmp_path)
    left = left_in(world, Unforeseen(world))

    with pytest.raises(AlgorithmError), ended_early(left, StopRequest(), patience_s=_PATIENT_S):
        raise AlgorithmError("the split failed")
