"""Find live fold jobs by their tags, and stop those whose driver does not run any more.

Yields the calls that it needs, see `cv_driver.aws.call_sequence`.  Source: API reference, Search
(tags of training jobs), StopTrainingJob.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

from crossfold.errors import PlatformError, UserError
from cv_driver.aws.api import LIVE, JobState, Page, SageMakerApi
from cv_driver.aws.call_sequence import Call
from cv_driver.aws.errors import AlreadyEnded, CallFailed, Denied, NotFound
from cv_driver.siblings.fold_job.tags import DRIVER_TAG

Say = Callable[[str], None]
Steps = Generator[Call, Any, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which fold jobs to look at: those with a tag of this value; `is_dry`: stop none."""

    tag: str
    value: str
    is_dry: bool = False


def reap(api: SageMakerApi, wanted: Wanted, say: Say) -> Steps:
    """Stop every orphan, tell of each, and return whether all could be stopped.

    Raises
    ------
    UserError
        A call is not allowed.
    PlatformError
        The service does not answer.
    """
    try:
        jobs = yield from _found(api, wanted)
        orphans = yield from _orphans(api, wanted, jobs, say)
    except CallFailed as error:
        kind = UserError if isinstance(error, Denied) else PlatformError
        raise kind(f"fold jobs with tag {wanted.tag}={wanted.value!r}: {error}") from error
    all_stopped = True
    for job in orphans:
        stopped = yield from _stop(api, job, say, is_dry=wanted.is_dry)
        all_stopped = all_stopped and stopped
    say(f"{len(jobs)} live fold jobs, {len(orphans)} without a driver")
    return all_stopped


def _found(api: SageMakerApi, wanted: Wanted) -> Steps:
    jobs: list[JobState] = []
    token: str | None = None
    while True:
        find = partial(api.find_tagged, wanted.tag, wanted.value, token)
        page: Page = yield Call("list", find)
        # A search may lag: a job that it still takes for live may have ended.
        jobs += [job for job in page.jobs if job.status == "InProgress"]
        token = page.token
        if token is None:
            return jobs


def _orphans(api: SageMakerApi, wanted: Wanted, jobs: list[JobState], say: Say) -> Steps:
    lives: dict[str, bool] = {}
    orphans = []
    for job in jobs:
        driver = wanted.value
        if wanted.tag != DRIVER_TAG:
            tags = yield Call("tags", partial(api.tags, job.arn))
            driver = tags.get(DRIVER_TAG, "")
        if driver and driver not in lives:
            lives[driver] = yield from _is_live(api, driver)
            if lives[driver]:
                say(f"driver {driver} runs; its folds are left to it")
        if driver and not lives[driver]:
            orphans.append(job)
    return orphans


def _is_live(api: SageMakerApi, driver: str) -> Steps:
    try:
        described = yield Call("describe", partial(api.describe, driver))
    except NotFound:
        return False
    return described["TrainingJobStatus"] in LIVE


def _stop(api: SageMakerApi, job: JobState, say: Say, *, is_dry: bool) -> Steps:
    if is_dry:
        say(f"{job.name} would be stopped")
        return True
    try:
        yield Call("stop", partial(api.stop, job.name))
    except (AlreadyEnded, NotFound):
        say(f"{job.name} has ended")
        return True
    except CallFailed as error:
        say(f"{job.name} could not be stopped: {error}")
        return False
    say(f"{job.name} is stopped")
    return True
