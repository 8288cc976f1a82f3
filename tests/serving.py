r"""Start the command `serve` on a free port and speak HTTP to it, byte by byte where need be.

::

    with serving(opt_ml, SAGEMAKER_BATCH="true") as server:   # returns once /ping answers 200
        reply = server.post(b"1,2,3", content_type="text/csv", accept="application/json")
        assert reply.status == 200
        with server.connect() as connection:                   # one connection, kept alive
            connection.request("GET", "/ping")
            connection.send(b"POST /invocations HTTP/1.1\r\n")  # anything, as it stands
            connection.receive()
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from crossfold.contract.paths import OptMl

COMMAND = (sys.executable, "-Iu", "-m", "serve")
READY_S = 60.0
STOP_S = 40.0
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
# Below the ports that Linux gives to whoever asks for any: nobody is given one of them between its
# choice and its use, which are a second apart.  Processes of one run begin far from each other.
_PORTS = range(10_000, 30_000)
_offsets = itertools.count(211 * os.getpid())


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """Read the body as strict JSON: NaN and infinities are refused."""
        return json.loads(self.body, parse_constant=_refuse)

    @property
    def error(self) -> Mapping[str, str]:
        """The object under `error`, of the agreed shape."""
        document = self.json()
        assert set(document) == {"error"}, document
        assert set(document["error"]) == {"type", "message", "request_id"}, document
        error: Mapping[str, str] = document["error"]
        return error


class Connection:
    """One TCP connection; requests on it follow one another."""

    def __init__(self, port: int, timeout_s: float = 30.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(raw)

    def receive(self, method: str = "POST") -> Reply:
        """Read one whole reply; OSError or HTTPException where there is none."""
        response = http.client.HTTPResponse(self.socket, method=method)
        try:
            response.begin()
            body = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, body)
        finally:
            response.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request and read its reply; an iterable body goes out in chunks, unmeasured."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
        if isinstance(body, bytes):
            lines.append(f"Content-Length: {len(body)}")
            self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            return self.receive(method)
        self.send("\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode("latin-1"))
        for part in body:
            self.send(b"%x\r\n%b\r\n" % (len(part), part))
        self.send(b"0\r\n\r\n")
        return self.receive(method)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Server:
    """A running `serve`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def log(self) -> str:
        """Everything that was written to stdout and stderr so far."""
        return os.pread(self._log.fileno(), 1 << 26, 0).decode("utf-8", "replace")

    def connect(self, timeout_s: float = 30.0) -> Connection:
        """Open a connection of one's own."""
        return Connection(self.port, timeout_s)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request on a new connection."""
        with self.connect() as connection:
            return connection.request(method, path, body, headers)

    def post(
        self, body: bytes, *, content_type: str = "text/csv", accept: str | None = None
    ) -> Reply:
        """Ask for predictions."""
        headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
        return self.request("POST", "/invocations", body, headers)

    def worker_pids(self) -> list[int]:
        """Return the processes that the server forked."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text(encoding="ascii").split()]

    def wait_until_ready(self, seconds: float = READY_S) -> None:
        """Return once /ping answers 200; fail with the log when the server ends or is late."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"serve ended\n{self.log}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/ping").status == 200:
                    return
            time.sleep(0.02)
        message = f"no 200 on /ping within {seconds:g} s\n{self.log}"
        raise AssertionError(message)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_S)


def free_port() -> int:
    """Return a port that nobody has now, another one each time."""
    for offset in itertools.islice(_offsets, len(_PORTS)):
        port = _PORTS[offset % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")


@contextlib.contextmanager
def started(opt_ml: OptMl, *, command: Sequence[str] = COMMAND, **environ: str) -> Iterator[Server]:
    """Start the command without waiting for it; whatever is left of it is killed at the end."""
    port = int(environ.get("SAGEMAKER_BIND_TO_PORT") or free_port())
    settings = {"SAGEMAKER_BASE_DIR": str(opt_ml.root), "SAGEMAKER_BIND_TO_PORT": str(port)}
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            list(command),
            env=kept | settings | environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Server(process, port, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_S)


@contextlib.contextmanager
def serving(opt_ml: OptMl, *, command: Sequence[str] = COMMAND, **environ: str) -> Iterator[Server]:
    """Start the command on the model in ``opt_ml.model`` and wait until it answers."""
    with started(opt_ml, command=command, **environ) as server:
        server.wait_until_ready()
        yield server


def _refuse(name: str) -> Any:
    message = f"{name} is no JSON"
    raise ValueError(message)
