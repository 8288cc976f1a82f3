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
        A request may keep a thread waiting so long, and a second more for each `LEAST_RATE` bytes.
        What the thread itself takes before it reads, or waits for a model, does not count.
    """

    def __init__(self, sock: socket.socket, grace_s: float) -> None:
        super().__init__(sock)
        self._grace_s = grace_s
        self._left_s = grace_s

    def restart(self) -> None:
        """Begin to count: a request comes in."""
        self._left_s = self._grace_s

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes; none at the end.

        Raises
        ------
        Refusal
            408: the client sent nothing for too long, or too little.
        """
        begun = time.monotonic()
        try:
            data: bytes = super().chunk(size_hint)
        except BlockingIOError:
            raise too_slow() from None
        self._left_s += begun - time.monotonic() + len(data) / LEAST_RATE
        if self._left_s < 0:
            raise too_slow()
        return data


def too_slow() -> Refusal:
    """Make the answer to a client that keeps the server waiting."""
    return Refusal(408, "the request came in too slowly; send it again without pauses")
