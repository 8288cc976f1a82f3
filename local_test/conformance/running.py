"""A command that was started, and the two roles around it: what starts it, what is started.

Knows processes and log files, not what a case expects.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local_test.conformance.case import Case

LOCALHOST = "127.0.0.1"
_POLL_S = 0.02
_KILL_S = 20.0


class Unavailable(Exception):
    """The back-end cannot run this case, or anything at all; the message says why."""


class Backend(Protocol):
    """Starts what a case names on a tree that lies at `root`."""

    def refuses(self, case: Case) -> str | None:
        """Say why this case cannot be run here; None where it can."""

    def start(self, case: Case, root: Path) -> contextlib.AbstractContextManager[Running]:
        """Start the command; whatever is left of it is removed at the end."""


@dataclass(slots=True)
class Running:
    """A command, its log, and the port on which a server answers.

    Attributes
    ----------
    process : Popen
        The command itself, or the client that stays attached to its container.
    log_path : Path
        Both streams, as they come.
    base : str
        Where the command sees the tree.
    find_port : callable
        Returns the port once it is known.
    send_signal : callable
        Takes ``TERM``, ``INT`` or ``KILL``.
    """

    process: subprocess.Popen[bytes]
    log_path: Path
    base: str
    find_port: Callable[[], int]
    send_signal: Callable[[str], None]

    @property
    def log(self) -> str:
        """Everything that was written so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait(self, seconds: float) -> int | None:
        """Return the exit code; None where the command still runs after so long."""
        try:
            return self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return None

    def has_logged(self, expression: str, seconds: float) -> bool:
        """Wait for a log line; False where the command ends, or the time is over, without it."""
        pattern = re.compile(expression, re.MULTILINE)
        deadline = time.monotonic() + seconds
        while True:
            has_ended = self.process.poll() is not None
            if pattern.search(self.log):
                return True
            if has_ended or time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)

    def is_ready(self, seconds: float) -> bool:
        """Wait until ``GET /ping`` answers 200; False where that does not come."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException, Unavailable):
                connection = http.client.HTTPConnection(LOCALHOST, self.find_port(), timeout=2.0)
                with contextlib.closing(connection):
                    connection.request("GET", "/ping")
                    if connection.getresponse().status == http.HTTPStatus.OK:
                        return True
            time.sleep(_POLL_S)
        return False


@contextlib.contextmanager
def started(
    command: Sequence[str], *, environ: Mapping[str, str], folder: Path, log_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a session of its own, which is killed at the end."""
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
            list(command),
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_KILL_S)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])
