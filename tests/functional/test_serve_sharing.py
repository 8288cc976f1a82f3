"""New connections are shared between the workers, whatever becomes of one of them."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from tests.serving import Connection, Server, serving
from tests.stand_in import stand_in, wait_for_log


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Server]:
    with serving(OptMl(tmp_path), command=stand_in(tmp_path), MODEL_SERVER_WORKERS="2") as server:
        _wait_for_workers(server)
        yield server


def _wait_for_workers(server: Server) -> None:
    """Return when new connections have gone to two workers, and are closed."""
    deadline = time.monotonic() + 60
    while len(_holders(server, _opened(server, 8))) < 2:
        assert time.monotonic() < deadline, server.log


def _opened(server: Server, n_connections: int, *, at_once: bool = False) -> list[Connection]:
    """Open connections; one after another means that each is answered before the next."""
    connections: list[Connection] = []
    for _ in range(n_connections):
        connections.append(server.connect())
        if not at_once:
            assert connections[-1].request("GET", "/ping").status == 200
    return connections


def _holders(server: Server, connections: list[Connection]) -> Counter[int]:
    """Return how many of the connections each worker holds, and close them all."""
    holders = Counter(int(each.request("GET", "/pid").body) for each in connections)
    for each in connections:
        each.close()
    assert set(holders) <= set(server.worker_pids())
    return holders


def _usual(share: Callable[[], int], fair: range) -> float:
    """Return the median share of five rounds, or of more while they are not mostly fair.

    A worker waits for another one only for a moment: on a machine that others use too, one may now
    and then not come to its turn in time.
    """
    shares: list[int] = []
    while len(shares) < 5 or (statistics.median(shares) not in fair and len(shares) < 41):
        # Until a worker knows that the last ones are closed, it counts them.
        time.sleep(0.1)
        shares.append(share())
    return statistics.median(shares)


@pytest.mark.parametrize("at_once", [False, True])
def test_connections_are_shared_between_the_workers(pair: Server, *, at_once: bool) -> None:
    def smaller_share() -> int:
        holders = _holders(pair, _opened(pair, 32, at_once=at_once))
        assert holders.total() == 32
        return min(holders.values()) if len(holders) == 2 else 0

    assert _usual(smaller_share, range(12, 17)) >= 12


def test_a_worker_with_idle_threads_takes_what_one_without_would_have_had(
    tmp_path: Path,
) -> None:
    options = {"MODEL_SERVER_WORKERS": "2", "CROSSFOLD_SERVER_THREADS": "2"}
    with serving(OptMl(tmp_path), command=stand_in(tmp_path), **options) as server:
        _wait_for_workers(server)
        by_pid: dict[int, list[Connection]] = {pid: [] for pid in server.worker_pids()}
        deadline = time.monotonic() + 60
        while min(map(len, by_pid.values())) < 4:
            assert time.monotonic() < deadline, server.log
            for each in _opened(server, 16):
                by_pid[int(each.request("GET", "/pid").body)].append(each)
        busy, idle = by_pid
        for each in by_pid[busy][2:]:
            each.close()
        gates = (tmp_path / f"gate-{number}" for number in itertools.count(1))

        def idle_ones_share() -> int:
            gate = next(gates)
            for each in by_pid[busy][:2]:
                each.send(b"GET /hold?%b HTTP/1.1\r\n\r\n" % bytes(gate))
            wait_for_log(server, "held", count=2 * int(gate.name.removeprefix("gate-")))
            opened = _opened(server, 8)
            gate.touch()
            for each in by_pid[busy][:2]:
                assert each.receive().status == 200
            return _holders(server, opened)[idle]

        # It holds more connections than the busy one, and takes these all the same.
        assert _usual(idle_ones_share, range(6, 9)) >= 6
        for each in by_pid[busy] + by_pid[idle]:
            each.close()


def test_a_worker_that_hangs_keeps_no_new_client_waiting(pair: Server) -> None:
    hung, _ = pair.worker_pids()
    os.kill(hung, signal.SIGSTOP)
    waits = []
    connections = []
    for _ in range(100):
        begun = time.monotonic()
        connections += _opened(pair, 1)
        waits.append(time.monotonic() - begun)

    begun = time.monotonic()
    burst = _opened(pair, 100, at_once=True)
    holders = _holders(pair, burst + connections)
    # Whoever waits for it does so without end; a busy machine may make a few wait.
    assert sorted(waits)[-10] < 0.25
    assert time.monotonic() - begun < 10
    assert hung not in holders

    os.kill(hung, signal.SIGCONT)
    # It comes back with nothing in hand, and takes what it is left.
    _wait_for_workers(pair)


def test_a_replacement_gets_its_share(pair: Server) -> None:
    first, second = pair.worker_pids()
    held = _opened(pair, 16)
    os.kill(first, signal.SIGKILL)
    wait_for_log(pair, "Booting worker", count=3)
    _wait_for_workers(pair)

    (replacement,) = set(pair.worker_pids()) - {second}

    def share() -> int:
        return _holders(pair, _opened(pair, 24, at_once=True))[replacement]

    # The other one still holds what it held, about 8: both come to about 16.  Whoever is first
    # would have none or all.
    assert 8 <= _usual(share, range(8, 23)) <= 22
    for each in held:
        each.close()


def test_idle_workers_compute_nothing(pair: Server) -> None:
    held = _opened(pair, 32)
    before = _cpu_s(pair)
    time.sleep(1.5)

    assert _cpu_s(pair) - before <= 0.05
    _holders(pair, held)


def _cpu_s(server: Server) -> float:
    ticks = 0
    for pid in server.worker_pids():
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(facts[11]) + int(facts[12])
    return ticks / os.sysconf("SC_CLK_TCK")
