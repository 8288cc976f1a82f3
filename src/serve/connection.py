"""A client's connection, with what the loop knows of it.

Knows sockets and where a request begins, not what it says.  Extends gunicorn 27,
``workers/gthread.py``.  Source: socket(7), "SO_RCVLOWAT"; tcp(7).
"""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from contextlib import suppress
from typing import Any

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

from serve.outlet import Outlet
from serve.unreader import PatientUnreader

STALL_S = 30.0
"""How long a client may send or take nothing."""


class Connection(TConn):  # type: ignore[misc] # gunicorn ships no types
    """A client's connection with what the loop knows of it."""

    parser: Any

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.is_ping = False
        self.stays = False
        self.outlet = Outlet(sock)
        # Among which connections it waits, and what was read already of what it waits for.
        self.waits_in: deque[Connection]
        self._held = b""
        self._awaited = 0
        limit = struct.pack("ll", int(STALL_S), int(STALL_S % 1 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def init(self) -> None:
        """Make ready to read a request; a thread does it."""
        self.sock.settimeout(None)
        if self.parser is None:
            self.parser = RequestParser(self.cfg, self.sock, self.client)
            self.parser.unreader = PatientUnreader(self.sock, STALL_S)
        self.parser.unreader.restart()
        self.outlet.has_begun = False

    def rest(self) -> bool:
        """Make ready to wait; say whether a part of the next request was read with the last one."""
        self.sock.settimeout(0)
        self._held = self.parser.unreader.buf.getvalue()
        return bool(self._held)

    def peek(self, most: int) -> bytes:
        """Return what is there of a request; nothing at its client's end, OSError if it is gone."""
        data: bytes
        if not self._held:
            data = self.sock.recv(most, socket.MSG_PEEK)
            return data
        try:
            data = self._held + self.sock.recv(most, socket.MSG_PEEK)
        except BlockingIOError:
            data = self._held
        return data

    def set_deadline(self) -> None:
        """Give the client its time, from now on."""
        self.timeout = time.monotonic() + STALL_S

    def cap(self, deadline: float) -> None:
        """Let the time of the client end no later."""
        self.timeout = min(self.timeout, deadline)

    def can_await(self, n_bytes: int, n_there: int) -> bool:
        """Become readable only with so many bytes; say no where fewer woke the loop all the same.

        That happens after the client's last byte, and where the kernel is short of memory.
        """
        if n_there < self._awaited:
            return False
        self._awaited = n_bytes
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, n_bytes - len(self._held))
        return True

    def await_any(self) -> None:
        """Become readable with every byte again."""
        if self._awaited:
            self._awaited = 0
            with suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
