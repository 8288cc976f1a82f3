from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from queue import SimpleQueue
from typing import cast

import pytest
from gunicorn.http.errors import InvalidRequestLine

from serve.arrival import MOST_AWAITED, is_waiting_for_invitation, n_needed
from serve.connection import Connection
from serve.refusals import Refusal
from serve.responses import refuse
from serve.seats import Seats
from serve.threads import Threads
from serve.unreader import LEAST_RATE, PatientUnreader


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


class SlowSender:
    """A socket from which a byte comes every millisecond, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0

    def recv(self, size: int) -> bytes:
        assert size > 0
        self.now += 0.001
        return b"x"

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowSender:
    sender = SlowSender()
    monkeypatch.setattr("serve.unreader.time", sender)
    return sender


def test_a_client_that_sends_too_slowly_is_refused_though_it_never_pauses(
    slow: SlowSender,
) -> None:
    unreader = PatientUnreader(cast("socket.socket", slow), 1.0)
    unreader.restart()

    def read_on() -> None:
        for _ in range(2000):
            unreader.read()

    with pytest.raises(Refusal, match="too slowly"):
        read_on()
    # A second, and what some thousand bytes buy.
    assert 1.0 < slow.now < 1.05


def test_time_that_is_not_spent_waiting_for_the_client_is_not_held_against_it(
    slow: SlowSender,
) -> None:
    unreader = PatientUnreader(cast("socket.socket", slow), 1.0)
    unreader.restart()
    assert unreader.read() == b"x"
    slow.now += 3600

    for _ in range(500):
        assert unreader.read() == b"x"
    unreader.restart()
    for _ in range(500):
        assert unreader.read() == b"x"


def test_many_bytes_buy_time(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    unreader = PatientUnreader(ours, 0.0)
    unreader.restart()
    theirs.sendall(b"x" * (LEAST_RATE // 8))

    assert len(unreader.read(LEAST_RATE // 8)) == LEAST_RATE // 8


@pytest.mark.parametrize(
    ("data", "n_missing"),
    [
        (b"G", 1),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\n\r", 1),
        (b"GET /ping HTTP/1.1\r\n\r\n", 0),
        (b"\r\nGET /ping HTTP/1.1\r\n", 1),
        (b"POST / HTTP/1.1\r\nContent-Length: 15\r\n\r\nabc", 12),
        (b"POST / HTTP/1.1\r\ncontent-LENGTH:\t15 \r\nA: b\r\n\r\nabc", 12),
        (b"POST / HTTP/1.1\r\nX-Content-Length: 15\r\n\r\nabc", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 15\r\nContent-Le", 1),
        (b"POST / HTTP/1.1\r\n\r\nContent-Length: 15\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", MOST_AWAITED - 45),
        (b"POST / HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 0),
        # What the parser refuses needs no end.
        (b"GET / HTTP/1.1\n\n", 0),
        (b"GET / HTTP/1.1\r\nHost: x\n", 0),
        (b"GET /" + b"a" * 5000, 0),
    ],
)
def test_a_thread_needs_the_head_and_a_body_of_known_length(data: bytes, n_missing: int) -> None:
    assert max(0, n_needed(data, 99_999_999) - len(data)) == n_missing


@pytest.mark.parametrize(
    ("head", "is_waiting"),
    [
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nexpect:100-Continue\r\n\r\n", True),
        (b"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n\r\nExpect: 100-continue\r\n", False),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n", False),
    ],
)
def test_who_expects_to_be_told_to_go_on_is_known(head: bytes, *, is_waiting: bool) -> None:
    assert is_waiting_for_invitation(head) is is_waiting


def test_threads_go_on_after_whatever_a_connection_raises() -> None:
    done: SimpleQueue[object] = SimpleQueue()

    def work(connection: Connection) -> None:
        if isinstance(connection, BaseException):
            raise connection
        done.put(connection)

    threads = Threads(1, "test", work)
    errors = (SystemExit(1), MemoryError(), KeyboardInterrupt(), ValueError("x"))
    for each in (*errors, "the last"):
        threads.submit(each)  # type: ignore[arg-type]

    assert done.get(timeout=60) == "the last"
    threads.shutdown(wait=False)


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


def test_who_holds_more_gives_way_to_who_holds_less() -> None:
    seats = Seats(3)
    one, other, _absent = (seats.seat(set(range(at))) for at in range(3))
    one.show(2, is_busy=False)
    other.show(1, is_busy=False)

    assert not one.is_next()
    assert other.is_next()
    other.show(2, is_busy=False)
    assert one.is_next()
    assert other.is_next()


def test_a_worker_without_a_thread_to_spare_gives_way_to_one_that_holds_more() -> None:
    seats = Seats(2)
    busy, idle = seats.seat(set()), seats.seat({0})
    busy.show(4, is_busy=True)
    idle.show(100, is_busy=False)

    assert not busy.is_next()
    assert idle.is_next()
    idle.show(100, is_busy=True)
    assert busy.is_next()
    assert not idle.is_next()


def test_who_took_no_connection_in_three_turns_is_waited_for_only_after_the_next_it_takes() -> None:
    seats = Seats(2)
    one, hung = seats.seat(set()), seats.seat({0})
    hung.show(0, is_busy=False)
    one.show(5, is_busy=False)

    for _ in range(3):
        assert not one.is_next()
        one.note_missed()
    assert one.is_next()
    hung.took()
    assert not one.is_next()


def test_who_takes_turns_late_is_waited_for_again_and_again() -> None:
    seats = Seats(2)
    one, late = seats.seat(set()), seats.seat({0})
    late.show(0, is_busy=False)
    one.show(5, is_busy=False)

    for _ in range(10):
        assert not one.is_next()
        late.took()
        one.note_missed()
    assert not one.is_next()


def test_nobody_waits_for_a_seat_that_is_left_or_given_to_another() -> None:
    seats = Seats(2)
    one, gone = seats.seat(set()), seats.seat({0})
    gone.show(0, is_busy=False)
    one.show(5, is_busy=False)
    gone.leave()
    assert one.is_next()

    gone.show(0, is_busy=False)
    assert not one.is_next()
    assert seats.seat({0}).at == gone.at
    assert one.is_next()


def test_a_forked_process_shows_its_load_to_the_others() -> None:
    seats = Seats(2)
    one, other = seats.seat(set()), seats.seat({0})
    one.show(1, is_busy=False)
    assert one.is_next()

    pid = os.fork()
    if pid == 0:
        other.show(0, is_busy=False)
        os._exit(0)
    os.waitpid(pid, 0)

    assert not one.is_next()
