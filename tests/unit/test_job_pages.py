from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.stop import StopRequest
from crossfold.errors import UserError
from cv_driver.aws.api import Page
from cv_driver.aws.errors import CallFailed, NotFound, Refused
from cv_driver.launchers.launcher import FoldJob, Outcome, Succeeded
from cv_driver.siblings.fold_job.job_pages import JobPages
from cv_driver.watch import run_folds
from tests.sibling_api import DRIVER, SiblingWorld


class Forgetful:
    """An API that `times` times does not know its own tokens, or fails as it is told to."""

    def __init__(self, world: SiblingWorld, times: int, failure: CallFailed | None = None) -> None:
        self.left = times
        self._list_page = world.api.list_page
        self._failure = failure
        world.api.list_page = self.list_page  # type: ignore[method-assign]

    def list_page(self, name_contains: str, token: str | None = None, **filters: Any) -> Page:
        if token is not None and self.left:
            self.left -= 1
            if self._failure is not None:
                raise self._failure
            # Answered by the plane, in the service's words.
            token = "bm9uc2Vuc2U="
        return self._list_page(name_contains, token, **filters)


class Heard:
    def ended(self, outcome: Outcome) -> None: ...

    def retried(self, failed: object) -> None: ...


def run(world: SiblingWorld) -> list[Outcome]:
    launcher = world.launcher()
    return run_folds(range(world.n_folds), launcher, world.policy(), StopRequest(), Heard())


@pytest.mark.parametrize("failure", [None, NotFound("there is no such token")])
def test_a_token_that_has_expired_begins_the_list_anew(
    tmp_path: Path, failure: CallFailed | None
) -> None:
    """Twelve folds are two pages of this account."""
    world = SiblingWorld(tmp_path, n_folds=12)
    api = Forgetful(world, 4, failure)

    outcomes = run(world)

    assert api.left == 0
    assert len(outcomes) == 12
    assert all(isinstance(each, Succeeded) for each in outcomes)
    assert all(n_at_once == 1 for n_at_once in world.most_at_once.values())


def test_a_restart_reads_the_whole_list_before_it_makes_a_job(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, n_folds=12)
    launcher = world.launcher()
    for index in range(12):
        launcher.start(FoldJob(index))
    while len(world.folds()) < 12:
        launcher.wait(1.0)
    Forgetful(world, 2)

    outcomes = run(world)

    assert all(isinstance(each, Succeeded) for each in outcomes)
    assert sorted(world.statuses()) == sorted(f"{DRIVER}-f{index}" for index in range(12))


def test_a_service_that_takes_no_token_at_all_is_told_of(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, n_folds=12)
    Forgetful(world, 10_000)

    with pytest.raises(UserError, match="Invalid NextToken"):
        run(world)


def test_a_first_page_that_is_refused_is_not_asked_for_again(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)

    def refuse(*_args: object, **_filters: object) -> Page:
        raise Refused("ValidationException", "NameContains is wrong")

    world.api.list_page = refuse  # type: ignore[method-assign]

    with pytest.raises(Refused):
        JobPages(world.api, DRIVER, None).read()


@pytest.mark.parametrize("is_restart", [False, True])
def test_what_the_account_made_before_the_driver_is_not_listed(
    tmp_path: Path, *, is_restart: bool
) -> None:
    """Twenty older jobs, whose names contain this driver's, would be two pages more."""
    calls = []
    for n_old in (0, 20):
        folder = tmp_path / str(n_old)
        folder.mkdir()
        world = with_history(folder, n_old)
        if is_restart:
            run(world)
            world.api.calls.clear()
        run(world)
        calls.append(world.api.calls["ListTrainingJobs"])

    assert calls[0] == calls[1]


def with_history(folder: Path, n_old: int) -> SiblingWorld:
    """Return an account that has made jobs an hour before the driver."""
    world = SiblingWorld(folder)
    for index in range(n_old):
        name = f"old-{DRIVER}-f{index}"
        world.create(name)
        world.plane.plane.training.get(name).created -= 3600.0
    return world
