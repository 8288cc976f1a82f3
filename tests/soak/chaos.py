"""Press a real `serve` on 64 connections while its workers are killed, and count what is lost.

    python -m tests.soak.chaos --seconds 30

A worker is stopped, asked which connections it holds, and killed: so every failed request can be
put down to a kill, or not.  Meanwhile a probe asks for /ping on a new connection every 100 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossfold.contract.paths import OptMl
from tests.serving import STOP_S, Connection, Server, serving
from tests.soak.load import MODEL, Failure, Plan, Tally, press
from tests.soak.models import WIDE, train_models

N_WORKERS = 2
_PING_EVERY_S = 0.1
_EXIT_S = 0.5
"""A process of many threads needs a moment to die, and its sockets close only then."""
_READY_S = 120.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker's end, and the client ports of the connections that it held."""

    pid: int
    at: float
    ports: frozenset[int]


@dataclass(slots=True)
class Pings:
    """What the probe saw."""

    seconds: list[float] = field(default_factory=list)
    n_reset: int = 0
    faults: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Return the latency in seconds that `share` of the pings did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found.

    Attributes
    ----------
    lost : by kill, the requests that were in flight in the worker
    late : requests sent on a connection of a killed worker before the client could know
    after_stop : requests sent after SIGTERM that nobody answered
    unexplained : failures for which there is no excuse
    """

    tally: Tally
    pings: Pings
    kills: Sequence[Kill]
    lost: Sequence[Sequence[Failure]]
    late: Sequence[Failure]
    after_stop: Sequence[Failure]
    unexplained: Sequence[Failure]
    exit_code: int
    stop_s: float
    wall_s: float
    log_has_traceback: bool


def run(
    folder: Path, plan: Plan, *, seconds: float, kill_every_s: tuple[float, float] | None
) -> Outcome:
    """Press, kill, probe, and stop the server under load."""
    environ = {"SAGEMAKER_MODEL_SERVER_WORKERS": str(N_WORKERS)}
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    with serving(OptMl(folder / MODEL), **environ) as server:
        load = context.Process(target=press, args=(server.port, folder, plan, stop, results))
        load.start()
        try:
            assert results.get(timeout=_READY_S) == "ready"
            began = time.monotonic()
            pings, kills = _disturb(server, seconds, kill_every_s)
            wall_s = time.monotonic() - began
            stopped = time.monotonic()
            code = server.stop(signal.SIGTERM)
            stop_s = time.monotonic() - stopped
            stop.set()
            tally: Tally = results.get(timeout=_READY_S)
        finally:
            stop.set()
            load.join(STOP_S)
            load.kill()
        return _judged(tally, pings, kills, (code, stopped, stop_s, wall_s), log=server.log)


def report(outcome: Outcome) -> str:
    """Describe a run as text."""
    tally, pings = outcome.tally, outcome.pings
    n_requests = tally.statuses.total()
    ordered = sorted(tally.seconds)
    lines = (
        f"{n_requests} requests answered in {outcome.wall_s:.1f} s ({dict(tally.statuses)})",
        f"latency p50 {ordered[n_requests // 2] * 1e3:.1f} ms, max {ordered[-1]:.2f} s",
        f"wrong answers: {len(tally.faults)} {tally.faults[:5]}",
        f"kills: {len(outcome.kills)}, requests lost by kill {[len(x) for x in outcome.lost]}",
        f"connections the killed held: {[len(kill.ports) for kill in outcome.kills]}",
        f"sent to a dead worker before its end was known: {len(outcome.late)}",
        f"connections found closed while idle: {tally.n_reconnected}",
        f"failed for no reason: {len(outcome.unexplained)} {list(outcome.unexplained[:5])}",
        f"pings answered: {len(pings.seconds)}, reset by a kill {pings.n_reset}",
        f"ping p50, p99, max in ms: {[round(1e3 * pings.quantile(q), 1) for q in (0.5, 0.99, 1)]}",
        f"ping faults: {len(pings.faults)} {pings.faults[:5]}",
        f"SIGTERM: exit {outcome.exit_code} after {outcome.stop_s:.1f} s",
        f"requests that came after SIGTERM and were not accepted: {len(outcome.after_stop)}",
        f"traceback in the log: {outcome.log_has_traceback}",
    )
    return "\n".join(lines)


def is_clean(outcome: Outcome) -> bool:
    """Say whether nothing was found."""
    return (
        not outcome.unexplained
        and not outcome.tally.faults
        and not outcome.pings.faults
        and max(outcome.pings.seconds) < 2.0
        and (outcome.exit_code, outcome.log_has_traceback) == (0, False)
        and outcome.stop_s < 30.0
    )


def _disturb(
    server: Server, seconds: float, kill_every_s: tuple[float, float] | None
) -> tuple[Pings, list[Kill]]:
    pings, is_over = Pings(), threading.Event()
    kills: list[Kill] = []
    probe = threading.Thread(target=_probe, args=(server.port, pings, kills, is_over))
    probe.start()
    rng, deadline = random.Random(0), time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            pause = rng.uniform(*kill_every_s) if kill_every_s else left
            time.sleep(min(pause, left))
            if kill_every_s and pause < left:
                _kill(server, rng, kills)
    finally:
        is_over.set()
        probe.join()
    return pings, kills


def _kill(server: Server, rng: random.Random, kills: list[Kill]) -> None:
    """Kill a worker; it is written down before anybody can notice."""
    pid = rng.choice(server.worker_pids())
    os.kill(pid, signal.SIGSTOP)
    _wait_until_stopped(pid)
    ports = _ports_held(pid, server.port)
    kills.append(Kill(pid, time.monotonic(), ports))
    os.kill(pid, signal.SIGKILL)


def _wait_until_stopped(pid: int) -> None:
    """Return when no thread of a process can take one more connection."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        # One that ends is not there any more, or reads so.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while (task / "stat").read_text("utf-8").rpartition(")")[2].split()[0] not in "TZX":
                time.sleep(0.001)


