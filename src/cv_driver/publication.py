"""The result files, once more and plain, where a pipeline's steps can read them.

``output.tar.gz`` is packed; ``<S3OutputPath>/<job>/evaluation/`` is not.  Best effort: whatever
goes wrong is one line of the log, and the job is none the worse for it, nor much longer.
Source: AWS docs, "JsonGet" of a ConditionStep, "ModelMetrics" of a model package.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from crossfold.contract.stop import StopRequest
from crossfold.fitting.job import Job
from cv_driver.aws.api import SageMakerApi
from cv_driver.aws.call_sequence import Call, CallSequence, make_calls
from cv_driver.aws.environment import JOB_NAME_VARIABLE
from cv_driver.aws.errors import CallFailed, Unreachable
from cv_driver.aws.parent import Parent, make_parent

# Jobs of their own are imported where there are some.
if TYPE_CHECKING:
    from cv_driver.siblings.connection import Connection

FILES = ("evaluation.json", "cv_results.json")
# Many drivers of an account that end together share its 5 describes a second.
WITHIN_S = 60.0
# After a stop: a script's final run may leave 3 seconds of it, after which the job has failed.
WITHIN_OF_STOP_S = 2.0
_LOOK_S = 0.1


def publish_results(job: Job, siblings: Connection | None, stop: StopRequest) -> None:
    """Write the result files beside the job's output; a stop has them left where they are."""
    if siblings is None:
        from cv_driver.aws.client import load_client

        # It is no wait for the network; the thread tells why it fails.
        with contextlib.suppress(ImportError):
            load_client()
    told: list[str] = []
    publish = threading.Thread(
        target=lambda: told.append(_publish(job, siblings)), name="publication", daemon=True
    )
    publish.start()
    # Names that are not resolved and credentials that do not come have no timeouts of ours.
    within_s = _wait(publish, stop)
    names = " and ".join(FILES)
    job.log(f"{names} {told[0] if told else _failure(f'it did not answer within {within_s:g} s')}")


def _wait(publish: threading.Thread, stop: StopRequest) -> float:
    """Wait for the end, and return the most seconds that this took."""
    began, stopped = time.monotonic(), None
    while publish.is_alive():
        publish.join(_LOOK_S)
        now = time.monotonic()
        if stop.is_set and stopped is None:
            stopped = now
        if stopped is not None and now - stopped >= WITHIN_OF_STOP_S:
            return WITHIN_OF_STOP_S
        if now - began >= WITHIN_S:
            break
    return WITHIN_S


def _failure(why: object) -> str:
    return f"are in output.tar.gz only; they could not be written plain to S3: {why}"


def _publish(job: Job, siblings: Connection | None) -> str:
    """Return what became of the files, as the second half of a line."""
    try:
        api = _api(job) if siblings is None else siblings.world.api
        steps = _written(job, api, None if siblings is None else siblings.parent)
        folder: str = make_calls(steps, sleep=time.sleep, uniform=random.uniform)
    except Exception as error:  # noqa: BLE001 - a finished job shall not fail of this
        return _failure(error)
    return f"are also in {folder}/"


def _api(job: Job) -> SageMakerApi:
    from cv_driver.aws.client import connect

    return connect(job.environ)


def _written(job: Job, api: SageMakerApi, parent: Parent | None) -> CallSequence:
    if parent is None:
        name = job.environ[JOB_NAME_VARIABLE]
        described = yield Call("describe", _at_once(partial(api.describe, name)))
        parent = make_parent(described, {}, api.region, now=time.time())
    folder = f"{parent.output_path}/{parent.name}/evaluation"
    for name in FILES:
        body = (job.opt_ml.output_data / name).read_bytes()
        put = partial(api.put_object, f"{folder}/{name}", body, kms_key=parent.output_key)
        yield Call("object", _at_once(put))
    return folder


def _at_once(make: Callable[[], Any]) -> Callable[[], Any]:
    """Return the call for which nobody waits where no network leads to AWS."""

    def call() -> Any:
        try:
            return make()
        except Unreachable as error:
            raise CallFailed(str(error)) from error

    return call
