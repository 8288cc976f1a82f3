"""A stop that comes before there is a launcher, heard also where nobody looks at it.

Libraries that read the data look at no stop.  Folds of an earlier start shall not run on until they
are done, and a driver that has none shall not be waited for any longer than a job without folds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from crossfold.contract.stop import PATIENCE_S, Stopped, StopRequest
from cv_driver.siblings.leftover_folds import LeftoverFolds

_TICK_S = 0.2


@contextlib.contextmanager
def ended_early(left: LeftoverFolds, stop: StopRequest, *, patience_s: float) -> Iterator[None]:
    """End the left folds where the block ends by an exception, and at a stop while it goes on.

    Whoever waits for the process is asked for `patience_s` seconds until they are ended, and for
    the usual few from then on.

    Raises
    ------
    Stopped
        A stop was asked for meanwhile.
    """
    is_over, are_ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not is_over.wait(_TICK_S):
            if stop.is_set:
                # If not, the end of the block is another try.
                if left.end():
                    are_ended.set()
                    stop.patience_s = PATIENCE_S
                return

    stop.patience_s = patience_s
    thread = threading.Thread(target=watch, name="early stop", daemon=True)
    thread.start()
    try:
        yield
        stop.check()
    except BaseException as reason:
        _end_watch(thread, is_over)
        if not are_ended.is_set():
            left.end_after(reason)
        raise
    _end_watch(thread, is_over)
    if are_ended.is_set():
        raise Stopped


def _end_watch(thread: threading.Thread, is_over: threading.Event) -> None:
    is_over.set()
    thread.join()
