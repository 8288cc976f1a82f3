"""A small parent process that outlives whatever happens to the job.

The job runs in a child.  The parent passes SIGTERM and SIGINT on, ends a child that does not
end by itself, and says why a child died that could no longer say so itself: killed for memory, a
crash in a library, a fit that holds the interpreter and so never hears a signal.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from crossfold.contract.failure import write_failure
from crossfold.contract.paths import OptMl
from train.grace import Grace

_OWNER_POLL_S = 0.5
# Spelt out: this process stays small, so it imports nothing that knows the format.
MANIFEST = "manifest.json"
_PASSED_ON = (signal.SIGTERM, signal.SIGINT)
_HEARD = (signal.SIGCHLD, *_PASSED_ON)


def supervise(
    opt_ml: OptMl,
    story: Callable[[Grace], int],
    *,
    aftermath: Callable[[], None] | None = None,
    owner: int | None = None,
) -> int:
    """Run `story` in a child process; return its exit code, 1 for every failure.

    Parameters
    ----------
    opt_ml : OptMl
    story : callable
        Returns 0 or 1; may change how long it has after a stop.
    aftermath : callable, optional
        Ends what runs elsewhere for a child that was killed and cannot end it any more.
    owner : int, optional
        Process that started this one; the job ends when it is gone.
    """
    # Blocked and then waited for, so that no signal is lost between fork and handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    # Whoever started this may ignore its children's ends, and that is inherited.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    grace = Grace()
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        code = story(grace)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    status, was_stopped = _wait(child, owner, grace)
    if os.WIFSIGNALED(status):
        if was_stopped and (opt_ml.model / MANIFEST).is_file():
            return 0  # slow rounds are saved as they end: the model so far is there
        line = _why_killed(os.WTERMSIG(status), was_stopped=was_stopped)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        write_failure(opt_ml.failure, line)
        _clear_up(aftermath)
    elif status != 0 and not opt_ml.failure.is_file():
        write_failure(opt_ml.failure, "PlatformError: the job ended without a reason; see the log")
    return 0 if status == 0 else 1


def _wait(child: int, owner: int | None, grace: Grace) -> tuple[int, bool]:
    """Return the child's wait status and whether a stop was passed on to it."""
    stopped_at: float | None = None
    while True:
        info = signal.sigtimedwait(_HEARD, _OWNER_POLL_S)
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status, stopped_at is not None
        if info is not None and info.si_signo in _PASSED_ON:
            os.kill(child, info.si_signo)
            stopped_at = stopped_at or time.monotonic()
        is_over = stopped_at is not None and time.monotonic() > stopped_at + grace.seconds
        if is_over or (owner is not None and os.getppid() != owner):
            os.kill(child, signal.SIGKILL)


def _clear_up(aftermath: Callable[[], None] | None) -> None:
    try:
        if aftermath is not None:
            aftermath()
    except Exception as error:  # noqa: BLE001 - why the child died is told already
        sys.stdout.write(f"what the killed process left may still run: {error!r}\n")


def _why_killed(number: int, *, was_stopped: bool) -> str:
    if was_stopped:
        return "PlatformError: stopped before a model existed"
    name = _name_of(number)
    if number == signal.SIGKILL:
        return (
            f"PlatformError: the training process was killed ({name}); most likely the instance "
            "ran out of memory: choose one with more memory or fewer rows"
        )
    return f"AlgorithmError: the training process crashed with {name}; see the end of the log"


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # those for real time have no names
