"""Servers of models on this machine: the model's files, the container, ``/ping`` until it is 200.

Knows the executor by its port, folders and the store, no endpoint and no batch job.  A server's
folder is ``<root>/servers/<name>/{ml,log}``; nothing of it is kept.

Source: AWS docs, 'Use Your Own Inference Code with Hosting Services' (``/ping`` within eight
minutes, each try two seconds; SIGTERM, 30 seconds, SIGKILL; the model is read-only) and 'Container
Contract for Multi-Model Endpoints' (models below ``/opt/ml/models``).
"""

from __future__ import annotations

import http.client
import logging
import shutil
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_test.control_plane.clock import Clock
from local_test.control_plane.hosting.ports import ServerLaunch, ServerState
from local_test.control_plane.hosts.opt_ml import OPT_ML
from local_test.control_plane.listening import hold_port
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.journal import file_name
from local_test.control_plane.storage.models import fetch_model, model_exists
from local_test.control_plane.training.ports import (
    ClientFault,
    Containers,
    Executor,
    Host,
    Launch,
    PlatformFault,
)

GRACE_S = 30.0

_HOST = "serve"
_PING_S = 2.0
# How many make a server unhealthy is not documented; at every 10 seconds it is a minute.
_MISSES = 6
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
_OK = 200
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServersWorld:
    """What servers are made of.

    Attributes
    ----------
    root : Path
        The plane's folder.
    store : Store
    executor : Executor
    clock : Clock
    environment : callable
        Gives a server's variables.
    opt_ml : callable
        Given a server's folder, its ``/opt/ml`` by the name that its container knows.
    grace_s : float
        Seconds from SIGTERM to SIGKILL.
    """

    root: Path
    store: Store
    executor: Executor
    clock: Clock
    environment: Callable[[ServerLaunch], Mapping[str, str]]
    opt_ml: Callable[[Path], str] = lambda _folder: OPT_ML
    grace_s: float = GRACE_S


