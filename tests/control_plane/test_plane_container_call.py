"""What comes of one request to a container that answers in odd ways, at the level of bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from local_test.control_plane.invoking.container_call import (
    Answer,
    ContainerRequest,
    Deadline,
    NoAnswer,
    TimedOut,
    Unreachable,
    ask,
)
from tests.serving import free_port

_HEAD = b"HTTP/1.1 200 OK\r\n"
_BODY = b"1,2"


@pytest.mark.parametrize(
    "said",
    [
        _HEAD + b"Content-Length: 11\r\n\r\n0.25,0.75",
        _HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n0.25,0.75\r\n",
        _HEAD + b"Transfer-Encoding: chunked\r\n\r\nb\r\n0.25,0.75",
        b"0.25,0.75",
        b"",
    ],
    ids=["body", "chunks", "chunk", "no HTTP", "nothing"],
)
def test_an_answer_that_ends_before_its_end_is_none(said: bytes) -> None:
    with pytest.raises(NoAnswer):
        _ask(lambda connection: connection.sendall(said))


@pytest.mark.parametrize(
    "said",
    [
        _HEAD + b"Content-Length: 9\r\n\r\n0.25,0.75 and more",
        _HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n0.25\r\n5\r\n,0.75\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n0.25,0.75",
        # Newer Pythons let go of the socket with the last byte of these two.
        _HEAD + b"Connection: close\r\nContent-Length: 9\r\n\r\n0.25,0.75",
        b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n0.25,0.75",
    ],
    ids=["length", "chunks", "until closed", "length, then closed", "length in HTTP/1.0"],
)
def test_an_answer_is_read_to_the_end_that_it_has(said: bytes) -> None:
    assert _ask(lambda connection: connection.sendall(said)).body == b"0.25,0.75"


def test_of_an_answer_that_is_too_long_not_all_is_read() -> None:
    said = _HEAD + b"Content-Length: 5000000\r\n\r\n" + b"x" * 1_000_000

    answer = _ask(lambda connection: connection.sendall(said), most_bytes=100)

    assert 100 < len(answer.body) < 1_000_000


def test_a_refusal_is_heard_though_the_request_was_not_read() -> None:
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"

    answer = _ask(lambda connection: connection.sendall(said), body=b"x" * 6_000_000)

    assert (answer.status, answer.text) == (413, "big")


def test_a_header_on_several_lines_is_one_line() -> None:
    said = _HEAD + b"Content-Type: text/csv;\r\n charset=utf-8\r\nContent-Length: 0\r\n\r\n"

    answer = _ask(lambda connection: connection.sendall(said))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


def test_a_container_that_says_nothing_has_timed_out() -> None:
    done = threading.Event()

    with pytest.raises(TimedOut):
        _ask(lambda _connection: done.wait(10), within_s=0.05, done=done)


def test_where_nobody_listens_there_is_no_container() -> None:
    request = ContainerRequest("POST", "/invocations", {})

    with pytest.raises(Unreachable):
        ask(f"http://127.0.0.1:{free_port()}", request, Deadline.after(5.0), most_bytes=10)


def _ask(
    answers: Callable[[socket.socket], object],
    *,
    body: bytes = _BODY,
    most_bytes: int = 1_000_000,
    within_s: float = 10.0,
    done: threading.Event | None = None,
) -> Answer:
    """Ask a container that reads the first bytes of the body, and then `answers`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answers))
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            request = ContainerRequest("POST", "/invocations", {}, body)
            return ask(address, request, Deadline.after(within_s), most_bytes=most_bytes)
        finally:
            if done is not None:
                done.set()
            thread.join()


def _serve(listener: socket.socket, answers: Callable[[socket.socket], object]) -> None:
    connection, _ = listener.accept()
    with connection:
        heard = b""
        while len(heard.partition(b"\r\n\r\n")[2]) < len(_BODY):
            heard += connection.recv(4096)
        answers(connection)
