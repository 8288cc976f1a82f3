"""How responses go out: in one write, and as JSON also where the application was never asked.

Knows HTTP only.  Extends gunicorn 27, ``http/wsgi.py``, ``http/body.py`` and ``workers/base.py``.
Source: RFC 9112, section 9.6 (closing); RFC 9110, section 10.1.1 (invitations).
"""

from __future__ import annotations

import functools
import math
import socket
import time
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import (
    ConfigurationProblem,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    ParseException,
)
from gunicorn.http.wsgi import Response

from serve.answers import JSON, error_body
from serve.arrival import INVITATION
from serve.refusals import Refusal
from serve.request_log import RequestRecord, log_failure, log_traceback

_JOINED_BYTES = 1 << 16
"""Up to this size copying a body behind its head is cheaper than a second write."""

_DRAINED_BYTES = 1 << 16
"""So much of a body that nobody read is read away (gunicorn's ``http/parser.py``), and no more."""

_MAX_SEEN = 200
_OURS = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)


class OneWrite(Response):  # type: ignore[misc] # gunicorn ships no types
    """A response whose head leaves together with the beginning of its body."""

    headers_sent: bool
    _head = b""

    def send_headers(self) -> None:
        """Prepare the head."""
        if self.headers_sent:
            return
        self.headers_sent = True
        # Who is told that the connection stays may send the next request at once.
        if n_unread(self.req.body) >= _DRAINED_BYTES:
            self.force_close()
        lines = [
            f"HTTP/{self.req.version[0]}.{self.req.version[1]} {self.status}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        lines.extend([f"{name}: {value}\r\n" for name, value in self.headers])
        lines.append("\r\n")
        self._head = "".join(lines).encode("latin-1")

    def close(self) -> None:
        """Send what is left."""
        self.send_headers()
        end = b"0\r\n\r\n" if self.chunked else b""
        if self._head or end:
            self.sock.sendall(self._head + end)
            self._head = b""

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            data = b"%X\r\n%b\r\n" % (len(data), data)
        head, self._head = self._head, b""
        if len(data) <= _JOINED_BYTES:
            self.sock.sendall(head + data)
            return
        self.sock.sendall(head)
        self.sock.sendall(data)


class Invitation:
    """Reads a body whose sender waits to be told to go on; it is told when somebody reads.

    Parameters
    ----------
    reader : object
        Reads the body.
    sock : socket
    """

    def __init__(self, reader: Any, sock: socket.socket) -> None:
        self.reader = reader
        self.is_sent = False
        self._sock = sock

    def read(self, size: int) -> bytes:
        """Return the next bytes of the body."""
        if not self.is_sent:
            self.is_sent = True
            # Nothing else is on its way out, so that this finds room.
            self._sock.send(INVITATION, socket.MSG_DONTWAIT)
        data: bytes = self.reader.read(size)
        return data


def n_unread(body: Any) -> float:
    """Return how many bytes of a request's body nobody has read; infinity where nobody knows."""
    if body.failed:
        return math.inf
    reader = body.reader
    if type(reader) is Invitation:
        if not reader.is_sent:
            return math.inf
        reader = reader.reader
    if type(reader) is LengthReader:
        # A client may write a length of any number of digits.
        return float(min(reader.length, _DRAINED_BYTES))
    return 0.0 if reader.parser is None else math.inf


def refuse(client: socket.socket, request: Any, error: BaseException) -> None:
    """Send the JSON error body for a request that failed outside the application, and log it."""
    record = RequestRecord()
    refusal = _refusal(error)
    if refusal.status == 500:
        log_traceback(record.request_id, error)
    log_failure(record, refusal.status, refusal.message)
    body = error_body(refusal, record.request_id)
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
        f"Date: {_date(int(time.time()))}\r\nConnection: close\r\nContent-Type: {JSON}\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-Id: {record.request_id}\r\n\r\n"
    )
    if getattr(request, "method", None) == "HEAD":
        body = b""
    # A client that is gone needs no answer, and one that takes nothing cannot have it.
    with suppress(OSError):
        client.send(head.encode("latin-1") + body, socket.MSG_DONTWAIT)


def _refusal(error: BaseException) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ParseException) and not isinstance(error, _OURS):
        seen = str(error)
        cut = seen if len(seen) <= _MAX_SEEN else seen[:_MAX_SEEN] + "…"
        return Refusal(400, f"the request is not valid HTTP: {cut}")
    return Refusal(500, "the server failed; the log says why under this request_id")


@functools.lru_cache(maxsize=2)
def _date(second: int) -> str:
    """Write the header Date, once for all responses of a second."""
    return formatdate(second, usegmt=True)
