"""The server as a process, around an application that sleeps, fails and echoes on demand."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from serve.server import GRACE_S
from tests.serving import Connection, Reply, Server, serving, started
from tests.stand_in import in_background, stand_in, wait_for_log

STALL_S = 1.0


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return stand_in(tmp_path_factory.mktemp("stand-in"))


@pytest.fixture(scope="module")
def opt_ml(tmp_path_factory: pytest.TempPathFactory) -> OptMl:
    return OptMl(tmp_path_factory.mktemp("ml"))


@pytest.fixture(scope="module")
def server(command: list[str], opt_ml: OptMl) -> Iterator[Server]:
    """One worker with two threads, which gives up on a client after a second."""
    with serving(
        opt_ml,
        command=command,
        MODEL_SERVER_WORKERS="1",
        CROSSFOLD_SERVER_THREADS="2",
        STALL_S=str(STALL_S),
    ) as running:
        yield running


def _seconds_of_ping(connection: Connection) -> float:
    begun = time.monotonic()
    reply = connection.request("GET", "/ping")
    assert (reply.status, reply.body) == (200, b"")
    return time.monotonic() - begun


def test_a_ping_is_answered_while_every_thread_is_busy_and_more_requests_wait(
    server: Server, tmp_path: Path
) -> None:
    replies: list[Reply] = []
    gate = tmp_path / "gate"
    with server.connect() as kept:
        _seconds_of_ping(kept)
        threads = [in_background(server, f"/hold?{gate}", replies) for _ in range(8)]
        wait_for_log(server, "held", count=2)

        with server.connect() as fresh:
            for each in (fresh, kept) * 10:
                _seconds_of_ping(each)

    assert replies == []
    gate.touch()
    for thread in threads:
        thread.join(60)
    assert [reply.status for reply in replies] == [200] * 8


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"POST /invocations HTTP/1.1\r\nHost: x\r\n", id="in the head"),
        pytest.param(b"GET /ping HTTP/1.1\r\n", id="in the head of a ping"),
        pytest.param(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
            id="in the body",
        ),
        pytest.param(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab",
            id="in a chunk",
        ),
    ],
)
def test_a_client_that_stalls_loses_its_thread(server: Server, beginning: bytes) -> None:
    stalled = [server.connect() for _ in range(4)]
    for connection in stalled:
        connection.send(beginning)

    begun = time.monotonic()
    with server.connect() as other:
        # Each of the two threads would otherwise have two of them to wait for.
        assert _seconds_of_ping(other) < STALL_S
    assert server.post(b"1").status == 200
    for connection in stalled:
        reply = connection.receive()
        assert reply.status == 408
        assert reply.headers["connection"] == "close"
        assert "too slowly" in reply.error["message"]
        connection.close()
    assert time.monotonic() - begun < 10 * STALL_S


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"nonsense\r\n\r\n", id="request line"),
        pytest.param(b"GET / HTTP/7.0\r\n\r\n", id="version"),
        pytest.param(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", id="long line"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"a" * 9000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", id="header"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="chunk size"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            id="two lengths",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", id="TLS"),
    ],
)
def test_what_is_no_http_gets_an_error_in_json(server: Server, raw: bytes) -> None:
    with server.connect() as connection:
        connection.send(raw)
        reply = connection.receive()

    assert reply.status == 400
    assert reply.headers["content-type"] == "application/json"
    assert reply.error["type"] == "BadRequest"
    assert reply.error["message"].startswith("the request is not valid HTTP: ")
    assert reply.error["request_id"] in server.log


def test_a_failure_of_the_application_shows_nothing_of_it(server: Server) -> None:
    reply = server.request("GET", "/fail")

    assert reply.status == 500
    assert reply.error["type"] == "InternalError"
    assert b"secret" not in reply.body
    lines = [line for line in server.log.splitlines() if reply.error["request_id"] in line]
    assert any("a secret of the server" in line for line in lines)


def test_a_connection_stays_open_and_takes_every_kind_of_request(server: Server) -> None:
    big = bytes(range(256)) * 4096
    with server.connect() as connection:
        assert connection.request("POST", "/echo", b"1,2").body == b"1,2"
        assert connection.request("POST", "/echo", [b"1,", b"2", big]).body == b"1,2" + big
        assert connection.request("HEAD", "/ping").status == 200
        assert connection.request("POST", "/ping").status == 200
        assert connection.request("GET", "/ping?x=1").status == 200
        assert connection.request("POST", "/echo", big).body == big
        # A body that the application leaves unread is no next request.
        assert connection.request("POST", "/ping", b"GET /fail HTTP/1.1\r\n\r\n").status == 200
        assert connection.request("POST", "/echo", b"3").body == b"3"


def test_requests_that_come_in_one_piece_are_answered_in_order(server: Server) -> None:
    one = b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n%d"
    with server.connect() as connection:
        connection.send(one % 1 + one % 2 + b"GET /ping HTTP/1.1\r\n\r\n" + one % 3)
        received = b""
        while not received.endswith(b"\r\n\r\n3"):
            received += connection.socket.recv(65536)

    assert [part[:1] for part in received.split(b"\r\n\r\n")[1:]] == [b"1", b"2", b"H", b"3"]


def test_connections_that_are_closed_or_silent_hold_up_nobody(server: Server) -> None:
    silent = [server.connect() for _ in range(50)]
    refused = [server.connect() for _ in range(50)]
    for connection in refused:
        connection.send(b"nonsense\r\n\r\n")
        assert connection.receive().status == 400

    with server.connect() as other:
        slowest = max(_seconds_of_ping(other) for _ in range(20))

    # Two threads would otherwise wait for 50 clients.
    assert slowest < 5 * STALL_S
    for connection in silent + refused:
        connection.close()


def test_an_early_answer_survives_a_body_that_nobody_reads(server: Server) -> None:
    with server.connect() as connection:
        connection.send(b"POST /fail HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n")
        connection.send(b"x" * 20_000_000)

        assert connection.receive().status == 500


def test_the_master_has_one_thread_and_no_socket_but_the_port(server: Server) -> None:
    process = Path(f"/proc/{server.process.pid}")

    assert len(list((process / "task").iterdir())) == 1
    links = [str(each.readlink()) for each in (process / "fd").iterdir()]
    assert sum(link.startswith("socket:") for link in links) == 1


def test_a_killed_worker_is_replaced_and_only_its_own_requests_fail(
    command: list[str], opt_ml: OptMl
) -> None:
    with serving(opt_ml, command=command, MODEL_SERVER_WORKERS="2") as server:
        wait_for_log(server, "Booting worker", count=2)
        before = server.worker_pids()
        outcomes: list[bool] = []

        def ask() -> None:
            for _ in range(100):
                try:
                    outcomes.append(server.post(b"1").status == 200)
                except (OSError, http.client.HTTPException):
                    outcomes.append(False)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        os.kill(before[0], signal.SIGKILL)
        for thread in threads:
            thread.join(60)
        wait_for_log(server, "Booting worker", count=3)

        # One request of each client may have been with the dead worker, in it or at its door.
        assert outcomes.count(False) <= 4
        assert len(outcomes) == 400
        assert server.post(b"1").status == 200
        assert before[1] in server.worker_pids()
        assert server.stop() == 0


def test_a_stop_lets_requests_end_and_takes_no_new_ones(
    command: list[str], opt_ml: OptMl, tmp_path: Path
) -> None:
    replies: list[Reply] = []
    gate = tmp_path / "gate"
    options = {"MODEL_SERVER_WORKERS": "2", "CROSSFOLD_SERVER_THREADS": "6"}
    with serving(opt_ml, command=command, **options) as server:
        with server.connect() as idle:
            assert idle.request("GET", "/ping").status == 200
            threads = [in_background(server, f"/hold?{gate}", replies) for _ in range(6)]
            wait_for_log(server, "held", count=6)

            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(1.0)
            gate.touch()
            code = server.process.wait(GRACE_S / 2)

        assert code == 0, server.log
        for thread in threads:
            thread.join(60)
        assert [reply.status for reply in replies] == [200] * 6
        assert "Traceback" not in server.log
        with pytest.raises(ConnectionError):
            server.connect()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_every_signal_to_stop_ends_with_code_0(
    command: list[str], opt_ml: OptMl, number: signal.Signals
) -> None:
    with serving(opt_ml, command=command) as server:
        assert server.stop(number) == 0, server.log
        assert "Traceback" not in server.log


def test_a_stop_while_the_model_is_loaded_ends_with_code_0(
    command: list[str], opt_ml: OptMl
) -> None:
    with started(opt_ml, command=command, WHEN="forever") as server:
        wait_for_log(server, "loading")

        assert server.stop() == 0


@pytest.mark.parametrize("when", ["deaf", "deaf at the end"])
def test_a_stop_that_a_library_swallows_while_the_model_is_loaded_is_not_lost(
    command: list[str], opt_ml: OptMl, when: str
) -> None:
    with started(opt_ml, command=command, WHEN=when) as server:
        wait_for_log(server, "loading")

        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_libraries_are_imported_ends_with_code_0_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    # A model to serve: where the stop comes late, the server is not at an end of its own.
    script, temporary = tmp_path / "model/code/inference.py", tmp_path / "temporary"
    script.parent.mkdir(parents=True)
    script.write_text("def model_fn(folder):\n    pass\n", encoding="utf-8")
    temporary.mkdir()
    with started(OptMl(tmp_path), CROSSFOLD_METRICS="true", TMPDIR=str(temporary)) as server:
        deadline = time.monotonic() + 60
        # Python itself makes a file there for a moment, to see whether it can.
        while not list(temporary.glob("crossfold-metrics-*")):
            assert time.monotonic() < deadline, server.log

        assert server.stop(number) == 0, server.log
        assert "Traceback" not in server.log
        assert list(temporary.iterdir()) == []


def test_workers_do_not_outlive_a_killed_master(command: list[str], opt_ml: OptMl) -> None:
    with serving(opt_ml, command=command, MODEL_SERVER_WORKERS="1") as server:
        (worker,) = server.worker_pids()
        server.stop(signal.SIGKILL)

        deadline = time.monotonic() + 60
        while _is_running(worker) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _is_running(worker)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_port_in_use_is_named_at_once(command: list[str], opt_ml: OptMl) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104 - the address that the server takes
        other.listen()
        port = other.getsockname()[1]
        with started(opt_ml, command=command, SAGEMAKER_BIND_TO_PORT=str(port)) as server:
            assert server.process.wait(60) == 1
            line = server.log

    assert line == (
        f"UserError: port {port} cannot be taken: it is in use; stop the other process or set "
        "SAGEMAKER_BIND_TO_PORT to a free port\n"
    )


@pytest.mark.parametrize(
    ("when", "reason"), [("build", "no model here"), ("worker", "no worker can start")]
)
def test_what_cannot_start_ends_with_code_1_and_its_reason(
    command: list[str], opt_ml: OptMl, when: str, reason: str
) -> None:
    with started(opt_ml, command=command, WHEN=when) as server:
        assert server.process.wait(60) == 1
        assert reason in server.log
        assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "UserError: "),
        ({"MODEL_SERVER_WORKERS": "many"}, "MODEL_SERVER_WORKERS is 'many'"),
        ({"WEB_CONCURRENCY": "x", "SENDFILE": "x", "GUNICORN_PID": "x"}, "UserError: "),
    ],
)
def test_the_command_says_in_one_line_why_it_does_not_start(
    opt_ml: OptMl, environ: dict[str, str], expected: str
) -> None:
    with started(opt_ml, **environ) as server:
        assert server.process.wait(60) == 1
        (line,) = server.log.splitlines()

    assert line.startswith("UserError: ")
    assert expected in line
