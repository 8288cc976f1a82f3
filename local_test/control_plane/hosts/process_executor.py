"""Hosts as child processes of this machine: no Docker, starts in milliseconds.

The image is not looked at: ``train`` is this checkout's ``python -Iu -m train``, as the image's
launchers say it.  What differs from a container: the file system and the users are the machine's,
the names of other hosts lead nowhere, and the first process has no process number 1, so that
SIGTERM ends a program that does not handle it.  A request's own entry point runs in namespaces
(see `namespaces`), where only the first two differ.

Source: AWS docs, "How Amazon SageMaker Runs Your Training Image" (entry point and arguments,
SIGTERM to the first process).
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Collection
from pathlib import Path

from local_test.control_plane.hosts.log_tail import LogTail
from local_test.control_plane.hosts.marks import mark_of_host, mark_of_root
from local_test.control_plane.hosts.namespaces import Namespaces
from local_test.control_plane.hosts.process_family import end_family
from local_test.control_plane.hosts.process_host import Command, ProcessContainers, ProcessHost
from local_test.control_plane.training.ports import ClientFault, Host, Launch, PlatformFault

COMMANDS = ("train", "serve", "cv_driver")
_SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOOK_S = 0.005
_LOOKS = 400
_LOG = logging.getLogger(__name__)


class ProcessExecutor:
    """Starts ``python -Iu -m train`` with ``SAGEMAKER_BASE_DIR`` instead of a container.

    Parameters
    ----------
    root : Path
        The plane's folder; it stands for the plane in the marks of its processes.
    python : str
        Its folder is the first in which programs are looked for.
    namespaces : Namespaces, optional
    """

    def __init__(
        self, root: Path, *, python: str = sys.executable, namespaces: Namespaces | None = None
    ) -> None:
        self._root = root
        self._python = python
        self._namespaces = namespaces or Namespaces()

    def start(self, launch: Launch) -> ProcessContainers:
        words = self._words(launch)
        is_inside = self._is_inside(launch, words)
        logs = {host.name: LogTail(host.log) for host in launch.hosts}
        started: dict[str, ProcessHost] = {}
        for host in launch.hosts:
            try:
                command = self._command(launch, host, words, is_inside=is_inside)
                started[host.name] = ProcessHost(command, host.log)
            except OSError as error:
                _end(started.values())
                raise PlatformFault(f"host {host.name} could not be started: {error}") from error
        return ProcessContainers(started, logs)

    def sweep(self) -> None:
        while not end_family(f"{mark_of_root(self._root)}-", is_prefix=True):
            time.sleep(_LOOK_S)

    def _words(self, launch: Launch) -> list[str]:
        # Where the image decides, ours trains.
        words = [*launch.entrypoint, *launch.arguments] or [*launch.command] or ["train"]
        if words[0] in COMMANDS:
            return [self._python, "-Iu", "-m", *words]
        if not launch.entrypoint:
            raise ClientFault(
                f"ContainerArguments begin with {words[0]!r}, which only the image's entry point "
                f"knows; the process executor runs {', '.join(COMMANDS)}, the docker executor all"
            )
        if shutil.which(words[0], path=self._path) is None and not words[0].startswith("/opt/ml/"):
            raise ClientFault(
                f"ContainerEntrypoint {words[0]!r}: there is no such program on this machine; "
                "the docker executor runs the image's"
            )
        return words

    def _is_inside(self, launch: Launch, words: list[str]) -> bool:
        """Say whether the hosts run in namespaces."""
        is_foreign = words[0] != self._python
        if not is_foreign and not launch.is_isolated:
            return False
        if self._namespaces.options is not None:
            return True
        if is_foreign:
            raise ClientFault(
                f"ContainerEntrypoint {words[0]!r} expects /opt/ml, which a process can only "
                "have on Linux as root or with user namespaces; use the docker executor"
            )
        _LOG.warning(
            "%s is isolated: it has no credentials, but the network cannot be taken away here",
            launch.job_name,
        )
        return False

    @property
    def _path(self) -> str:
        return f"{Path(self._python).parent}:{_SEARCHED}"

    def _command(self, launch: Launch, host: Host, words: list[str], *, is_inside: bool) -> Command:
        # Not the user's own home: an SDK would find credentials there.
        home = host.opt_ml.parent / "home"
        stage = host.opt_ml.parent / "stage"
        for folder in (home, stage):
            folder.mkdir(exist_ok=True)
        environ = {"PATH": self._path, "HOME": str(home), "LANG": "C.UTF-8"}
        tree = host.opt_ml.resolve()
        if is_inside:
            words = self._namespaces.wrap(
                words,
                tree,
                stage.resolve(),
                read_only=launch.read_only,
                has_network=not launch.is_isolated,
            )
        else:
            environ["SAGEMAKER_BASE_DIR"] = str(tree)
        if launch.port is not None:
            environ["SAGEMAKER_BIND_TO_PORT"] = str(launch.port)
            # No container is around it: other machines would reach it too.
            environ["CROSSFOLD_LOCAL_ONLY"] = "true"
        return Command(
            words=tuple(words),
            environ={**environ, **launch.environment},
            folder=home,
            mark=mark_of_host(self._root, launch, host.name),
            is_inside=is_inside,
        )


def _end(hosts: Collection[ProcessHost]) -> None:
    """Kill hosts and see them end; it takes milliseconds, and happens hardly ever."""
    for _ in range(_LOOKS):
        for host in hosts:
            host.kill()
        if all(host.exit_code() is not None for host in hosts):
            return
        time.sleep(_LOOK_S)
