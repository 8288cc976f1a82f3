"""One HTTP request to a container, with one deadline for all of it.

Knows no endpoint and no client.  It blocks, so it is for threads that hold no lock.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_CHUNK_BYTES = 1 << 16


class TimedOut(Exception):
    """The container has not answered in time."""


class NoAnswer(Exception):
    """The container closed the connection, or spoke no HTTP."""


class Unreachable(Exception):
    """Nobody listens where the container should."""


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    """What to ask; `headers` as they are sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of `headers` in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the steady clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the moment `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises
        ------
        TimedOut
            None are.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimedOut
        return left


def ask(address: str, request: ContainerRequest, deadline: Deadline, *, most_bytes: int) -> Answer:
    """Send a request and read the whole answer, but not more than `most_bytes` and one more.

    Raises
    ------
    TimedOut, NoAnswer, Unreachable
        See there.
    """
    connection = http.client.HTTPConnection(
        urlsplit(address).netloc, timeout=deadline.left_s(), blocksize=_CHUNK_BYTES
    )
    try:
        connection.connect()
    except TimeoutError as error:
        raise TimedOut from error
    except OSError as error:
        raise Unreachable(str(error)) from error
    try:
        return _exchange(connection, request, deadline, most_bytes)
    except TimeoutError as error:
        raise TimedOut from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(str(error)) from error
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection,
    request: ContainerRequest,
    deadline: Deadline,
    most_bytes: int,
) -> Answer:
    socket = connection.sock
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # Whoever refuses a body may answer, and hang up, before it was sent.
        connection.request(request.method, request.path, request.body, dict(request.headers))
    socket.settimeout(deadline.left_s())
    response = connection.getresponse()
    body = bytearray()
    # Once it is read to its end, the last response of a connection has let go of the socket.
    while len(body) <= most_bytes and not response.isclosed():
        socket.settimeout(deadline.left_s())
        chunk = response.read1(_CHUNK_BYTES)
        if not chunk:
            if response.length:  # the library itself says nothing
                raise http.client.IncompleteRead(bytes(body), response.length)
            break
        body += chunk
    headers = {name.lower(): _one_line(value) for name, value in response.getheaders()}
    return Answer(response.status, headers, bytes(body))


def _one_line(value: str) -> str:
    return " ".join(line.strip() for line in value.splitlines())
