"""The driver's own job, and the way to AWS: needs no data, so that mistakes are told before any."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfold.contract.stop import StopRequest
from crossfold.fitting.job import Job
from cv_driver.aws.call_sequence import CallSequence, make_calls
from cv_driver.aws.environment import region_of
from cv_driver.aws.errors import CallFailed
from cv_driver.aws.parent import Parent
from cv_driver.aws.world import World
from cv_driver.siblings.early_stop import ended_early
from cv_driver.siblings.explanations import explain_describe
from cv_driver.siblings.fold_job.plan import STOP_S
from cv_driver.siblings.leftover_folds import (
    LeftoverFolds,
    end_leftovers,
    note_reached,
    was_reached,
)
from cv_driver.siblings.preflight.job_checks import check_job, own_job_name

_ROUTES = Path("/proc/net/route")
_TICK_S = 0.2
# A create that was under way when its driver was killed shows in the service's list by then.
_LATE_CREATE_S = 3.0
# Folds are stopped at a pace that the account allows, an earlier start's too; then some seconds are
# between the end of the stop and the end of the process.
_PATIENCE_S = STOP_S + 10.0


@dataclass(frozen=True, slots=True)
class Connection:
    """The driver's own job, and the way to AWS."""

    world: World
    parent: Parent
    stop: StopRequest

    def until_opened(self) -> contextlib.AbstractContextManager[None]:
        """End the folds of an earlier start where the block ends before there is a launcher."""
        parent = self.parent
        left = LeftoverFolds(self.world, parent.name, STOP_S, parent.created)
        return ended_early(left, self.stop, patience_s=_PATIENCE_S)

    def end_leftovers(self) -> None:
        """End folds that nobody needs now: an earlier start may have started them all."""
        parent, world = self.parent, self.world
        end_leftovers(world, parent.name, world.now() + STOP_S, created=parent.created)


def connect_parent(job: Job, stop: StopRequest) -> Connection:
    """Reach SageMaker and read the driver's own job.

    Raises
    ------
    UserError
        Something is set up so that folds cannot be jobs of their own.
    PlatformError
        The service does not answer.
    Stopped
        A stop was asked for meanwhile.
    """
    # Outside of a job the reason is that, not the region that is missing too.
    name = own_job_name(job.environ)
    try:
        world = _world(job)
    except CallFailed as error:
        raise explain_describe(error, name, region_of(job.environ), _routes()) from error
    checkpoints = job.opt_ml.checkpoints
    left = LeftoverFolds(world, name, STOP_S, was_reached=was_reached(checkpoints, name))
    with ended_early(left, stop, patience_s=_PATIENCE_S):
        checks = check_job(
            world.api, job.environ, job.request.driver, now=time.time(), routes=_routes()
        )
        parent = make_calls_until_stopped(checks, world, stop)
    note_reached(checkpoints, name)
    return Connection(world, parent, stop)


def end_abandoned(job: Job, world: World | None = None) -> None:
    """End the live folds of a driver whose process was killed, for memory say.

    Parameters
    ----------
    job : Job
    world : World, optional
        The job's own unless given.

    Raises
    ------
    UserError
        The job is no training job of SageMaker's, or its region is not told.
    CallFailed
        There are no credentials.
    """
    name, way = own_job_name(job.environ), world or _world(job)
    is_known = was_reached(job.opt_ml.checkpoints, name)

    def end() -> bool:
        return end_leftovers(way, name, way.now() + STOP_S, waits_for_network=is_known)

    if end():
        way.sleep(_LATE_CREATE_S)
        end()


def make_calls_until_stopped(sequence: CallSequence, world: World, stop: StopRequest) -> Any:
    """Make the calls of a sequence; return what it returns.

    Raises
    ------
    Stopped
        A stop was asked for meanwhile.
    """

    def sleep(seconds: float) -> None:
        until = world.now() + seconds
        while world.now() < until:
            stop.check()
            world.sleep(_TICK_S)

    return make_calls(sequence, sleep=sleep, uniform=world.chance.uniform)


def _world(job: Job) -> World:
    from cv_driver.aws.client import connect

    chance = random.Random()  # noqa: S311 - jitter needs no secrecy
    return World(connect(job.environ), time.time, time.sleep, chance, job.log)


def _routes() -> str:
    try:
        return _ROUTES.read_text(encoding="ascii")
    except OSError:
        return ""
