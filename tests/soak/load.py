"""Many connections that send valid and invalid requests and compare every answer.

Runs in a process of its own, so that the threads that judge the server's patience are not held up
by these.
"""

from __future__ import annotations

import http.client
import random
import select
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.serving import Connection, Reply
from tests.soak.models import KnownModel, known_model

MODEL = "wide"
PATIENCE_S = 60.0
_SMALL, _MEDIUM, _LARGE = (1, 1, 3, 20), (1_000_000, 2_000_000, 5_000_000), (25_000_000,)
_LIMIT = 25 * 1024 * 1024
_CLOSED_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """How to press.

    Attributes
    ----------
    n_connections : int
    medium_share, large_share : float
        Of the requests: bodies of 1 to 5 MB, and of 25 MB; the others are small or invalid.
    """

    n_connections: int = 64
    medium_share: float = 0.01
    large_share: float = 0.002


@dataclass(slots=True)
class Exchange:
    """A request, and what must come back; `scores` in the rows' order where it is a 200."""

    payload: bytes
    status: int
    scores: NDArray[np.float64] | None = None
    stays_open: bool = True
    _verified: bytes = b""

    def fault(self, reply: Reply) -> str:
        """Say what is wrong with the reply; empty when nothing is."""
        if reply.status != self.status:
            return f"status {reply.status}, expected {self.status}: {reply.body[:200]!r}"
        if self.scores is None:
            return "" if reply.error else "no error"
        if reply.body == self._verified:
            return ""
        said = np.array(reply.body.split(b"\n"), np.float64)
        if said.shape != self.scores.shape or not np.allclose(said, self.scores, rtol=0, atol=1e-9):
            return f"wrong answer of {len(said)} rows: {reply.body[:100]!r}"
        self._verified = reply.body
        return ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a reply; times are of `time.monotonic`."""

    port: int
    started: float
    ended: float
    error: str


@dataclass(slots=True)
class Tally:
    """What happened on all connections."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    n_reconnected: int = 0


def press(port: int, folder: Path, plan: Plan, stop: Any, results: Any) -> None:
    """Send requests on all connections until `stop` is set; the main function of a process."""
    model = known_model(folder, MODEL)
    exchanges = {
        "small": [_valid(model, n_rows) for n_rows in _SMALL] + _invalid(model),
        "medium": [_valid_of(model, n_bytes) for n_bytes in _MEDIUM],
        "large": [_valid_of(model, n) for n in _LARGE] if plan.large_share else [],
    }
    tally, lock = Tally(), threading.Lock()
    clients = [
        _Client(port, random.Random(number), plan, exchanges)
        for number in range(plan.n_connections)
    ]
    threads = [
        threading.Thread(target=client.run, args=(stop, tally, lock), daemon=True)
        for client in clients
    ]
    results.put("ready")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(tally)


class _Client:
    """One connection at a time."""

    def __init__(
        self,
        port: int,
        rng: random.Random,
        plan: Plan,
        exchanges: Mapping[str, Sequence[Exchange]],
    ) -> None:
        self._port = port
        self._rng = rng
        self._exchanges = exchanges
        self._weights = (
            1 - plan.medium_share - plan.large_share,
            plan.medium_share,
            plan.large_share,
        )
        self._connection: Connection | None = None

    def run(self, stop: Any, tally: Tally, lock: threading.Lock) -> None:
        while not stop.is_set():
            (size,) = self._rng.choices(("small", "medium", "large"), self._weights)
            exchange = self._rng.choice(self._exchanges[size])
            outcome, seconds, n_reconnected = self._try(exchange)
            with lock:
                tally.n_reconnected += n_reconnected
                if isinstance(outcome, Failure):
                    tally.failures.append(outcome)
                    continue
                tally.statuses[outcome.status] += 1
                tally.seconds.append(seconds)
                fault = exchange.fault(outcome)
                if fault:
                    tally.faults.append(fault)

    def _try(self, exchange: Exchange) -> tuple[Reply | Failure, float, int]:
        started, n_reconnected, port = time.monotonic(), 0, 0
        try:
            if self._connection is not None and _is_closed(self._connection):
                # As every client does with a connection that ended while nothing was under way.
                self._leave()
                n_reconnected = 1
            if self._connection is None:
                self._connection = Connection(self._port, PATIENCE_S)
            port = self._connection.socket.getsockname()[1]
            started = time.monotonic()
            self._connection.send(exchange.payload)
            reply = self._connection.receive()
        except (OSError, http.client.HTTPException) as error:
            self._leave()
            now = time.monotonic()
            if port == 0:
                # Nobody listens: not a request, and no reason to spin.
                time.sleep(0.01)
            return Failure(port, started, now, repr(error)), 0.0, n_reconnected
        is_last = reply.headers.get("connection") == "close" or not exchange.stays_open
        if is_last or self._rng.random() < _CLOSED_SHARE:
            self._leave()
        return reply, time.monotonic() - started, n_reconnected

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_closed(connection: Connection) -> bool:
    readable, _, _ = select.select([connection.socket], [], [], 0)
    return bool(readable)


def _valid_of(model: KnownModel, n_bytes: int) -> Exchange:
    n_known = len(model.rows)
    return _valid(model, max(1, n_bytes * n_known // len(_csv(model, n_known))))


def _valid(model: KnownModel, n_rows: int) -> Exchange:
    repeats = -(-n_rows // len(model.rows))
    scores = np.array(model.scores * repeats, np.float64)[:n_rows]
    return Exchange(_request(_csv(model, n_rows)), 200, scores)


def _invalid(model: KnownModel) -> list[Exchange]:
    row = _csv(model, 1)
    too_large = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (
        _LIMIT + 1
    )
    return [
        Exchange(_request(row + b",1"), 400),
        Exchange(_request(b"oak" + row[row.index(b",") :]), 400),
        Exchange(_request(b"{" * 2000, b"Content-Type: application/json"), 400),
        Exchange(_request(row, b"Content-Type: image/png"), 415),
        Exchange(_request(row, b"Accept: image/png"), 406),
        Exchange(_request(row).replace(b"/invocations", b"/nowhere", 1), 404),
        Exchange(too_large, 413, stays_open=False),
    ]


def _csv(model: KnownModel, n_rows: int) -> bytes:
    lines = [",".join("" if c is None else str(c) for c in row) for row in model.rows]
    repeats = -(-n_rows // len(lines))
    return "\n".join((lines * repeats)[:n_rows]).encode()


def _request(body: bytes, header: bytes = b"X-Nothing: 1") -> bytes:
    kind = b"" if header.startswith(b"Content-Type") else b"Content-Type: text/csv\r\n"
    return b"POST /invocations HTTP/1.1\r\nHost: a\r\n%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
        kind,
        header,
        len(body),
        body,
    )
