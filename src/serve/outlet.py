"""Sends what a client takes at once, and keeps the rest for the loop.

Knows sockets only.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress


class Outlet:
    """The way out of a connection; no call waits for the client.

    Attributes
    ----------
    has_begun : bool
        Whether anything was sent since this was last set to False.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest: deque[memoryview] = deque()
        self.has_begun = False

    def sendall(self, data: bytes) -> None:
        """Send what goes; the rest waits for `send_on`."""
        self.has_begun = True
        n_sent = 0
        if not self._rest:
            with suppress(BlockingIOError):
                n_sent = self._sock.send(data, socket.MSG_DONTWAIT)
            if n_sent == len(data):
                return
        self._rest.append(memoryview(data)[n_sent:])

    def is_empty(self) -> bool:
        """Say whether everything is sent."""
        return not self._rest

    def send_on(self) -> int:
        """Send more of the rest; return how many bytes went out.

        Raises
        ------
        OSError
            The client takes nothing now (BlockingIOError), or is gone.
        """
        part = self._rest.popleft()
        try:
            n_sent = self._sock.send(part, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._rest.appendleft(part)
            raise
        if n_sent < len(part):
            self._rest.appendleft(part[n_sent:])
        return n_sent