class LocalServers:
    """Implements hosting's ModelServers and ModelData."""

    def __init__(self, world: ServersWorld) -> None:
        self._world = world
        self._folder = world.root / "servers"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._servers: list[_Server] = []

    def start(self, launch: ServerLaunch) -> _Server:
        self._servers = [each for each in self._servers if each.state() != "ended"]
        folder = self._folder / file_name(launch.name)
        server = _Server(launch, folder, self._world, held=self._hold_port())
        self._servers.append(server)
        return server

    def exists(self, url: str) -> bool:
        return model_exists(self._world.store, url)

    def place(self, url: str, *, server: str, model_name: str) -> str:
        opt_ml = self._folder / file_name(server) / "ml"
        folder = opt_ml / "models" / file_name(model_name) / "model"
        if not folder.exists():
            fetch_model(self._world.store, url, folder, is_packed=True)
        return f"{self._world.opt_ml(opt_ml)}/{folder.relative_to(opt_ml)}"

    def hasten(self, grace_s: float) -> None:
        """Let no server have longer than `grace_s` seconds from now on: the plane ends."""
        for server in self._servers:
            server.grace_s = min(server.grace_s, grace_s)

    def close(self) -> None:
        """Remove what the servers, which have all ended, have left on the disk."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _hold_port(self) -> tuple[int, socket.socket]:
        """Return a port that no server has: one that starts does not listen yet."""
        taken = {each.port for each in self._servers}
        while True:
            port, holder = hold_port()
            if port not in taken:
                return port, holder
            holder.close()


class _Server:
    """One server; a thread brings it up, all else happens where it is asked for its state.

    `held` is its port, and what keeps others from it.
    """

    def __init__(
        self,
        launch: ServerLaunch,
        folder: Path,
        world: ServersWorld,
        *,
        held: tuple[int, socket.socket],
    ) -> None:
        self.port, self._holder = held
        self.grace_s = world.grace_s
        self._launch = launch
        self._folder = folder
        self._world = world
        self._state: ServerState = "starting"
        self._reason: str | None = None
        self._containers: Containers | None = None
        self._code: int | None = None
        self._is_removed = False
        self._lock = threading.Lock()
        self._stopped_at: float | None = None
        # Tells the thread that nobody waits for it any more.
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._begin, name="server", daemon=True)
        self._thread.start()

    def state(self) -> ServerState:
        self._look()
        if self._stopped_at is not None:
            self._press(self._stopped_at)
        return self._state

    def reason(self) -> str | None:
        return self._reason

    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> Sequence[bytes]:
        if self._is_removed:
            return []
        said = [data for _, data in self._containers.output()] if self._containers else []
        if not said and self._state == "ended":
            # A model may be many files, and whoever asks holds the plane's lock.
            self._is_removed = True
            threading.Thread(target=_remove, args=(self._folder,), daemon=True).start()
        return said

    def stop(self) -> None:
        if self._stopped_at is None:
            self._stopped_at = self._world.clock.now()
            self._is_over.set()
            self._terminate()

    def _begin(self) -> None:
        """Bring it up; runs in the thread."""
        with self._holder:
            self._bring_up()

    def _bring_up(self) -> None:
        try:
            launch = self._prepare()
            if self._is_over.is_set():
                return
            self._containers = self._world.executor.start(launch)
            # It may have been stopped in between.
            if self._is_over.is_set():
                self._terminate()
            elif self._pings():
                self._be_ready()
                self._watch()
            elif not self._is_over.is_set():
                self._fail(self._unhealthy())
        except (ClientFault, PlatformFault) as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is why there is no server
            _LOG.exception("server %s could not be started", self._launch.name)
            self._fail(f"InternalServerError: {type(error).__name__}: {error}")

    def _prepare(self) -> Launch:
        launch, opt_ml = self._launch, self._folder / "ml"
        shutil.rmtree(self._folder, ignore_errors=True)
        models = "models" if launch.is_multi_model else "model"
        opt_ml.mkdir(parents=True)
        if launch.model_data_url is None or launch.is_multi_model:
            (opt_ml / models).mkdir()
        else:
            url = launch.model_data_url
            fetch_model(self._world.store, url, opt_ml / models, is_packed=launch.is_packed)
        if launch.is_isolated:
            _LOG.warning(
                "%s is isolated: it has no credentials, but its network is not taken away",
                launch.name,
            )
        return Launch(
            job_name=launch.name,
            attempt=1,
            image=launch.image,
            entrypoint=(),
            arguments=("serve",),
            environment=self._world.environment(launch),
            hosts=(Host(_HOST, opt_ml, self._folder / "log"),),
            read_only=(models,),
            is_isolated=False,
            port=self.port,
        )

    def _pings(self) -> bool:
        """Ask until it answers 200, it is stopped or has ended, or its time is over."""
        deadline = self._world.clock.now() + self._launch.ping_within_s
        pause = _FIRST_PAUSE_S
        while not self._is_over.wait(pause):
            if self._is_healthy():
                return True
            if self._world.clock.now() >= deadline:
                return False
            pause = min(1.5 * pause, _LONGEST_PAUSE_S)
        return False

    def _watch(self) -> None:
        """Go on asking, where that is wanted, until it has failed or is stopped."""
        every_s, misses = self._launch.ping_every_s, 0
        while every_s is not None and not self._is_over.wait(every_s):
            misses = 0 if self._is_healthy() else misses + 1
            if misses == _MISSES:
                self._fail(self._unhealthy())

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PING_S)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == _OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _look(self) -> None:
        """See whether the container has ended."""
        if self._containers is None or self._code is not None:
            return
        try:
            self._code = self._containers.exit_codes()[_HOST]
        except PlatformFault as error:
            self._fail(str(error))
            return
        if self._code is not None and self._stopped_at is None:
            self._fail(self._unhealthy())

    def _press(self, stopped_at: float) -> None:
        """Go on ending it."""
        if self._containers is not None and self._code is None:
            if self._world.clock.now() >= stopped_at + self.grace_s:
                self._containers.kill()
        elif not self._thread.is_alive():
            self._state = "ended"

    def _terminate(self) -> None:
        if self._containers is not None and self._code is None:
            self._containers.terminate()

    def _be_ready(self) -> None:
        with self._lock:
            # It may have ended since it answered.
            if self._state == "starting":
                self._state = "ready"

    def _fail(self, reason: str) -> None:
        with self._lock:
            if self._state in {"starting", "ready"}:
                self._state, self._reason = "failed", reason
        self._is_over.set()

    def _unhealthy(self) -> str:
        return (
            f"{self._launch.title} did not pass the ping health check. Please check CloudWatch "
            f"logs for this {self._launch.owner}."
        )


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
