"""Threads of OpenMP and BLAS below scikit-learn, held to a fit's share of the cores.

OpenMP's limit belongs to the calling thread and BLAS's to the process.  So each thread sets its
own before it fits or predicts, and nobody sets back: fits that overlap would otherwise restore
one another's limits, and leave the last of them in force for good.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from crossfold.algorithms.threads import processors


def hold_threads(n_threads: int) -> None:
    """Let what this thread calls from now on use at most `n_threads` threads."""
    _pools().hold(n_threads)


class _Pools:
    """Remembers what is in force: to look for the libraries costs milliseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._controller: Any = None
        self._of_process: int | None = None
        self._own = threading.local()

    def hold(self, n_threads: int) -> None:
        """Set the limit of this thread, unless it is in force."""
        with self._lock:
            in_force = getattr(self._own, "n_threads", None)
            if (in_force, self._of_process) == (n_threads, n_threads):
                return
            if self._of_process is None and n_threads >= processors():
                return  # as the libraries do of themselves
            if self._controller is None:
                from threadpoolctl import ThreadpoolController

                self._controller = ThreadpoolController()
            self._controller.limit(limits=n_threads)
            self._own.n_threads = self._of_process = n_threads


@cache
def _pools() -> _Pools:
    return _Pools()
