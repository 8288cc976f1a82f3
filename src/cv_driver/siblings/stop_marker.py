"""An object in S3 that tells folds to end: one call of the driver's reaches them all.

StopTrainingJob reaches one job a second for the whole account; the marker reaches those that it
does not reach in time.  Each start of a driver has a marker of its own, because an object of an
earlier start would end the folds of the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from crossfold.contract.stop import StopRequest
from crossfold.errors import CrossfoldError
from crossfold.fitting.job import Job
from cv_driver.aws.api import SageMakerApi
from cv_driver.aws.errors import CallFailed, Denied

LOOK_S = 10.0


def marker_uri(output_path: str, driver: str, start: str) -> str:
    """Return the marker of one start of a driver; `output_path` has no slash at the end."""
    return f"{output_path}/{driver}/stop/{start}"


def heed_driver(job: Job, stop: StopRequest) -> None:
    """End a fold together with its driver, also where nobody stops the fold's job."""
    uri = job.request.driver.stop_marker
    if uri is None:
        return

    def api() -> SageMakerApi:
        from cv_driver.aws.client import connect

        return connect(job.environ)

    watch_marker(api, uri, stop, job.log)


def watch_marker(
    connect: Callable[[], SageMakerApi],
    uri: str,
    stop: StopRequest,
    log: Callable[[str], None],
    *,
    look_s: float = LOOK_S,
) -> threading.Thread:
    """Look for the marker every `look_s` seconds on a thread; ask for the stop once it is there.

    Whoever may not look is not told: StopTrainingJob and the run time limit remain.
    """

    def watch() -> None:
        try:
            api = connect()
            while not stop.is_set:
                if _is_there(api, uri):
                    log("the driver's stop marker is there: this fold ends")
                    stop.set()
                time.sleep(look_s)
        except (CallFailed, CrossfoldError) as failed:
            log(f"the driver's stop marker is not watched: {failed}")

    thread = threading.Thread(target=watch, name="stop marker", daemon=True)
    thread.start()
    return thread


def _is_there(api: SageMakerApi, uri: str) -> bool:
    try:
        return api.has_object(uri)
    except Denied:
        raise
    except CallFailed:
        # Later there may be an answer.
        return False
