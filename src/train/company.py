"""The hosts of one job end together: those that have nothing to do wait for the leader's end.

SageMaker's local modes run ``docker compose up --abort-on-container-exit``: the first container
that ends has the others stopped, and its exit code is the job's.  So the leader has to be first.
It greets every host that connects; then nothing is sent, and the connection ends with the leader's
process, however that ends.  On SageMaker itself no host waits for another, and a follower that
gives up harms nothing.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time

from crossfold.contract.hosts import Hosts
from crossfold.contract.stop import StopRequest

PORT = 7919
# Whatever else listens on that port does not say this, and is not waited for.
_GREETING = b"crossfold leads\n"
_LOOK_S = 0.5
_TICK_S = 0.1
# The containers of one compose file start within seconds of each other, also on a busy machine.
_MEET_S = 30.0
# A leader that imports a library may keep its threads waiting for that long.
_ANSWER_S = 3.0
# Docker reports the leader's end a moment after its connections have ended; compose then stops
# this host, so the wait is rarely spent.
_BEHIND_S = 3.0


def lead(hosts: Hosts) -> None:
    """Greet the other hosts from now on, until this process ends.

    A leader that cannot listen trains all the same.
    """
    if len(hosts.names) == 1:
        return
    # A thread of its own: looking the name up may take long where no name server answers.
    greeter = threading.Thread(target=_greet, args=(hosts,), name="company", daemon=True)
    with contextlib.suppress(RuntimeError):
        greeter.start()


def follow(hosts: Hosts, stop: StopRequest, *, meet_s: float = _MEET_S) -> bool:
    """Return after the leader's end, or at a stop; say whether the leader was met within `meet_s`.

    Where not even this host's own name is known, nobody gave the hosts names: this is a container
    that runs alone, with a resourceconfig.json that says otherwise, and is not kept waiting.
    """
    leader = _meet(hosts.names[0], stop, meet_s) if _is_known(hosts.current) else None
    if leader is None:
        return False
    with leader:
        while not stop.is_set:
            has_ended, _, _ = select.select([leader], [], [], _LOOK_S)
            if has_ended:
                break
    _pause(_BEHIND_S, stop)
    return True


def _greet(hosts: Hosts) -> None:
    """Keep every connection: the end of this process is what ends it."""
    company = []
    # Only on the address by which the others know this host.
    with (
        contextlib.suppress(OSError, UnicodeError),
        socket.create_server((hosts.current, PORT), backlog=len(hosts.names)) as listener,
    ):
        while True:
            try:
                guest, _ = listener.accept()
                company.append(guest)
                guest.sendall(_GREETING)
            except OSError:
                # The guest has gone, or there is no descriptor to spare: later there may be one.
                time.sleep(_LOOK_S)


def _meet(leader: str, stop: StopRequest, meet_s: float) -> socket.socket | None:
    deadline = time.monotonic() + meet_s
    while time.monotonic() < deadline and not stop.is_set:
        # The leader's name may not be known yet, nor its port open.
        with contextlib.suppress(OSError, UnicodeError):
            return _connection_to(leader)
        _pause(_LOOK_S, stop)
    return None


def _is_known(name: str) -> bool:
    try:
        socket.getaddrinfo(name, PORT)
    except (OSError, UnicodeError):
        return False
    return True


def _connection_to(leader: str) -> socket.socket:
    with contextlib.ExitStack() as on_failure:
        connection = socket.create_connection((leader, PORT), timeout=_ANSWER_S)
        on_failure.enter_context(connection)
        greeting = connection.recv(len(_GREETING))
        if greeting != _GREETING:
            raise ConnectionError(greeting)
        # A machine that is lost ends no connection; this notices within 30 + 3 · 10 s.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        on_failure.pop_all()
    return connection


def _pause(seconds: float, stop: StopRequest) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop.is_set:
        time.sleep(_TICK_S)
