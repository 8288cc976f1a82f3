"""Malformed HTTP on real connections: every answer is JSON, or the connection is closed."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.soak.mutations import mutated, random_bytes
from tests.soak.verdicts import error_faults

PATIENCE_S = 20.0
_BODY = b"1,2,3,4"
_LINES = (
    *(
        b"GET",
        b"GET /ping",
        b"GET /ping HTTP/9.9",
        b"GET /ping HTTP/1.",
        b"POST  /invocations HTTP/1.1",
    ),
    *(
        b"get /ping HTTP/1.1",
        b"G\0T /ping HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\0\x01\0\x01",
    ),
    *(b"GET http://a/ping HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1", b"GET /%00%ff HTTP/1.1"),
    *(b"GET /" + b"a" * 10_000 + b" HTTP/1.1", b"GET /\xff\xfe HTTP/1.1", b"BREW /ping HTTP/1.1"),
    *(
        b"OPTIONS * HTTP/1.1",
        b"CONNECT a:1 HTTP/1.1",
        b"TRACE /ping HTTP/1.1",
        b"",
        b" ",
        b"\r\n\r\n",
    ),
    *(
        b"POST /invocations HTTP/1.0",
        b"POST /invocations?a=%zz HTTP/1.1",
        b"PUT /invocations HTTP/1.1",
    ),
    *(
        b"POST /models/x/invoke HTTP/1.1",
        b"GET /ping HTTP/1.1 x",
        b"GET\t/ping\tHTTP/1.1",
        b"A" * 9000,
    ),
)
_HEADERS = (
    *(
        b"Content-Length: -1",
        b"Content-Length: +5",
        b"Content-Length: 1e3",
        b"Content-Length: 7, 7",
    ),
    *(b"Content-Length: 99999999999999999999", b"Content-Length: \xd9\xa1", b"Content-Length:"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: x"),
    *(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Expect: x",
    ),
    *(
        b"no colon",
        b": no name",
        b"Bad Name: 1",
        b"X: a\r\n folded",
        b"X: \0",
        b"X: \x7f\xff",
        b"X:\n: y",
    ),
    *(
        b"X: " + b"a" * 100_000,
        b"\r\n".join([b"X: 1"] * 300),
        b"Connection: upgrade\r\nUpgrade: h2c",
    ),
    *(
        b"Host: a\r\nHost: b",
        b"Content-Type: \xff\xfe",
        b"Accept: " + b"a/b," * 1500,
        b"Content-Encoding: br",
    ),
    *(b"Connection: close", b"X-Forwarded-For: 1", b"SCRIPT_NAME: /x", b"X_Y: 1", b"Proxy: a"),
)
_CHUNKS = (
    *(
        b"7\r\n1,2,3,4\r\n0\r\n\r\n",
        b"7;a=b\r\n1,2,3,4\r\n0\r\nX: 1\r\n\r\n",
        b"-1\r\n1\r\n0\r\n\r\n",
    ),
    *(
        b"zz\r\n",
        b"ffffffffffffffff\r\n1,2",
        b"7\r\n1,2,3",
        b"7\n1,2,3,4\n0\n\n",
        b"0x7\r\n1,2,3,4\r\n",
    ),
    *(
        b"7\r\n1,2,3,4,5,6\r\n0\r\n\r\n",
        b"\r\n",
        b"0\r\n",
        b"1" * 9000 + b"\r\n",
        b"7 \r\n1,2,3,4\r\n0\r\n\r\n",
    ),
)
_GOOD = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n1,2,3,4"


@dataclass(slots=True)
class RawOutcome:
    """Answers by status (`closed`: none at all), and what was wrong with them."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def send_all(port: int, *, n_requests: int, seed: int) -> RawOutcome:
    """Send malformed requests, each on a connection of its own."""
    outcome = RawOutcome()
    for number in range(n_requests):
        rng = random.Random(f"{seed} raw {number}")
        raw = _raw(rng)
        # Every tenth client does not wait for an answer.
        is_hasty = rng.random() < 0.1
        try:
            received = _exchange(port, raw, is_hasty=is_hasty)
        except TimeoutError:
            outcome.faults.append(f"#{number}: no end within {PATIENCE_S:g} s after {raw[:200]!r}")
            continue
        if is_hasty:
            outcome.counts["not awaited"] += 1
            continue
        try:
            replies = _replies(received)
            for status, headers, body in replies:
                found = _faults(status, headers, body)
                outcome.faults += [f"#{number}: {fault} after {raw[:200]!r}" for fault in found]
            outcome.counts.update([str(reply[0]) for reply in replies] or ["closed"])
        except (ValueError, KeyError, IndexError) as error:
            outcome.faults.append(f"#{number}: {error!r} in {received[:300]!r} after {raw[:200]!r}")
    return outcome


def _faults(status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    if status == 200:
        return ["HTML"] if "html" in headers.get("content-type", "") else []
    return error_faults(status, headers, body) + ([f"status {status}"] if status == 500 else [])


def _raw(rng: random.Random) -> bytes:
    head = [b"POST /invocations HTTP/1.1", b"Host: a"]
    match rng.randrange(6):
        case 0:
            return b"\r\n".join([rng.choice(_LINES), b"Host: a", b"", b""]) + rng.choice(
                (b"", _BODY)
            )
        case 1:
            extra = rng.choices(_HEADERS, k=rng.choice((1, 1, 2)))
            length = [b"Content-Length: 7"] * (rng.random() < 0.7)
            return b"\r\n".join([*head, *length, *extra, b"", b""]) + _BODY
        case 2:
            chunks = rng.choice(_CHUNKS)
            return b"\r\n".join([*head, b"Transfer-Encoding: chunked", b"", b""]) + chunks
        case 3:
            parts = [
                rng.choice((_GOOD, _GOOD, _GOOD, _raw_line(rng))) for _ in range(rng.randint(2, 40))
            ]
            return b"".join(parts)
        case 4:
            return mutated(rng, _GOOD, random_bytes(rng)[:300])
        case _:
            return random_bytes(rng)[:5000]


def _raw_line(rng: random.Random) -> bytes:
    return rng.choice(_LINES) + b"\r\nHost: a\r\n\r\n"


def _exchange(port: int, raw: bytes, *, is_hasty: bool) -> bytes:
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        try:
            client.sendall(raw)
            if is_hasty:
                return b""
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def _replies(received: bytes) -> list[tuple[int, Mapping[str, str], bytes]]:
    """Split what came back into responses; ValueError where it is not HTTP."""
    replies: list[tuple[int, Mapping[str, str], bytes]] = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status = first.split(" ", 2)[:2]
        if not end or version not in ("HTTP/1.1", "HTTP/1.0"):
            message = f"not HTTP: {head[:200]!r}"
            raise ValueError(message)
        if status == "100":
            continue
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        length = int(headers["content-length"])
        replies.append((int(status), headers, received[:length]))
        received = received[length:]
    return replies
