"""Any image, started as SageMaker starts it: ``docker run IMAGE train`` and ``… IMAGE serve``.

A job gets a writable /opt/ml, a server only what it is given, read-only.  Needs an engine on this
machine that sees the same files, and its client on PATH.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from local_test.conformance.case import Case
from local_test.conformance.process_backend import JOB
from local_test.conformance.running import LOCALHOST, Running, Unavailable, started
from local_test.conformance.tree import is_job

BASE = "/opt/ml"
_PORT = "8080"
_CALL_S = 60.0


class DockerBackend:
    """Starts containers of one image.

    Parameters
    ----------
    image : str
    docker : str
        The client.
    network : str, optional
        Network of every container that no case puts elsewhere; ``host`` publishes no ports.

    Raises
    ------
    Unavailable
        No engine answers, or it has no such image.
    """

    def __init__(self, image: str, *, docker: str = "docker", network: str | None = None) -> None:
        self._image = image
        self._docker = docker
        self._network = network
        try:
            self._call("version", "--format", "{{.Server.Version}}")
        except Unavailable as error:
            raise Unavailable(f"no Docker engine answers: {error}") from error
        # Asked for once, and early: it also tells whether the image is there.
        shown = self._call("inspect", "--type=image", "--format={{json .Config.Entrypoint}}", image)
        self._entrypoint: list[str] = json.loads(shown) or []

    def refuses(self, case: Case) -> str | None:
        """Refuse what cannot be asked of a container from outside."""
        return None if "docker" in case.backends else "needs a plain process"

    @contextlib.contextmanager
    def start(self, case: Case, root: Path) -> Iterator[Running]:
        """Run a container and stay attached to it."""
        name = f"conformance-{uuid.uuid4().hex[:12]}"
        log_path = root.parent / "log"
        words = [self._docker, "run", "--rm", "--name", name, *self._words(case, root)]
        with started(words, environ=os.environ, folder=root, log_path=log_path) as process:
            try:
                yield Running(
                    process,
                    log_path,
                    BASE,
                    find_port=lambda: self._published(name, case),
                    send_signal=lambda number: self._signal(name, number),
                )
            finally:
                with contextlib.suppress(Unavailable):
                    self._call("rm", "--force", name)

    def _words(self, case: Case, root: Path) -> list[str]:
        words = self._mounts(case, root)
        words += [f"--env={key}={text}" for key, text in self._environ(case).items()]
        if case.read_only_root:
            words += ["--read-only", "--tmpfs=/tmp"]
        if case.working_directory:
            words += [f"--workdir={BASE}/{case.working_directory}"]
        network = case.network or self._network
        if network:
            words += [f"--network={network}"]
        if case.is_server and network != "host":
            words += [f"--publish={LOCALHOST}::{_port_of(case)}"]
        entrypoint = list(case.entrypoint)
        if case.unset:
            # Docker itself sets HOME; only a program in front of the command can take it away.
            unset = [word for name in case.unset for word in ("-u", name)]
            entrypoint = ["/usr/bin/env", *unset, *(entrypoint or self._entrypoint)]
        words += [f"--entrypoint={entrypoint[0]}"] if entrypoint else []
        return [*words, self._image, *entrypoint[1:], *case.command]

    def _mounts(self, case: Case, root: Path) -> list[str]:
        if is_job(case):
            words = [f"--volume={root}:{BASE}"]
            data = root / "input" / "data"
            if case.read_only_input and data.is_dir():
                words.append(f"--volume={data}:{BASE}/input/data:ro")
            return words
        return [f"--volume={path}:{BASE}/{path.name}:ro" for path in sorted(root.iterdir())]

    def _environ(self, case: Case) -> dict[str, str]:
        return (JOB if is_job(case) else {}) | dict(case.environment)

    def _published(self, name: str, case: Case) -> int:
        if (case.network or self._network) == "host":
            return int(_port_of(case))
        shown = self._call("port", name, _port_of(case))
        found = re.search(r":(\d+)\s*$", shown)
        if found is None:
            raise Unavailable(f"the engine published no port: {shown!r}")
        return int(found.group(1))

    def _signal(self, name: str, number: str) -> None:
        with contextlib.suppress(Unavailable):  # it may have ended by itself
            self._call("kill", f"--signal={number}", name)

    def _call(self, *words: str) -> str:
        try:
            ended = subprocess.run(  # noqa: S603 - a list of words, no shell
                [self._docker, *words],
                capture_output=True,
                text=True,
                timeout=_CALL_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{self._docker} {words[0]}: {error}") from error
        if ended.returncode != 0:
            reason = " ".join(ended.stderr.split()) or f"exit code {ended.returncode}"
            raise Unavailable(f"{self._docker} {words[0]}: {reason}")
        return ended.stdout


def _port_of(case: Case) -> str:
    return case.environment.get("SAGEMAKER_BIND_TO_PORT") or _PORT
