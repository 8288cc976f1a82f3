"""Folds that an earlier start of the same driver left running, where this start ends too early.

A launcher ends what it has taken over; before there is one, nobody would: a driver that was killed
and started again may be stopped, or fail, while it still reads its data.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crossfold.errors import UserError
from cv_driver.aws.call_sequence import Call, CallSequence, make_calls
from cv_driver.aws.errors import (
    AlreadyEnded,
    CallFailed,
    Denied,
    NoAnswer,
    NotFound,
    Refused,
    Unreachable,
)
from cv_driver.aws.world import World
from cv_driver.siblings.fold_job.job_pages import JobPages
from cv_driver.siblings.fold_job.names import fold_of
from cv_driver.siblings.fold_job.tags import DRIVER_TAG

_LOOK_AGAIN_S = 1.0
# A driver that ends has seconds, and a throttled call costs nobody anything.
_LONGEST_WAIT_S = 2.0
# No call would fare better than the one that has just failed.
_HOPELESS = (Denied, Refused)
# A network that was away may be back.
_UNREACHED_S = 60.0


class _TimeIsUp(Exception):
    """The seconds are over: what is left is left to its time limit."""


@dataclass(frozen=True, slots=True)
class LeftoverFolds:
    """The folds that an earlier start may have left.

    Attributes
    ----------
    world : World
    driver : str
        Name of the driver's training job.
    within_s : float
        Seconds after which what could not be ended is left to its time limit.
    created : float, optional
        When the driver's job was created, seconds since 1970.
    was_reached : bool
        Whether AWS was reached before, by this start or an earlier one.  If not, a network that
        leads nowhere, or a role that may nothing, was set up wrongly, which shall be told at once.
    """

    world: World
    driver: str
    within_s: float
    created: float | None = None
    was_reached: bool = True

    @contextlib.contextmanager
    def ended_with(self) -> Iterator[None]:
        """End them where the block ends by an exception."""
        try:
            yield
        except BaseException as reason:
            self.end_after(reason)
            raise

    def end_after(self, reason: BaseException) -> None:
        """End them where `reason`, by which the driver ends, leaves a hope to."""
        if isinstance(reason.__cause__, _HOPELESS) and not self.was_reached:
            return  # later, what is denied may be something else: an object, say
        within_s = self.within_s
        if isinstance(reason.__cause__, Unreachable):
            if isinstance(reason, UserError) and not self.was_reached:
                return
            within_s = min(within_s, _UNREACHED_S)
            self.world.log(f"{reason}; looking for folds of this driver for {within_s:.0f} s")
        self.end(within_s)

    def end(self, within_s: float | None = None) -> bool:
        """End them, or try to for some seconds; say whether nothing unforeseen came between."""
        try:
            end_leftovers(
                self.world,
                self.driver,
                self.world.now() + (self.within_s if within_s is None else within_s),
                created=self.created,
                waits_for_network=self.was_reached,
            )
        except Exception as error:  # noqa: BLE001 - it must not hide why the driver ends
            self.world.log(f"folds of this driver may still run: {error!r}")
            return False
        return True


def note_reached(checkpoints: Path, driver: str) -> None:
    """Leave a note for the next start, where the job keeps checkpoints: AWS can be reached."""
    # Without it, the next start gives up earlier where nobody is reached; no job fails of that.
    with contextlib.suppress(OSError):
        if checkpoints.is_dir():
            _note(checkpoints, driver).write_text("AWS was reached\n", encoding="ascii")


def was_reached(checkpoints: Path, driver: str) -> bool:
    """Say whether an earlier start has left the note."""
    return _note(checkpoints, driver).is_file()


def end_leftovers(
    world: World,
    driver: str,
    deadline: float,
    *,
    created: float | None = None,
    waits_for_network: bool = True,
) -> bool:
    """End the driver's running folds, or try to until `deadline`, seconds since 1970.

    Says whether all were found and ended; if not, the log says why.
    """
    failure: CallFailed | None = None
    try:
        while True:
            try:
                _ask_for_the_end(world, driver, deadline, created)
            except CallFailed as failed:
                failure = failed
                is_away = isinstance(failed, Unreachable) and not waits_for_network
                if is_away or isinstance(failed, _HOPELESS):
                    break
                _sleep(world, _LOOK_AGAIN_S, deadline)
            else:
                return True
    except _TimeIsUp:
        pass
    why = failure or "AWS has not let them be looked for in time"
    world.log(f"folds of this driver may still run: {why}")
    return False


def _ask_for_the_end(world: World, driver: str, deadline: float, created: float | None) -> None:
    make_calls(
        _end(world, driver, created),
        sleep=lambda seconds: _sleep(world, seconds, deadline),
        uniform=world.chance.uniform,
        longest_wait_s=_LONGEST_WAIT_S,
    )


def _sleep(world: World, seconds: float, deadline: float) -> None:
    left_s = deadline - world.now()
    if left_s <= 0:
        raise _TimeIsUp
    world.sleep(min(seconds, left_s))


def _end(world: World, driver: str, created: float | None) -> CallSequence:
    pages = JobPages(world.api, driver, created)
    while True:
        jobs = yield Call("list", pages.read)
        for job in jobs or ():
            if job.status == "InProgress" and fold_of(driver, job.name) is not None:
                yield from _end_ours(world, driver, job.name, job.arn)
        if jobs is not None and pages.is_at_start:
            return


def _end_ours(world: World, driver: str, name: str, arn: str) -> CallSequence:
    tags = yield Call("tags", partial(world.api.tags, arn))
    if tags.get(DRIVER_TAG) != driver:
        return
    # An answer that was lost is asked for again: to stop twice is no harm.
    with contextlib.suppress(AlreadyEnded, NotFound):
        try:
            yield Call("stop", partial(world.api.stop, name))
        except NoAnswer:
            yield Call("stop", partial(world.api.stop, name))
        world.log(f"{name}, a fold of this driver, is stopped")


def _note(checkpoints: Path, driver: str) -> Path:
    return checkpoints / f"{driver}.reached"
