"""HTTP as SageMaker and its clients speak it: one request, one reply, how long it took."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from local_test.conformance.case import Load, Request
from local_test.conformance.material import content
from local_test.conformance.running import LOCALHOST

_TIMEOUT_S = 60.0
_CHUNK = 65_536
# In a body, stands for the folder that the server sees as the root of the contract.
_ROOT = b"{opt_ml}"
# After the signal, so that it surely arrives amid the request.
_AMID_S = 0.3


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; header names are in lower case; times are seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    connect_s: float = 0.0

    @property
    def text(self) -> str:
        """The body as text, whatever is in it."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go, and where the server sees the tree."""

    port: int
    base: str


def send(server: Server, request: Request) -> Reply:
    """Send a request on a connection of its own.

    Raises
    ------
    OSError, http.client.HTTPException
        No whole reply came.
    """
    return _sent(server.port, request, body_of(server, request))


def body_of(server: Server, request: Request) -> bytes:
    """Return the body; a ``{opt_ml}`` in a JSON body becomes the root as the server sees it."""
    body = content(request.body)
    return body.replace(_ROOT, server.base.encode()) if "json" in request.body else body


def send_amid(server: Server, request: Request, between: Callable[[], None]) -> Reply:
    """Send half of the body, do something, send the other half, and read the reply."""
    body = body_of(server, request)
    with closing(_connection(server.port)) as connection:
        began = time.monotonic()
        connection.connect()
        _send_head(connection, request, len(body))
        connection.send(body[: len(body) // 2])
        time.sleep(_AMID_S)
        between()
        time.sleep(_AMID_S)
        connection.send(body[len(body) // 2 :])
        return _received(connection, began, 0.0)


@contextmanager
def under_load(server: Server, load: Load | None) -> Iterator[list[str]]:
    """Keep clients busy meanwhile; yields the list of what went wrong for them."""
    wrong: list[str] = []
    if load is None:
        yield wrong
        return
    is_over = threading.Event()
    request = load.request
    body = body_of(server, request)

    def ask() -> None:
        while not is_over.is_set():
            try:
                status = _sent(server.port, request, body).status
            except (OSError, http.client.HTTPException) as error:
                wrong.append(f"a client under load got no answer: {error!r}")
                return
            if status != request.expect.status:
                wrong.append(f"a client under load got status {status}")
                return

    threads = [threading.Thread(target=ask) for _ in range(load.clients)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _sent(port: int, request: Request, body: bytes) -> Reply:
    with closing(_connection(port)) as connection:
        began = time.monotonic()
        connection.connect()
        connect_s = time.monotonic() - began
        _send_head(connection, request, len(body))
        if request.chunked:
            for start in range(0, len(body), _CHUNK):
                part = body[start : start + _CHUNK]
                connection.send(b"%x\r\n%b\r\n" % (len(part), part))
            connection.send(b"0\r\n\r\n")
        elif body:
            _send_until_refused(connection, body)
        return _received(connection, began, connect_s)


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(LOCALHOST, port, timeout=_TIMEOUT_S)


def _send_head(connection: http.client.HTTPConnection, request: Request, n_bytes: int) -> None:
    connection.putrequest(request.method, request.path, skip_accept_encoding=True)
    for name, value in request.headers.items():
        connection.putheader(name, value)
    if request.chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    elif n_bytes or request.method == "POST":
        connection.putheader("Content-Length", str(n_bytes))
    connection.endheaders()


def _send_until_refused(connection: http.client.HTTPConnection, body: bytes) -> None:
    """Send a body; a server that answers 413 may hang up before it has read everything."""
    try:
        connection.send(body)
    except (BrokenPipeError, ConnectionResetError):
        return


def _received(connection: http.client.HTTPConnection, began: float, connect_s: float) -> Reply:
    response = connection.getresponse()
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, body, time.monotonic() - began, connect_s)
