"""A container of an endpoint without a model: it remembers what it hears and answers on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Heard:
    """One request; names of `headers` in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Container:
    """Echoes bodies, unless one of the fields says otherwise.

    It answers bodies that end with ``slow`` only while `may_answer`, and as many of the next pings
    with 500 as `misses` says.  As a multi-model container it holds at most `capacity` models, loads
    only while `may_load`, and unloads only while `may_unload`.
    """

    status: int = 200
    misses: int = 0
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/csv"})
    answer: bytes | None = None
    waits_s: float = 0.0
    hangs_up: bool = False
    drops_deletions: bool = False
    capacity: int = 2
    may_load: threading.Event = field(default_factory=threading.Event)
    may_unload: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)
    heard: list[Heard] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def __post_init__(self) -> None:
        container = self
        self.may_load.set()
        self.may_unload.set()
        self.may_answer.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                container._handle(self)

            do_GET = do_DELETE = do_POST  # noqa: N815 - the library's names

            def log_message(self, *_words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.may_load.set()
        self.may_unload.set()
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def calls(self) -> list[str]:
        """Return every request as method and path."""
        return [f"{each.method} {each.path}" for each in self.heard]

    def wait_for(self, n_requests: int) -> None:
        """Wait until so many more have come."""
        self.wait_until_heard(len(self.heard) + n_requests)

    def wait_until_heard(self, n_requests: int) -> None:
        """Wait until so many have come in all."""
        deadline = time.monotonic() + 60
        while len(self.heard) < n_requests:
            assert time.monotonic() < deadline, self.calls()
            time.sleep(0.002)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.heard.append(Heard(handler.command, handler.path, headers, body))
        if self.hangs_up or (self.drops_deletions and handler.command == "DELETE"):
            return
        status, text = self._answer(handler.command, handler.path, body)
        handler.send_response(status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        parts = path.strip("/").split("/")
        if parts == ["ping"] and self.misses:
            self.misses -= 1
            return 500, b"missed"
        if parts[0] != "models":
            return self._echo(body)
        if parts == ["models"]:
            return self._load(json.loads(body))
        if parts[1] not in self.models:
            return 404, b"not loaded"
        if method == "DELETE":
            self.may_unload.wait()
            del self.models[parts[1]]
            return 200, b""
        return self._echo(self.models[parts[1]].encode() + b": " + body)

    def _load(self, asked: dict[str, str]) -> tuple[int, bytes]:
        if asked["model_name"] in self.models:
            return 409, b"loaded already"
        if len(self.models) >= self.capacity:
            return 507, b"no room"
        self.may_load.wait()
        self.models[asked["model_name"]] = asked["url"]
        return 200, b""

    def _echo(self, body: bytes) -> tuple[int, bytes]:
        time.sleep(self.waits_s)
        if body.endswith(b"slow"):
            self.may_answer.wait()
        return self.status, body if self.answer is None else self.answer
