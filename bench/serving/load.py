"""A small HTTP/1.1 client that loads a server and times every answer.

Requests are made of bytes beforehand, connections stay open, one thread and one epoll serve them
all, and of an answer only the status, the length and the body are looked at.  What the client
itself costs is measured against a server that does next to nothing: `serving.ceiling`.
"""

from __future__ import annotations

import gc
import select
import socket
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 1 << 18
_PATIENCE_S = 60.0
_HEAD_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and the body that must come back (None: any)."""

    request: bytes
    answer: bytes | None = None


@dataclass(slots=True)
class Outcome:
    """What a load found.

    Attributes
    ----------
    latencies_ns : list of int
        Of the requests that were answered rightly: from the first byte sent to the last received.
    failures : Counter
        How often a request failed, by what happened.
    wall_s : float
        From the first request to the last answer.
    cpu_s : float
        What the client itself computed for.
    last_answer : bytes
        Head and body of the answer that came last.
    """

    latencies_ns: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    last_answer: bytes = b""

    @property
    def n_requests(self) -> int:
        """Requests sent."""
        return len(self.latencies_ns) + self.failures.total()

    @property
    def per_s(self) -> float:
        """Right answers per second."""
        return len(self.latencies_ns) / self.wall_s

    def require_no_failure(self, whose: str) -> Self:
        """Return the outcome, or end the benchmark: figures of failed requests mean nothing."""
        if self.failures:
            raise SystemExit(f"{whose}: of {self.n_requests} requests failed {dict(self.failures)}")
        return self


def quantile_us(latencies_ns: Iterable[int], share: float) -> float:
    """Return the latency in microseconds that `share` of the requests did not exceed."""
    ordered = sorted(latencies_ns)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e3


def median_us(latencies_ns: Sequence[int]) -> float:
    """Return the median latency in microseconds."""
    return statistics.median(latencies_ns) / 1e3


class Client:
    """Connections that stay open to one port of this machine.

    Parameters
    ----------
    port : int
    n_connections : int
        Requests under way at any time.
    """

    def __init__(self, port: int, n_connections: int) -> None:
        self._poll = select.epoll()
        self._port = port
        self._by_fd: dict[int, _Connection] = {}
        self.open(n_connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for connection in self._by_fd.values():
            connection.socket.close()
        self._poll.close()

    def open(self, n_connections: int, greeting: Exchange | None = None) -> None:
        """Open more connections; a greeting is sent on each at once, and its answer awaited."""
        for _ in range(n_connections):
            connection = self._open()
            if greeting is not None:
                connection.exchange_now(greeting)

    def run(
        self,
        exchanges: Sequence[Exchange],
        *,
        n_requests: int | None = None,
        seconds: float | None = None,
    ) -> Outcome:
        """Send the requests in turn, over and over, up to a number of them or a time."""
        self._reopen_closed()
        outcome = Outcome()
        feed = islice(cycle(exchanges), n_requests)
        end_ns = None if seconds is None else time.perf_counter_ns() + int(seconds * 1e9)
        gc.disable()
        started, cpu_started = time.perf_counter(), time.process_time()
        try:
            self._drive(feed, outcome, end_ns)
        finally:
            gc.enable()
        outcome.wall_s = time.perf_counter() - started
        outcome.cpu_s = time.process_time() - cpu_started
        return outcome

    def _reopen_closed(self) -> None:
        """Replace connections that the server closed since the last run, which it may."""
        for fd, _ in self._poll.poll(0):
            self._reopen(self._by_fd[fd])

    def _drive(self, feed: Iterator[Exchange], outcome: Outcome, end_ns: int | None) -> None:
        busy = sum(self._send_next(each, feed, end_ns) for each in list(self._by_fd.values()))
        while busy:
            ready = self._poll.poll(_PATIENCE_S)
            if not ready:
                busy -= self._give_up(outcome)
            for fd, event in ready:
                connection = self._by_fd[fd]
                if connection.exchange is None:
                    # Closed between two requests.
                    self._reopen(connection)
                    continue
                if event & select.EPOLLOUT:
                    self._send(connection)
                    continue
                if not connection.receive():
                    continue
                self._settle(connection, outcome)
                busy -= 1
                if connection.is_closed:
                    connection = self._reopen(connection)
                busy += self._send_next(connection, feed, end_ns)

    def _send_next(
        self, connection: _Connection, feed: Iterator[Exchange], end_ns: int | None
    ) -> bool:
        if end_ns is not None and time.perf_counter_ns() >= end_ns:
            return False
        exchange = next(feed, None)
        if exchange is None:
            return False
        connection.begin(exchange)
        self._send(connection)
        return True

    def _send(self, connection: _Connection) -> None:
        connection.send()
        if connection.waits_to_send != connection.is_watched:
            connection.is_watched = connection.waits_to_send
            events = select.EPOLLIN | (select.EPOLLOUT if connection.is_watched else 0)
            self._poll.modify(connection.fd, events)

    @staticmethod
    def _settle(connection: _Connection, outcome: Outcome) -> None:
        took_ns = time.perf_counter_ns() - connection.begun_ns
        failure, outcome.last_answer = connection.failure(), connection.received
        if failure is None:
            outcome.latencies_ns.append(took_ns)
        else:
            outcome.failures[failure] += 1
        connection.exchange = None

    def _give_up(self, outcome: Outcome) -> int:
        waiting = [each for each in self._by_fd.values() if each.exchange is not None]
        outcome.failures[f"no answer within {_PATIENCE_S:.0f} s"] += len(waiting)
        for connection in waiting:
            self._reopen(connection)
        return len(waiting)

    def _open(self) -> _Connection:
        connection = _Connection(self._port)
        self._by_fd[connection.fd] = connection
        self._poll.register(connection.fd, select.EPOLLIN)
        return connection

    def _reopen(self, connection: _Connection) -> _Connection:
        del self._by_fd[connection.fd]
        self._poll.unregister(connection.fd)
        connection.socket.close()
        return self._open()


class _Connection:
    """One socket and the request under way on it."""

    __slots__ = (
        "_length",
        "_unsent",
        "begun_ns",
        "exchange",
        "fd",
        "is_closed",
        "is_watched",
        "received",
        "socket",
    )

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(0.0)
        self.fd = self.socket.fileno()
        self.exchange: Exchange | None = None
        self.is_closed = False
        # Whether the poll waits until more can be sent.
        self.is_watched = False
        self.begun_ns = 0
        self._unsent = memoryview(b"")
        self.received = b""
        self._length: int | None = None

    @property
    def waits_to_send(self) -> bool:
        return bool(self._unsent)

    def begin(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._unsent = memoryview(exchange.request)
        self.received, self._length = b"", None
        self.begun_ns = time.perf_counter_ns()

    def exchange_now(self, exchange: Exchange) -> None:
        """Send a request and wait for the answer, whatever it is."""
        self.begin(exchange)
        self.socket.settimeout(_PATIENCE_S)
        while self.waits_to_send:
            self.send()
        while not self.receive():
            pass
        self.socket.settimeout(0.0)
        self.exchange = None

    def send(self) -> None:
        try:
            n_sent = self.socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            # The answer, or the end of the connection, is found when it is read.
            n_sent = len(self._unsent)
        self._unsent = self._unsent[n_sent:]

    def receive(self) -> bool:
        """Take what has come; true when the answer is whole or none will come."""
        try:
            chunk = self.socket.recv(_CHUNK_BYTES)
        except OSError:
            chunk = b""
        self.is_closed = not chunk
        self.received = self.received + chunk if self.received else chunk
        if self._length is None:
            self._read_head()
        return self.is_closed or (self._length is not None and len(self.received) >= self._length)

    def failure(self) -> str | None:
        """Say what is wrong with the answer."""
        if self._length is None or len(self.received) != self._length:
            return "the connection ended without an answer"
        if not self.received.startswith(_OK):
            return self.received[9:12].decode("ascii", "replace")
        expected = self.exchange.answer if self.exchange is not None else None
        # Comparing the end copies nothing.
        if expected is not None and not self.received.endswith(_HEAD_END + expected):
            return "another answer than the first time"
        return None

    def _read_head(self) -> None:
        end = self.received.find(_HEAD_END)
        if end < 0:
            return
        head = self.received[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            raise SystemExit("the load client needs answers with a Content-Length")
        length = head[at + 17 :].split(b"\r\n", 1)[0]
        self._length = end + len(_HEAD_END) + int(length)
        self.is_closed = b"\r\nconnection: close" in head


def ask(port: int, request: bytes) -> bytes:
    """Send one request on a connection of its own and return the body of the answer.

    Raises
    ------
    SystemExit
        The status is not 200.
    """
    with Client(port, 1) as client:
        outcome = client.run([Exchange(request)], n_requests=1)
    head, _, body = outcome.last_answer.partition(_HEAD_END)
    if outcome.failures:
        raise SystemExit(f"port {port} answered {head[:80]!r} {body[:400]!r}")
    return body


def with_answers(port: int, requests: Sequence[bytes]) -> list[Exchange]:
    """Ask each request once, so that every later answer can be compared with the first."""
    return [Exchange(request, ask(port, request)) for request in requests]


def batches(n_requests: int, size: int) -> Iterator[int]:
    """Split a number of requests into batches of at most `size`."""
    for n_done in count(0, size):
        if n_done >= n_requests:
            return
        yield min(size, n_requests - n_done)
