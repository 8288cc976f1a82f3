"""Threads that take one connection after another, whatever becomes of one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from serve.connection import Connection
from serve.request_log import log_traceback


class Threads:
    """Threads that each run `work` on one connection after another."""

    def __init__(self, n_threads: int, name: str, work: Callable[[Connection], None]) -> None:
        self._queue: SimpleQueue[Connection | None] = SimpleQueue()
        self._work = work
        self._threads = [
            # They hold no files, and a worker that was told to leave must not wait for them.
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(n_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, connection: Connection) -> None:
        """Hand over a connection that has something to read."""
        self._queue.put(connection)

    def shutdown(self, *, wait: bool) -> None:
        """End the threads that are idle, and the others after their request."""
        del wait
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (connection := self._queue.get()) is not None:
            try:
                self._work(connection)
            except BaseException as error:  # noqa: BLE001 - the next connection needs the thread
                # Without memory this may fail as well.
                with suppress(BaseException):
                    log_traceback("thread", error)
