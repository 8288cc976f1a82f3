"""All processes that belong to one host, also those that have left their parent and session.

A process belongs when it carries the mark in its environment, or shares its session with one that
does, or descends from one.  Only a process that leaves its session, outlives its parent and clears
its environment, all three, is not found.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MARK = "CROSSFOLD_PLANE_HOST"
_PROC = Path("/proc")
_DEAD = "ZX"


class _Seen(NamedTuple):
    pid: int
    parent: int
    session: int
    environ: bytes


def end_family(mark: str, *, session: int | None = None, is_prefix: bool = False) -> bool:
    """Send SIGKILL to every process with a mark; return True when there was none.

    Parameters
    ----------
    mark : str
        The variable's value, or what it begins with.
    session : int, optional
        A session that belongs too; its leader must not have been waited for, or the number may be
        another's by now.
    is_prefix : bool
    """
    found = family(mark, session=session, is_prefix=is_prefix)
    # The leader first: unshare(1) that outlives its killed child for a moment exits with 1.
    for pid in sorted(found, key=lambda pid: pid != session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not found


def family(mark: str, *, session: int | None = None, is_prefix: bool = False) -> set[int]:
    """Return the living processes with a mark, their sessions' and their descendants; not us."""
    seen = [each for each in _all_processes() if each.pid != os.getpid()]
    wanted = f"\0{MARK}={mark}{'' if is_prefix else chr(0)}".encode()
    found = {each.pid for each in seen if wanted in each.environ}
    sessions = {each.session for each in seen if each.pid in found}
    sessions |= {session} if session is not None else set()
    while True:
        more = {
            each.pid
            for each in seen
            if each.pid not in found and (each.parent in found or each.session in sessions)
        }
        if not more:
            return found
        found |= more


def children(pid: int) -> list[int]:
    """Return the living children of a process."""
    return [each.pid for each in _all_processes() if each.parent == pid]


def _all_processes() -> Iterator[_Seen]:
    return _of_proc() if _PROC.joinpath("self", "stat").exists() else _of_psutil()


def _of_proc() -> Iterator[_Seen]:
    """Read Linux's own files: twice as fast, and this runs whenever a host ends."""
    for entry in os.scandir(_PROC):
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
            # The name, in brackets, may hold anything; what follows it is state, parent, group
            # and session.
            state, parent, _, session = stat.rpartition(")")[2].split()[:4]
            if state in _DEAD:
                continue
            environ = b""
            with contextlib.suppress(PermissionError):  # another user's
                environ = Path(entry.path, "environ").read_bytes()
            yield _Seen(int(entry.name), int(parent), int(session), b"\0" + environ)


def _of_psutil() -> Iterator[_Seen]:
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            environ: dict[str, str] = {}
            with contextlib.suppress(psutil.AccessDenied):
                environ = process.environ()
            text = "".join(f"\0{name}={value}" for name, value in environ.items()) + "\0"
            yield _Seen(process.pid, process.ppid(), os.getsid(process.pid), text.encode())
