"""A server around an application that sleeps, fails and echoes on demand, with a line in its log.

What is posted to ``/hold?<path>`` is answered when there is such a file.

::

    with serving(opt_ml, command=stand_in(folder), MODEL_SERVER_WORKERS="2") as server:
        assert server.post(b"1").body == b"1"
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from tests.serving import Reply, Server

_SOURCE = """
import os, signal, sys, time
import serve.connection
from crossfold.errors import CrossfoldError, UserError
from serve.server import serve as run
from serve.settings import Settings

class Application:
    def start_worker(self):
        if os.environ.get("WHEN") == "worker":
            raise UserError("no worker can start")

    def close(self):
        pass

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        if path == "/fail":
            raise ValueError("a secret of the server")
        if path == "/exit":
            raise SystemExit(3)
        if path == "/slow":
            time.sleep(float(query))
        if path == "/hold":
            print("held", flush=True)
            while not os.path.exists(query):
                time.sleep(0.01)
        out = b"" if path in ("/ping", "/unread") else environ["wsgi.input"].read()
        if path == "/big":
            out = bytes(range(256)) * (int(query) // 256)
        if path == "/pid":
            out = str(os.getpid()).encode()
        head = [("Content-Type", "text/csv"), ("Content-Length", str(len(out)))]
        start_response("200 OK", head)
        if path == "/half":
            return self.half()
        return (out,)

    def half(self):
        yield b"the first half"
        raise ValueError("no second half")

class Deaf:
    def __del__(self):
        # What a signal's handler raises in here is lost.
        print("loading", flush=True)
        while signal.getsignal(signal.SIGTERM) != signal.SIG_IGN:
            time.sleep(0.01)

def build(settings):
    if os.environ.get("WHEN") == "build":
        raise UserError("no model here")
    if os.environ.get("WHEN") in ("deaf", "deaf at the end"):
        Deaf()
    if os.environ.get("WHEN") == "deaf":
        time.sleep(60)
    if os.environ.get("WHEN") == "forever":
        print("loading", flush=True)
        time.sleep(60)
    return Application()

serve.connection.STALL_S = float(os.environ.get("STALL_S", "30"))
try:
    sys.exit(run(Settings.from_environ(os.environ), build))
except CrossfoldError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    sys.exit(1)
"""


def stand_in(folder: Path) -> list[str]:
    """Return the command that starts the server, written to `folder`."""
    script = folder / "stand_in.py"
    script.write_text(_SOURCE, encoding="utf-8")
    return [sys.executable, "-Iu", str(script)]


def in_background(server: Server, path: str, replies: list[Reply]) -> threading.Thread:
    """Post to `path` on a thread that adds the reply to `replies`."""
    thread = threading.Thread(
        target=lambda: replies.append(server.request("POST", path, b"x")), daemon=True
    )
    thread.start()
    return thread


def wait_for_log(server: Server, text: str, *, count: int = 1, seconds: float = 60) -> None:
    """Return when the log holds a text so often."""
    deadline = time.monotonic() + seconds
    while server.log.count(text) < count:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)
