"""Requests to the server of one instance; each call blocks, so threads make them.

It knows HTTP and no files.  Sources: AWS docs, 'Use Your Own Inference Code with Batch Transform'
(``GET /execution-parameters`` is optional, ``POST /invocations``); API reference, ModelClientConfig
(600 seconds, 3 retries).  Not documented: an answer below 500 is final, everything else is tried
again, and the time-out counts each wait for the container.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from local_test.control_plane.transform.failure import FileFault, bad_status, no_answer

_PARAMETERS_WITHIN_S = 10.0
_CHUNK_BYTES = 1 << 20
_OK = 200


class Cancelled(Exception):
    """The job is being stopped; what is under way has no result."""


@dataclass(frozen=True, slots=True)
class Invoker:
    """Sends mini-batches to `address`, an ``http://host:port``.

    `retries` is how often a failing request is sent again, after waits that begin with `backoff_s`
    seconds and double.
    """

    address: str
    headers: Mapping[str, str]
    timeout_s: float
    retries: int
    backoff_s: float = 0.25
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _open: set[http.client.HTTPConnection] = field(default_factory=set)

    def cancel(self) -> None:
        """End all calls: those under way, and those that come."""
        self._cancelled.set()
        for connection in list(self._open):
            # What hosts a server may take its address away without a word to its clients.
            if (sock := connection.sock) is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Go on only if there was no `cancel`.

        Raises
        ------
        Cancelled
            There was.
        """
        if self._cancelled.is_set():
            raise Cancelled

    def execution_parameters(self) -> bytes | None:
        """Return what the container answers, None where it has no such route.

        Raises
        ------
        Cancelled
            The job is being stopped.
        """
        try:
            status, body = self._exchange("GET", "/execution-parameters", None, {})
        except (OSError, http.client.HTTPException):
            return None
        return body if status == _OK else None

    def invoke(self, payload: bytes | BinaryIO) -> bytes:
        """Return the answer to one mini-batch; a file is sent in chunks, as it is read.

        Raises
        ------
        FileFault
            There is no answer, or it is not 200.
        Cancelled
            The job is being stopped.
        """
        for wait_s in [*(self.backoff_s * 2**n for n in range(self.retries)), None]:
            fault, answer = self._try(payload)
            if fault is None:
                return answer
            self.check()
            if wait_s is None or fault.blame == "ClientError":
                raise fault
            self._cancelled.wait(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _try(self, payload: bytes | BinaryIO) -> tuple[FileFault | None, bytes]:
        self.check()
        try:
            status, body = self._exchange("POST", "/invocations", payload, self.headers)
        except (OSError, http.client.HTTPException):
            return no_answer(), b""
        return (None if status == _OK else bad_status(status, body)), body

    def _exchange(
        self, method: str, path: str, payload: bytes | BinaryIO | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        place = urlsplit(self.address)
        within_s = self.timeout_s if payload is not None else _PARAMETERS_WITHIN_S
        assert place.hostname is not None
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=within_s)
        self._open.add(connection)
        try:
            connection.connect()
            # A `cancel` that came before the connection had a socket has not seen it.
            self.check()
            _send(connection, method, path, payload, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            self._open.discard(connection)
            connection.close()


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    payload: bytes | BinaryIO | None,
    headers: dict[str, str],
) -> None:
    body: Any = payload
    if payload is not None and not isinstance(payload, bytes):
        payload.seek(0)
        body, headers["Transfer-Encoding"] = _chunks(payload), "chunked"
    is_chunked = "Transfer-Encoding" in headers
    try:
        connection.request(method, path, body, headers, encode_chunked=is_chunked)
    except (BrokenPipeError, ConnectionResetError):
        # A server may refuse a body that it has not read; its answer is there to be read then.
        if connection.sock is None:
            raise


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk
