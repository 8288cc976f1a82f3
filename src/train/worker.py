"""The supervised process: the job on a thread, signals on the main thread.

A fit spends its time inside a library, where Python's signal handlers cannot run; off the main
thread it cannot keep SIGTERM waiting.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from types import FrameType

from crossfold.contract.failure import describe_failure, write_failure
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import Stopped, StopRequest
from crossfold.errors import UserError
from train.grace import Grace, grace_s
from train.job import run_job
from train.leftovers import clear_model
from train.script.errors import OwnReason, ScriptFailed, ScriptLost
from train.supervisor import MANIFEST

_POLL_S = 0.5


class JobThread(threading.Thread):
    """Runs the job and keeps what it raised."""

    def __init__(
        self, opt_ml: OptMl, environ: Mapping[str, str], stop: StopRequest, *, force_driver: bool
    ) -> None:
        super().__init__(name="job", daemon=True)
        self._opt_ml = opt_ml
        self._environ = environ
        self._stop_request = stop
        self._force_driver = force_driver
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the job; nothing escapes, `SystemExit` included."""
        try:
            run_job(
                self._opt_ml,
                self._environ,
                self._stop_request,
                sys.stdout,
                force_driver=self._force_driver,
            )
        except BaseException as error:  # noqa: BLE001 - the outermost frame: every end is reported
            self.error = error


def work(opt_ml: OptMl, environ: Mapping[str, str], grace: Grace, *, force_driver: bool) -> int:
    """Run the job; report its end in the failure file; return 0 or 1."""
    # Imports make hundreds of thousands of objects that live to the end; to look through them
    # again and again for garbage took a tenth of a small job.
    gc.set_threshold(200_000, 20, 20)
    stop = StopRequest()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A container's locale may know ASCII only; a log line must never end a job.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    thread = JobThread(opt_ml, environ, stop, force_driver=force_driver)
    try:
        thread.start()
    except RuntimeError as refused:
        return _report(opt_ml, MemoryError(str(refused)))
    error = _wait(thread, stop, grace)
    if isinstance(error, Stopped) and _has_model(opt_ml):
        # The round that was under way is lost; the model of the last finished one is on disk.
        error = None
    return 0 if error is None else _report(opt_ml, error)


def _wait(thread: JobThread, stop: StopRequest, grace: Grace) -> BaseException | None:
    supervisor = os.getppid()
    asked_at: float | None = None
    while thread.is_alive():
        thread.join(_POLL_S)
        if stop.is_set and asked_at is None:
            asked_at = time.monotonic()
        waited_s = 0.0 if asked_at is None else time.monotonic() - asked_at
        patience_s = stop.patience_s
        grace.seconds = grace_s(patience_s, waited_s)
        if waited_s > patience_s:
            return Stopped()
        if os.getppid() != supervisor:
            os._exit(1)
    return thread.error


def _has_model(opt_ml: OptMl) -> bool:
    return (opt_ml.model / MANIFEST).is_file()


def _report(opt_ml: OptMl, error: BaseException) -> int:
    """Write the failure file first: neither a full log nor a lost disk may keep it back."""
    line = describe_failure(error)
    if not isinstance(error, OwnReason):
        write_failure(opt_ml.failure, line)
    with contextlib.suppress(OSError):
        # What slow rounds left before the failure is no model of a job that failed.
        clear_model(opt_ml.model)
    with contextlib.suppress(OSError):
        if not isinstance(error, (UserError, Stopped, ScriptFailed, ScriptLost)):
            traceback.print_exception(error, file=sys.stdout)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 1
