"""Run the image under test as SageMaker does: one word after its name, ``/opt/ml`` mounted.

The environment says which image: ``CROSSFOLD_IMAGE``, and ``DOCKER`` where the client has another
name.  The folder of the tests must be one that the Docker engine can mount.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving import Connection, Reply

MOUNT = "/opt/ml"
_TIMEOUT_S = 240
_READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a container ended; the log is stdout and stderr together."""

    code: int
    log: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image by name, and the client that runs it."""

    name: str
    docker: str = "docker"

    def run(self, *words: str, options: Sequence[str] = ()) -> Ran:
        """Run a container to its end."""
        ended = subprocess.run(
            [self.docker, "run", "--rm", "--network", "none", *options, self.name, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout)

    def python(self, source: str, *options: str) -> str:
        """Run a program with the image's own Python; return what it printed."""
        ran = self.run("python", "-Ic", source, options=options)
        assert ran.code == 0, ran.log
        return ran.log.strip()

    def details(self) -> Mapping[str, Any]:
        """Return what the engine knows of the image."""
        details: Mapping[str, Any] = json.loads(self._ask("image", "inspect", self.name))[0]
        return details

    @contextlib.contextmanager
    def serving(self, *options: str, port: int = 8080) -> Iterator[Served]:
        """Serve on a port of the container until the end of the block; kill what is left then."""
        published = ("--publish", f"127.0.0.1::{port}")
        name = self._ask("run", "--detach", *published, *options, self.name, "serve").strip()
        try:
            outside = int(self._ask("port", name, f"{port}/tcp").split(":")[-1])
            served = Served(self, name, outside)
            served.wait_until_ready()
            yield served
        finally:
            self._ask("rm", "--force", name)

    def _ask(self, *arguments: str) -> str:
        return subprocess.run(
            [self.docker, *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        ).stdout


@dataclass(frozen=True, slots=True)
class Served:
    """A container that serves."""

    image: Image
    name: str
    port: int

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Send one request; the names of headers are said with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with Connection(self.port) as connection:
            return connection.request(method, path, body, named)

    def wait_until_ready(self) -> None:
        """Return once /ping answers 200."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/ping").status == 200:
                    return
            time.sleep(0.02)
        message = f"no 200 on /ping within {_READY_S:g} s\n{self.log()}"
        raise AssertionError(message)

    def log(self) -> str:
        ended = subprocess.run(
            [self.image.docker, "logs", self.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return ended.stdout

    def stop(self) -> int:
        """Send SIGTERM, and SIGKILL after SageMaker's 30 seconds; return the exit code."""
        for words in (("stop", "--time", "30"), ("wait",)):
            answer = subprocess.run(
                [self.image.docker, *words, self.name], capture_output=True, text=True, check=True
            ).stdout
        return int(answer)


def mounted(root: Path, at: str = MOUNT, *, is_read_only: bool = False) -> tuple[str, str]:
    """Return the options that mount a folder or a file."""
    return "--volume", f"{root}:{at}{':ro' if is_read_only else ''}"
