"""Clients that send or take slowly, or not at all, keep no thread from the others."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from tests.serving import Connection, Server, serving
from tests.stand_in import stand_in

STALL_S = 1.0
BIG = 20 * 1024 * 1024
WHOLE = b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker with two threads, which gives up on a client after a second."""
    folder = tmp_path_factory.mktemp("slow")
    with serving(
        OptMl(folder),
        command=stand_in(folder),
        MODEL_SERVER_WORKERS="1",
        CROSSFOLD_SERVER_THREADS="2",
        STALL_S=str(STALL_S),
    ) as running:
        yield running


def _assert_prompt(server: Server) -> None:
    begun = time.monotonic()
    for _ in range(4):
        assert server.post(b"1").body == b"1"
    # Eight clients that stall would keep two threads for four times as long as one may.
    assert time.monotonic() - begun < 3.5 * STALL_S


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b"POST /invocations HTT", id="the request line"),
        pytest.param(b"POST /invocations HTTP/1.1\r\nHost: x\r\n", id="the head"),
        pytest.param(b"GET /ping HTTP/1.1\r\n", id="the head of a ping"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"a" * 8000, id="a long head"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 15\r\n\r\nabc", id="the body"),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" + b"a" * 50000, id="a long body"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", id="no body"
        ),
    ],
)
@pytest.mark.parametrize("before", [b"", WHOLE], ids=["first", "second"])
def test_who_sends_half_a_request_takes_no_thread(
    server: Server, before: bytes, part: bytes
) -> None:
    stalled = [server.connect() for _ in range(8)]
    for connection in stalled:
        connection.send(before + part)
        if before:
            assert connection.receive().body == b"1"
    busy_before = _cpu_s(server)

    _assert_prompt(server)
    for connection in stalled:
        reply = connection.receive()
        assert reply.status == 408
        assert reply.headers["connection"] == "close"
        assert "too slowly" in reply.error["message"]
        assert connection.socket.recv(1) == b""
        connection.close()
    assert _cpu_s(server) - busy_before < 0.3


def _cpu_s(server: Server) -> float:
    (worker,) = server.worker_pids()
    text = Path(f"/proc/{worker}/stat").read_text(encoding="ascii")
    facts = text.rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("body", [b"x" * 50, b"x" * 50_000, b"x" * 200_000])
