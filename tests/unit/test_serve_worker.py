from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest
from gunicorn.http.errors import InvalidRequestLine

from serve.refusals import Refusal
from serve.responses import refuse
from serve.unreader import LEAST_RATE, PatientUnreader
from serve.worker import Connection


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 50_000))
    with ours, theirs:
        yield ours, theirs


def test_what_was_sent_is_read_and_the_end_is_empty(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    unreader = PatientUnreader(ours, 30)
    unreader.restart()
    theirs.sendall(b"GET /")
    theirs.close()

    assert unreader.read() == b"GET /"
    assert unreader.read() == b""


def test_a_client_that_sends_nothing_is_refused(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    unreader = PatientUnreader(pair[0], 30)
    unreader.restart()

    with pytest.raises(Refusal) as caught:
        unreader.read()
    assert caught.value.status == 408


def test_a_client_that_sends_too_slowly_is_refused_though_it_never_pauses(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    unreader = PatientUnreader(ours, 0.0)
    unreader.restart()
    theirs.sendall(b"x")

    # One byte buys far less than the microseconds that reading it takes.
    def read_on() -> None:
        for _ in range(1000):
            unreader.read()
            theirs.sendall(b"x")

    with pytest.raises(Refusal, match="too slowly"):
        read_on()


def test_many_bytes_buy_time(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    unreader = PatientUnreader(ours, 0.0)
    unreader.restart()
    theirs.sendall(b"x" * (LEAST_RATE // 8))

    assert len(unreader.read(LEAST_RATE // 8)) == LEAST_RATE // 8


def test_a_connection_limits_every_wait_for_its_client(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    connection = Connection(None, pair[0], ("127.0.0.1", 1), ("127.0.0.1", 2))

    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        seconds, _ = struct.unpack("ll", connection.sock.getsockopt(socket.SOL_SOCKET, option, 16))
        assert seconds == 30


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InvalidRequestLine("x" * 999), 400, "the request is not valid HTTP: "),
        (Refusal(408, "too slowly"), 408, "too slowly"),
        (RuntimeError("/opt/secret"), 500, "the server failed; the log says why"),
    ],
)
def test_a_refusal_is_one_json_response_that_closes(
    pair: tuple[socket.socket, socket.socket], error: Exception, status: int, message: str
) -> None:
    refuse(pair[1], None, error)
    pair[1].close()
    with pair[0].makefile("rb") as received:
        head, _, body = received.read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert b"Content-Length: %d" % len(body) in head
    seen = json.loads(body)["error"]
    assert seen["message"].startswith(message)
    assert len(seen["message"]) < 300
    assert "secret" not in seen["message"]
