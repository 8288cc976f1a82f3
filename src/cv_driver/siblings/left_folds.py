"""Folds that an earlier start of the same driver left running, where this start ends too early.

A launcher ends what it has taken over; before there is one, nobody would: a driver that was killed
and started again may be stopped, or fail, while it still reads its data.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from cv_driver.siblings.api import Page
from cv_driver.siblings.asking import Asking, Call, ask
from cv_driver.siblings.calls import World
from cv_driver.siblings.errors import (
    AlreadyEnded,
    CallFailed,
    Denied,
    NoAnswer,
    NotFound,
    Refused,
    Unreachable,
)
from cv_driver.siblings.names import DRIVER_TAG, common_part, fold_of

_LOOK_AGAIN_S = 1.0
# No call would fare better than the one that has just failed.
_HOPELESS = (Denied, Refused)
# A network that is set up wrongly shall be told of soon, one that was away may be back.
_UNREACHED_S = 60.0


@contextlib.contextmanager
def none_left(world: World, driver: str, *, within_s: float) -> Iterator[None]:
    """End the driver's running folds where the block ends by an exception.

    Parameters
    ----------
    world : World
    driver : str
        Name of the driver's training job.
    within_s : float
        Seconds after which what could not be ended is left to its time limit.
    """
    try:
        yield
    except BaseException as reason:
        if isinstance(reason.__cause__, Unreachable):
            within_s = min(within_s, _UNREACHED_S)
            world.log(f"{reason}; looking for folds of an earlier start for {within_s:.0f} s")
        if not isinstance(reason.__cause__, _HOPELESS):
            end_left(world, driver, world.now() + within_s)
        raise


def end_left(world: World, driver: str, deadline: float) -> None:
    """End the driver's running folds, or try to until `deadline`, seconds since 1970."""
    while world.now() < deadline:
        try:
            ask(_end(world, driver), sleep=world.sleep, uniform=world.chance.uniform)
        except _HOPELESS as failed:
            world.log(f"folds of an earlier start may still run: {failed}")
            return
        except CallFailed:
            world.sleep(_LOOK_AGAIN_S)
        else:
            return


def _end(world: World, driver: str) -> Asking:
    token: str | None = None
    while True:
        list_page = partial(world.api.list_page, common_part(driver), token)
        page: Page = yield Call("list", list_page)
        for job in page.jobs:
            if job.status == "InProgress" and fold_of(driver, job.name) is not None:
                yield from _end_ours(world, driver, job.name, job.arn)
        token = page.token
        if token is None:
            return


def _end_ours(world: World, driver: str, name: str, arn: str) -> Asking:
    tags = yield Call("tags", partial(world.api.tags, arn))
    if tags.get(DRIVER_TAG) != driver:
        return
    # An answer that was lost is asked for again: to stop twice is no harm.
    with contextlib.suppress(AlreadyEnded, NotFound):
        try:
            yield Call("stop", partial(world.api.stop, name))
        except NoAnswer:
            yield Call("stop", partial(world.api.stop, name))
        world.log(f"{name}, a fold of an earlier start, is stopped")