def _ports_held(pid: int, port: int) -> frozenset[int]:
    """Return the client ports of the connections that a process has accepted."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            inodes.add(link.readlink().name.removeprefix("socket:[").removesuffix("]"))
    held = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        if words[9] in inodes and int(words[1].rpartition(":")[2], 16) == port:
            held.add(int(words[2].rpartition(":")[2], 16))
    return frozenset(held)


def _probe(port: int, pings: Pings, kills: list[Kill], is_over: threading.Event) -> None:
    while not is_over.wait(_PING_EVERY_S):
        started = time.monotonic()
        error = _ping(port, pings)
        if error is None:
            pings.seconds.append(time.monotonic() - started)
            continue
        client_port, reason = error
        if not any(client_port in kill.ports for kill in kills[-1:]):
            pings.faults.append(reason)
            continue
        pings.n_reset += 1
        started = time.monotonic()
        again = _ping(port, pings)
        if again is None:
            pings.seconds.append(time.monotonic() - started)
        else:
            pings.faults.append(f"twice: {again[1]}")


def _ping(port: int, pings: Pings) -> tuple[int, str] | None:
    client_port = 0
    try:
        with Connection(port, 10.0) as connection:
            client_port = connection.socket.getsockname()[1]
            reply = connection.request("GET", "/ping")
    except (OSError, http.client.HTTPException) as error:
        return client_port, repr(error)
    if reply.status != 200:
        pings.faults.append(f"status {reply.status}")
    return None


def _judged(
    tally: Tally,
    pings: Pings,
    kills: Sequence[Kill],
    end: tuple[int, float, float, float],
    *,
    log: str,
) -> Outcome:
    code, stopped, stop_s, wall_s = end
    lost: list[list[Failure]] = [[] for _ in kills]
    late, after_stop, unexplained = [], [], []
    for failure in tally.failures:
        number = _killed_by(failure, kills)
        if failure.started >= stopped:
            after_stop.append(failure)
        elif number is None:
            unexplained.append(failure)
        elif failure.started <= kills[number].at:
            lost[number].append(failure)
        else:
            late.append(failure)
    return Outcome(
        tally=tally,
        pings=pings,
        kills=kills,
        lost=lost,
        late=late,
        after_stop=after_stop,
        unexplained=unexplained,
        exit_code=code,
        stop_s=stop_s,
        wall_s=wall_s,
        log_has_traceback="Traceback" in log,
    )


def _killed_by(failure: Failure, kills: Sequence[Kill]) -> int | None:
    for number, kill in enumerate(kills):
        is_near = failure.started <= kill.at + _EXIT_S and failure.ended >= kill.at - 0.01
        if failure.port in kill.ports and is_near:
            return number
    return None


def main() -> int:
    """Train, press while killing, press with 25 MB bodies alone; 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--connections", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        train_models(folder, WIDE)
        killed = run(
            folder, Plan(arguments.connections), seconds=arguments.seconds, kill_every_s=(2.0, 3.0)
        )
        sys.stdout.write(f"Workers are killed:\n{report(killed)}\n")
        sys.stdout.flush()
        full = Plan(n_connections=16, medium_share=0.0, large_share=1.0)
        busy = run(folder, full, seconds=arguments.seconds / 2, kill_every_s=None)
        sys.stdout.write(f"Every thread has a body of 25 MB:\n{report(busy)}\n")
    return int(not (is_clean(killed) and is_clean(busy)))


if __name__ == "__main__":
    sys.exit(main())
