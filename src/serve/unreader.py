"""Reads a client's bytes, but not from one who keeps a thread waiting for them.

Knows sockets only.  Extends gunicorn 27, ``http/unreader.py``.
"""

from __future__ import annotations

import socket
import time

from gunicorn.http.unreader import SocketUnreader

from serve.refusals import Refusal

LEAST_RATE = 64 * 1024
"""Bytes a second that a request must come in with, once the first grace is over."""


class PatientUnreader(SocketUnreader):  # type: ignore[misc] # gunicorn ships no types
    """Reads from a socket whose own time limit ends a read on which nothing comes.

    Parameters
    ----------
    sock : socket
        Blocking, with SO_RCVTIMEO.
    grace_s : float
        A request may take so long, and a second more for each `LEAST_RATE` bytes.
    """

    def __init__(self, sock: socket.socket, grace_s: float) -> None:
        super().__init__(sock)
        self._grace_s = grace_s
        self._deadline = 0.0

    def restart(self) -> None:
        """Begin to count: a request comes in."""
        self._deadline = time.monotonic() + self._grace_s

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes; none at the end.

        Raises
        ------
        Refusal
            408: the client sent nothing for too long, or too little.
        """
        try:
            data: bytes = super().chunk(size_hint)
        except BlockingIOError:
            raise _stalled() from None
        self._deadline += len(data) / LEAST_RATE
        if time.monotonic() > self._deadline:
            raise _stalled()
        return data


def _stalled() -> Refusal:
    return Refusal(408, "the request came in too slowly; send it again without pauses")
