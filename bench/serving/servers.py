"""Start a server, wait until it answers, weigh its processes, and end it (Linux)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from processes import environment
from serving.load import Client, Exchange

_POLL_S = 0.002
_PATIENCE_S = 60.0
_END_S = 30.0
_SHOWN_LINES = 15


@dataclass(frozen=True, slots=True)
class Server:
    """A server to measure.

    Attributes
    ----------
    name : str
        What tables call it.
    argv : sequence of str
    port : int
    log : Path
        Takes stdout and stderr.
    environ : mapping
        Added to the environment.
    ready_path : str
        What answers GET with 200 when the server is ready.
    """

    name: str
    argv: Sequence[str]
    port: int
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/ping"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that has answered; `ready_s` counts from the start of its process."""

    server: Server
    process: subprocess.Popen[bytes]
    ready_s: float

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port


@dataclass(frozen=True, slots=True)
class Weight:
    """Memory of a server's processes, the first first.

    Attributes
    ----------
    pss_bytes : tuple of int
        A page that several share counts for each with its part; the sum is what the machine holds.
    uss_bytes : tuple of int
        Pages of one process alone.
    """

    pss_bytes: tuple[int, ...]
    uss_bytes: tuple[int, ...]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def started(server: Server) -> Iterator[Running]:
    """Start a server and end it afterwards.

    Raises
    ------
    SystemExit
        It ended at the start, or did not answer in time; the end of its log is shown.
    """
    server.log.parent.mkdir(parents=True, exist_ok=True)
    with server.log.open("wb") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(
            server.argv,
            env=environment() | dict(server.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while _status(server) != 200:
            if process.poll() is not None or time.perf_counter() - begun > _PATIENCE_S:
                raise SystemExit(f"{server.name} did not start:\n{_log_end(server)}")
            time.sleep(_POLL_S)
        yield Running(server, process, time.perf_counter() - begun)
    finally:
        _end(process)


def connect_to_each_worker(
    running: Running, n_workers: int, client: Client, n_connections: int, greeting: Exchange
) -> None:
    """Open connections so that every worker holds as many as the next.

    Left to itself, one worker may take them all.  The others are paused while one is connected to.
    """
    workers = _workers(running, n_workers)
    for chosen in workers:
        others = [pid for pid in workers if pid != chosen]
        try:
            for pid in others:
                os.kill(pid, signal.SIGSTOP)
            client.open(n_connections // n_workers, greeting)
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)


def weigh(running: Running) -> Weight:
    """Weigh the first process and all its descendants."""
    rollups = [_rollup(pid) for pid in _tree(running.process.pid)]
    return Weight(
        tuple(each["Pss"] for each in rollups),
        tuple(each["Private_Clean"] + each["Private_Dirty"] for each in rollups),
    )


def _workers(running: Running, n_workers: int) -> list[int]:
    """Return the processes of the workers; the last may still be on its way after the first 200."""
    end = time.perf_counter() + _PATIENCE_S
    while len(workers := _children(running.process.pid)) != n_workers:
        if time.perf_counter() > end:
            raise SystemExit(f"{running.server.name} has {len(workers)} workers, not {n_workers}")
        time.sleep(_POLL_S)
    return workers


def _status(server: Server) -> int:
    request = f"GET {server.ready_path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE_S) as found:
            found.sendall(request.encode())
            words = found.recv(4096).split(maxsplit=2)
    except OSError:
        return 0
    return int(words[1]) if len(words) > 1 else 0


def _log_end(server: Server) -> str:
    lines = server.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_SHOWN_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text(encoding="ascii").split()]


def _rollup(pid: int) -> dict[str, int]:
    """Return bytes by the kernel's names."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    pairs = (line.split(":", 1) for line in lines)
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}
