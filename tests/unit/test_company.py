"""A follower's wait for its leader, over real sockets on loopback addresses of the test's own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from crossfold.contract.hosts import Hosts
from crossfold.contract.stop import StopRequest
from tests.loopback import loopback_hosts
from train.company import PORT, follow, lead

# Who waits for a leader without bounds of the test's own does so for 30 s.
SOON_S = 20.0


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all of 127.0.0.0/8 pass, which is this machine, too; ask no name server.

    One that is there and keeps silent takes ten seconds for each name.
    """
    look_up = socket.getaddrinfo

    def look_up_here(host: str, *others: Any, **options: Any) -> Any:
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *others, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)


def _follower(names: tuple[str, ...]) -> Hosts:
    return Hosts(names[1], names)


@pytest.mark.parametrize("own_name", ["algo-2.invalid", "", "a..b", "x" * 70])
def test_a_host_whose_own_name_is_unknown_does_not_wait(own_name: str) -> None:
    began = time.monotonic()

    is_met = follow(Hosts(own_name, ("127.0.0.1", own_name)), StopRequest())

    assert is_met is False
    assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize("leader", ["algo-1.invalid", "a..b", "127.0.0.1"])
def test_a_leader_that_is_unknown_or_refuses_is_waited_for_within_bounds(leader: str) -> None:
    began = time.monotonic()

    is_met = follow(Hosts("localhost", (leader, "localhost")), StopRequest(), meet_s=1.0)

    assert is_met is False
    assert 1.0 <= time.monotonic() - began < SOON_S


def test_a_stop_ends_the_wait_for_a_leader_that_is_not_there() -> None:
    stop = StopRequest()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()

    is_met = follow(_follower(loopback_hosts(2)), stop)

    assert is_met is False
    assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_another_service_on_the_port_is_not_taken_for_the_leader(says: bytes) -> None:
    names = loopback_hosts(2)

    with _service(names[0], says):
        began = time.monotonic()
        is_met = follow(_follower(names), StopRequest(), meet_s=1.0)

    assert is_met is False
    assert time.monotonic() - began < SOON_S


def test_one_host_opens_no_port() -> None:
    (name,) = loopback_hosts(1)

    lead(Hosts(name, (name,)))

    assert "company" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((name, PORT), timeout=1)


@contextlib.contextmanager
def _service(name: str, says: bytes) -> Iterator[None]:
    """Accept whoever connects, say `says`, and keep the connection."""
    kept: list[socket.socket] = []
    with socket.create_server((name, PORT)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])
                    kept[-1].sendall(says)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in kept:
                connection.close()
