"""One host that is a process and all its descendants, and the hosts of one attempt together.

Knows processes and logs, not what they are told nor why.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_test.control_plane.hosts.log_tail import LogTail, read_all
from local_test.control_plane.hosts.process_family import MARK, children, end_family

# The plane answers calls while its jobs use every core.
_NICER_BY = 5
_NICEST = 19


@dataclass(frozen=True, slots=True)
class Command:
    """What to start; `is_inside` says that the host's first process is the command's child."""

    words: tuple[str, ...]
    environ: Mapping[str, str]
    folder: Path
    mark: str
    is_inside: bool


class ProcessHost:
    """A process in a session of its own: a terminal's Ctrl-C reaches the plane and not the job.

    As in a container, the end of the first process is the end of the others; it is reported once
    there are none.

    Raises
    ------
    OSError
        The command could not be started.
    """

    def __init__(self, command: Command, log: Path) -> None:
        self._command = command
        self._is_term_due = False
        with log.open("ab") as stream:
            self._process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
                command.words,
                env={**command.environ, MARK: command.mark},
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with contextlib.suppress(OSError):  # it may have ended
            nice = min(_NICEST, os.getpriority(os.PRIO_PROCESS, 0) + _NICER_BY)
            os.setpriority(os.PRIO_PGRP, self._process.pid, nice)

    def exit_code(self) -> int | None:
        """Return the exit code, a signal's as 128 + its number; None while any process is left."""
        if self._process.returncode is None:
            if not self._has_ended():
                self._pass_term_on()
                return None
            if not self._end_family():
                return None
        code = self._process.poll()
        assert code is not None
        return 128 - code if code < 0 else code

    def terminate(self) -> None:
        """Send SIGTERM to the first process, now or as soon as there is one."""
        self._is_term_due = True
        self._pass_term_on()

    def kill(self) -> None:
        """Send SIGKILL to every process."""
        if self._process.returncode is None:
            self._end_family()

    def _has_ended(self) -> bool:
        """Look without waiting for it: until then its number is nobody else's."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def _end_family(self) -> bool:
        return end_family(self._command.mark, session=self._process.pid)

    def _pass_term_on(self) -> None:
        if not self._is_term_due or self._process.returncode is not None:
            return
        first = children(self._process.pid) if self._command.is_inside else [self._process.pid]
        for pid in first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._is_term_due = False


class ProcessContainers:
    """The processes of one attempt by host name; see `ports.Containers`."""

    def __init__(self, hosts: Mapping[str, ProcessHost], logs: Mapping[str, LogTail]) -> None:
        self._hosts = hosts
        self._logs = logs

    def exit_codes(self) -> Mapping[str, int | None]:
        return {name: host.exit_code() for name, host in self._hosts.items()}

    def output(self) -> Sequence[tuple[str, bytes]]:
        return read_all(self._logs)

    def terminate(self) -> None:
        for host in self._hosts.values():
            host.terminate()

    def kill(self) -> None:
        for host in self._hosts.values():
            host.kill()
