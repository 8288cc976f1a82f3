"""Takes new connections from the port: this worker's share of them, and after a moment any.

All workers hear of a connection that comes; one that holds more than another leaves it for
`GIVE_WAY_S`.  Knows sockets and the other workers' loads, not HTTP.

Sources: epoll(7), accept(2).
"""

from __future__ import annotations

import errno
import math
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from serve.seats import Seat

GIVE_WAY_S = 0.002
"""How long a new connection is left to workers that hold fewer."""

_OUT_OF_FILES_S = 0.1
_MOST_AT_ONCE = 64


class Door:
    """Where clients knock; a loop watches it, and asks `wait_s` how long it may.

    Parameters
    ----------
    listeners : sequence of socket
    seat : Seat
        By which the workers see each other's loads.
    has_room : callable
        Shows the load on the seat; says whether another connection may be held.
    welcome : callable
        Is given a new connection's socket, its client and the listener's own address.
    log : object
        Has a method `warning`.
    """

    def __init__(
        self,
        listeners: Sequence[Any],
        seat: Seat,
        has_room: Callable[[], bool],
        welcome: Callable[[socket.socket, Any, Any], None],
        log: Any,
    ) -> None:
        self._listeners = listeners
        self._seat = seat
        self._has_room = has_room
        self._welcome = welcome
        self._log = log
        # When to look for connections though nobody knocks; infinity is never.
        self._look_at = math.inf
        # What is left to another worker must not wake this one over and over: a poll of its own,
        # which the loop's can watch, says it only once.
        self._knocks = select.epoll()
        for listener in listeners:
            listener.settimeout(0)
            self._knocks.register(listener, select.EPOLLIN | select.EPOLLET)

    def fileno(self) -> int:
        """Return what becomes readable when a client knocks."""
        return self._knocks.fileno()

    def close(self) -> None:
        """Leave all further connections to the others."""
        self._knocks.close()
        self._seat.leave()

    def wait_s(self, most: float) -> float:
        """Return how many seconds, at most `most`, may pass before the next `look`."""
        if self._look_at is math.inf:
            return most
        return max(0.0, min(most, self._look_at - time.monotonic()))

    def look(self) -> None:
        """Take connections that were left to others for long enough."""
        if self._look_at is not math.inf and time.monotonic() >= self._look_at:
            self._admit()

    def on_knock(self, _self: object) -> None:
        """Take the new connections that are this worker's to take."""
        self._knocks.poll(0)
        self._admit()

    def admit_all(self) -> None:
        """Take every connection that waits, whoever should."""
        while self._accept():
            pass

    def _admit(self) -> None:
        has_waited = time.monotonic() >= self._look_at
        for _ in range(_MOST_AT_ONCE):
            if not self._has_room():
                return
            if not has_waited and not self._seat.is_next():
                self._look_at = min(self._look_at, time.monotonic() + GIVE_WAY_S)
                return
            self._look_at = math.inf
            if not self._accept():
                return
            if has_waited:
                self._seat.note_missed()
                has_waited = False
        # Those that are connected already come first.
        self._look_at = time.monotonic()

    def _accept(self) -> bool:
        """Take at most one connection; say whether there may be more."""
        return any(self._accept_from(listener) for listener in self._listeners)

    def _accept_from(self, listener: Any) -> bool:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.ECONNABORTED, errno.EINTR):
                return True
            if error.errno != errno.EAGAIN:
                # Out of descriptors or memory: those that are connected may still be answered.
                self._log.warning("a connection was not accepted: %s", error)
                self._look_at = time.monotonic() + _OUT_OF_FILES_S
            return False
        self._seat.took()
        self._welcome(client, address, listener.getsockname())
        return True
