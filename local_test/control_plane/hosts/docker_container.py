"""One host that is a container, and the containers of one attempt together.

Knows the client's commands by name, not how a host is described to ``docker run``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_test.control_plane.hosts.docker_call import DockerCall
from local_test.control_plane.hosts.docker_network import DockerNetwork
from local_test.control_plane.hosts.log_tail import LogTail, read_all
from local_test.control_plane.hosts.process_family import MARK
from local_test.control_plane.training.ports import PlatformFault

# What the client answers when the engine, and not the container, has failed.
_ENGINE_FAILED = 125
_KILLED = 137
_TERMINATED = 143
_WORDS_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Run:
    """What to start; `words` follow ``docker run``."""

    docker: str
    name: str
    words: tuple[str, ...]
    mark: str
    log: Path


class DockerHost:
    """A container by its client, which runs as long; signals are sent by clients of their own.

    A signal may come before the engine has made the container, so it is sent again until it has
    arrived or the client has ended.

    Raises
    ------
    OSError
        There is no such client.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._signal: str | None = None
        self._calls: list[DockerCall] = []
        self._removal: DockerCall | None = None
        self._code: int | None = None
        self._begin = run.log.stat().st_size if run.log.exists() else 0
        with run.log.open("ab") as stream:
            self._client = subprocess.Popen(  # noqa: S603 - a list of words, no shell
                ["/usr/bin/env", f"{MARK}={run.mark}", run.docker, "run", *run.words],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """Return the container's exit code once it is removed; None before.

        Raises
        ------
        PlatformFault
            The engine could not run it; raised once, then the client's exit code is returned.
        """
        if self._code is not None:
            return self._code
        code = self._client.poll()
        if code is None:
            self._send()
            return None
        if not self._is_removed(code) or not all(each.has_ended() for each in self._calls):
            return None
        # Docker reports a client that was killed like any program; the container had to be too.
        self._code = _KILLED if code < 0 else code
        if code == _ENGINE_FAILED:
            self._blame_engine()
        return self._code

    def signal(self, name: str) -> None:
        """Send ``TERM`` or ``KILL``, now or as soon as there is a container."""
        if name != self._signal:
            self._signal = name
            self._send(is_first=True)

    def _send(self, *, is_first: bool = False) -> None:
        if self._signal is None or self._client.poll() is not None:
            return
        if is_first or self._calls[-1].exit_code():
            words = ["kill", f"--signal={self._signal}", self._run.name]
            self._calls = [each for each in self._calls if not each.has_ended()]
            self._calls.append(DockerCall(self._run.docker, words, mark=self._run.mark))

    def _is_removed(self, code: int) -> bool:
        """Remove what an orderly end of the client would have removed; say whether that is done."""
        if 0 <= code != _ENGINE_FAILED:
            return True
        if self._removal is None:
            words = ["rm", "--force", self._run.name]
            self._removal = DockerCall(self._run.docker, words, mark=self._run.mark)
        return self._removal.has_ended()

    def _blame_engine(self) -> None:
        """Raise what the client says; a program that exits with 125 itself says nothing such."""
        if self._signal == "KILL":
            self._code = _KILLED
            return
        with self._run.log.open("rb") as log:
            log.seek(self._begin)
            words = log.read(_WORDS_BYTES).decode(errors="replace")
        if words.startswith("docker: "):
            raise PlatformFault(" ".join(words.split("\n", maxsplit=1)[0].split()))


class DockerContainers:
    """The containers of one attempt by host name, and their network; see `ports.Containers`.

    `exit_codes` may also raise PlatformFault, late: the engine could not run a container.
    """

    def __init__(self, runs: Mapping[str, Run], network: DockerNetwork | None) -> None:
        self._runs = runs
        self._network = network
        self._logs = {name: LogTail(run.log) for name, run in runs.items()}
        self._hosts: dict[str, DockerHost] = {}
        self._reported: set[str] = set()
        self._signal: str | None = None
        self._has_failed = False
        if network is None:
            self._start()

    def exit_codes(self) -> Mapping[str, int | None]:
        codes = self._codes()
        have_ended = None not in codes.values()
        # The end of the last ones is also the network's.
        if self._network is not None and have_ended and not self._network.is_gone():
            return {name: code if name in self._reported else None for name, code in codes.items()}
        self._reported |= {name for name, code in codes.items() if code is not None}
        return codes

    def output(self) -> Sequence[tuple[str, bytes]]:
        return read_all(self._logs)

    def terminate(self) -> None:
        self._pass_on("TERM")

    def kill(self) -> None:
        self._pass_on("KILL")

    def _pass_on(self, name: str) -> None:
        self._signal = name
        for host in self._hosts.values():
            host.signal(name)

    def _codes(self) -> dict[str, int | None]:
        assert self._network is not None or self._hosts
        if self._hosts:
            # Some are missing only where a client could not be started.
            codes: dict[str, int | None] = dict.fromkeys(self._runs, _KILLED)
            return codes | {name: host.exit_code() for name, host in self._hosts.items()}
        if self._signal is not None or self._has_failed:
            # They were not started yet, and now they never are.
            code = _TERMINATED if self._signal == "TERM" else _KILLED
            return dict.fromkeys(self._runs, code)
        try:
            if self._network is not None and self._network.is_ready():
                self._start()
        except PlatformFault:
            self._has_failed = True
            raise
        return dict.fromkeys(self._runs)

    def _start(self) -> None:
        try:
            for name, run in self._runs.items():
                self._hosts[name] = DockerHost(run)
        except OSError as error:
            self.kill()
            raise PlatformFault(f"the Docker client could not be started: {error}") from error