def test_a_request_that_comes_in_pieces_is_answered_whole(server: Server, body: bytes) -> None:
    raw = b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with server.connect() as connection:
        for _ in range(3):
            for at in range(0, 56, 7):
                connection.send(raw[at : at + 7])
            connection.send(raw[56 : len(raw) // 2 + 30])
            connection.send(raw[max(56, len(raw) // 2 + 30) :])
            assert connection.receive().body == body


def test_a_head_without_an_end_is_refused(server: Server) -> None:
    with server.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 11_000)
        reply = connection.receive()

    assert reply.status == 400
    assert "the head has more than 65536 bytes" in reply.error["message"]


def test_who_sends_half_a_request_and_leaves_is_forgotten(server: Server) -> None:
    for part in (b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 15\r\n\r\nabc"):
        with server.connect() as connection:
            connection.send(part)
            connection.socket.shutdown(socket.SHUT_WR)
            # The application may say what it thinks of half a body.
            while connection.socket.recv(65536):
                pass
    _assert_prompt(server)


def test_who_takes_no_answer_takes_no_thread_and_is_given_up(server: Server) -> None:
    takers = [_asks_for_much(server) for _ in range(8)]

    _assert_prompt(server)
    deadline = time.monotonic() + 60 * STALL_S
    while _n_connections(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    for taker in takers:
        assert _n_received(taker) < BIG
        taker.close()


def test_what_is_taken_late_is_whole(tmp_path: Path) -> None:
    options = {"MODEL_SERVER_WORKERS": "1", "CROSSFOLD_SERVER_THREADS": "2"}
    with serving(OptMl(tmp_path), command=stand_in(tmp_path), **options) as patient:
        takers = [_asks_for_much(patient) for _ in range(3)]
        # By then there is a beginning of each, as there are two threads.
        assert patient.post(b"1").body == b"1"
        for taker in takers:
            with taker:
                assert taker.receive().body == bytes(range(256)) * (BIG // 256)


def _n_connections(server: Server) -> int:
    (worker,) = server.worker_pids()
    text = Path(f"/proc/{worker}/net/tcp").read_text(encoding="ascii")
    local = f":{server.port:04X}"
    inodes = {line.split()[9] for line in text.splitlines()[1:] if line.split()[1].endswith(local)}
    links = [str(each.readlink()) for each in Path(f"/proc/{worker}/fd").iterdir()]
    # One of them listens.
    return sum(f"socket:[{inode}]" in links for inode in inodes) - 1


def _asks_for_much(server: Server) -> Connection:
    connection = server.connect()
    connection.send(b"GET /big?%d HTTP/1.1\r\n\r\n" % BIG)
    return connection


def _n_received(connection: Connection) -> int:
    n_bytes = 0
    try:
        while part := connection.socket.recv(1 << 20):
            n_bytes += len(part)
    except ConnectionError:
        pass
    return n_bytes


def test_a_long_answer_is_followed_by_the_next(server: Server) -> None:
    with server.connect() as connection:
        connection.send(b"GET /big?%d HTTP/1.1\r\n\r\n" % BIG + WHOLE + WHOLE)
        received = bytearray()
        while not received.endswith(b"\r\n\r\n1") or received.count(b"HTTP/1.1 200") < 3:
            received += connection.socket.recv(1 << 20)

    _, big, one, other = received.split(b"\r\n\r\n")
    assert big.startswith(bytes(range(256)) * (BIG // 256) + b"HTTP/1.1 200 OK")
    assert one.startswith(b"1HTTP/1.1 200 OK")
    assert other == b"1"


@pytest.mark.parametrize(
    ("head", "n_sent", "connection"),
    [
        (b"Content-Length: 65535", 65535, "keep-alive"),
        (b"Content-Length: 65536", 65536, "close"),
        (b"Content-Length: 9999999", 65536, "close"),
        (b"Transfer-Encoding: chunked", 0, "close"),
        (b"Content-Length: 9999999\r\nExpect: 100-continue", 0, "close"),
    ],
)
def test_an_answer_before_the_body_says_truly_whether_the_connection_stays(
    server: Server, head: bytes, n_sent: int, connection: str
) -> None:
    with server.connect() as client:
        client.send(b"POST /unread HTTP/1.1\r\n" + head + b"\r\n\r\n")
        client.send(b"x" * n_sent)
        received = client.socket.recv(65536)

        # Nobody is told to send a body that nobody reads.
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nConnection: %b\r\n" % connection.encode() in received
        if connection == "close":
            assert client.socket.recv(1) == b""
        else:
            assert client.request("POST", "/echo", b"1").body == b"1"


@pytest.mark.parametrize("n_bytes", [3, 1_000_000])
def test_who_expects_to_be_told_to_go_on_is_told_once(server: Server, n_bytes: int) -> None:
    head = b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % n_bytes
    with server.connect() as connection:
        for _ in range(2):
            connection.send(head)
            assert connection.socket.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.send(b"x" * n_bytes)
            assert connection.receive().body == b"x" * n_bytes


def test_an_application_that_exits_is_answered_for_and_costs_no_thread(server: Server) -> None:
    for _ in range(8):
        reply = server.request("GET", "/exit")
        assert reply.status == 500
        assert reply.error["type"] == "InternalError"
    _assert_prompt(server)


def test_a_failure_in_the_middle_of_an_answer_ends_it(server: Server) -> None:
    with server.connect() as connection:
        connection.send(b"POST /half HTTP/1.1\r\nContent-Length: 50\r\n\r\n" + b"x" * 50)
        received = b""
        while part := connection.socket.recv(65536):
            received += part

    assert received.count(b"HTTP/1.1 ") == 1
    assert received.endswith(b"the first half")
