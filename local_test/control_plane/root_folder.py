"""The folder of a plane: made once, used by one plane at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class RootInUse(Exception):
    """Another plane works in the folder."""


@contextlib.contextmanager
def own(root: Path) -> Iterator[None]:
    """Hold the folder to the end of the block; it is freed also when the process is killed.

    Raises
    ------
    RootInUse
        Another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise RootInUse(
                f"root {str(root)!r} is used by the control plane of process {lock.read()}; "
                "end that one, or give --root another folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
