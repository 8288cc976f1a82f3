"""The process in which a model is tried before the server itself reads it.

Native libraries can crash, hang or take all memory on a damaged file.  This process has one thread
and forks a child for each model; whatever happens to the child is a verdict.  It knows the server
only as the other end of a socket, and ends when that closes.

Messages are JSON, one a line: ``{"folder", "bytes", "seconds"}`` there, ``{"verdict", …}`` back.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from crossfold.algorithms.registry import BOOSTED, import_library
from serve.multi_model.trial_child import Facts, try_model

EXTRA_S = 3.0
"""How much longer a child may live that predicts, but has not walked through its trees yet."""

_MOST_FILES = 1 << 16
_NEARLY = 0.8


def serve_trials(channel: socket.socket) -> None:
    """Answer requests until the other end closes."""
    warnings.simplefilter("ignore")
    # A stop is told to the whole group of processes; this one ends with the server.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError), channel, channel.makefile("rb") as requests:
        for line in requests:
            facts = _outcome(json.loads(line))
            modules = facts.pop("modules", ())
            channel.sendall(json.dumps(facts).encode("ascii") + b"\n")
            # What one model had to import, the next one's trial finds here.
            for name in modules:
                with suppress(Exception):
                    import_module(name)


def import_libraries() -> None:
    """Import what most models stand on; scikit-learn comes along."""
    for name in BOOSTED:
        import_library(name)


def serve_trials_after_fork(channel: socket.socket) -> NoReturn:
    """Serve in a process that was just forked from the server's; never return into it."""
    try:
        # The rest belongs to the server: a port that is inherited stays open after the server's
        # end, and so does the socket's other end.
        os.closerange(3, channel.fileno())
        os.closerange(channel.fileno() + 1, _MOST_FILES)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGABRT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        serve_trials(channel)
    except BaseException:  # noqa: BLE001 (there is nobody but the log to tell)
        traceback.print_exc()
    finally:
        # Always 0: other codes tell gunicorn, which inherits an orphan of its worker, to give up.
        os._exit(0)


def _outcome(request: Mapping[str, Any]) -> Facts:
    """Try one model in a child and say what came of it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(int(request["seconds"] + EXTRA_S) + 2)  # should this process die meanwhile
        try_model(request, writer)
    os.close(writer)
    said, is_late = _heard(reader, request["seconds"])
    os.close(reader)
    if is_late:
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    if said and (is_late or said[-1]["verdict"] != "good" or len(said) > 1):
        return {**said[0], **said[-1]}
    if is_late:
        reason = f"it could not be read and predict a row within {request['seconds']:g} s"
        return {"verdict": "refused", "reason": reason}
    return _verdict_of_death(status, used.ru_maxrss * 1024 - _resident_bytes(), request["bytes"])


def _heard(reader: int, seconds: float) -> tuple[list[Facts], bool]:
    """Read what the child says until it ends; True where it had to be given up."""
    deadline = time.monotonic() + seconds
    heard = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(reader, 1 << 16) if ready else b""
        if not part:
            whole = heard.split(b"\n")[:-1]
            return [json.loads(line) for line in whole], not ready
        if not heard:
            deadline = time.monotonic() + EXTRA_S
        heard += part


def _verdict_of_death(status: int, n_bytes: int, most_bytes: int | None) -> Facts:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    is_full = most_bytes is not None and n_bytes > _NEARLY * most_bytes
    # Whoever kills this way, and is not this process, is out of memory.
    if number == signal.SIGKILL or is_full:
        return {"verdict": "memory", "reason": "its library ended when memory ran out"}
    how = f" ({signal.Signals(number).name})" if number else ""
    reason = f"its library crashed{how}, so its files are damaged; train again"
    return {"verdict": "refused", "reason": reason}


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (short and quick)
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    import_libraries()
    serve_trials(socket.socket(fileno=int(sys.argv[1])))
