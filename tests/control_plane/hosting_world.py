"""A plane whose servers of models follow scripts in virtual time, and requests for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_test.control_plane.clock import VirtualClock
from local_test.control_plane.hosting.instances import Instance
from local_test.control_plane.hosting.ports import ServerLaunch, ServerState
from local_test.control_plane.plane import Plane, World
from local_test.control_plane.settings import Settings
from local_test.control_plane.training.ports import ClientFault
from local_test.control_plane.training.simulated import (
    MemoryJournal,
    RecordingTelemetry,
    Script,
    SimulatedExecutor,
    SimulatedStages,
)

ROLE = "arn:aws:iam::123456789012:role/tester"
IMAGE = "image:1"
DATA = "s3://models/m/model.tar.gz"


@dataclass(frozen=True, slots=True)
class Life:
    """What becomes of a server, in seconds from its start; `tail` is its last, unfinished line."""

    ready_s: float = 2.0
    fails_s: float = math.inf
    reason: str = "it failed"
    ends_s: float = 1.0
    address: str = "http://127.0.0.1:1"
    lines: tuple[tuple[float, str], ...] = ()
    tail: str = ""


class ScriptedServer:
    """One server; what it has written comes in pieces of a few bytes."""

    def __init__(self, launch: ServerLaunch, life: Life, clock: VirtualClock) -> None:
        self.launch = launch
        self.life = life
        self.stopped_at: float | None = None
        self._clock = clock
        self._start = clock.now()
        self._read = 0

    def state(self) -> ServerState:
        age = self._clock.now() - self._start
        if self.stopped_at is not None and self._clock.now() >= self.stopped_at + self.life.ends_s:
            return "ended"
        if age >= self.life.fails_s:
            return "failed"
        return "ready" if age >= self.life.ready_s else "starting"

    def reason(self) -> str | None:
        return self.life.reason if self.state() == "failed" else None

    def address(self) -> str:
        return self.life.address

    def output(self) -> Sequence[bytes]:
        age = self._clock.now() - self._start
        due = "".join(f"{text}\n" for at, text in self.life.lines if at <= age)
        due += self.life.tail if self.state() == "ended" else ""
        new, self._read = due[self._read : self._read + 5], min(len(due), self._read + 5)
        return [new.encode()] if new else []

    def stop(self) -> None:
        if self.stopped_at is None:
            self.stopped_at = self._clock.now()


@dataclass
class ScriptedServers:
    """Implements hosting's ModelServers and ModelData; `keys` are the URLs that there are.

    `plan` is how every server lives, or gives how the one of a launch does.
    """

    clock: VirtualClock
    plan: Callable[[ServerLaunch], Life] | Life
    keys: set[str] = field(default_factory=lambda: {DATA})
    started: list[ScriptedServer] = field(default_factory=list)
    placed: list[tuple[str, str, str]] = field(default_factory=list)

    def start(self, launch: ServerLaunch) -> ScriptedServer:
        running = {each.launch.name for each in self.running()}
        assert launch.name not in running, "a name of a server that runs"
        life = self.plan if isinstance(self.plan, Life) else self.plan(launch)
        self.started.append(ScriptedServer(launch, life, self.clock))
        return self.started[-1]

    def running(self) -> list[ScriptedServer]:
        """Return the servers that have not ended."""
        return [each for each in self.started if each.state() != "ended"]

    def exists(self, url: str) -> bool:
        return any(key == url or key.startswith(f"{url.rstrip('/')}/") for key in self.keys)

    def place(self, url: str, *, server: str, model_name: str) -> str:
        if url not in self.keys:
            raise ClientFault(f"there is no {url}")
        self.placed.append((url, server, model_name))
        return f"/opt/ml/models/{model_name}/model"


class Logs:
    """Keeps lines by group and stream."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], list[str]] = {}

    def put_log_lines(self, group: str, stream: str, lines: Sequence[tuple[float, str]]) -> None:
        self.lines.setdefault((group, stream), []).extend(text for _, text in lines)


def served_world(
    clock: VirtualClock, servers: ScriptedServers, logs: Logs, journal: MemoryJournal
) -> World:
    """Return a world that serves models; its training jobs end after a second."""
    return World(
        clock=clock,
        executor=SimulatedExecutor(clock, lambda _launch: Script(exits_s=1.0)),
        stages=SimulatedStages(clock),
        telemetry=RecordingTelemetry(),
        journal=journal,
        servers=servers,
        model_data=servers,
        logs=logs,
    )


class HostingPlane:
    """A plane with one model `m`; it is restarted on the same journal."""

    def __init__(
        self,
        plan: Callable[[ServerLaunch], Life] | Life | None = None,
        *,
        journal: MemoryJournal | None = None,
        **settings: Any,
    ) -> None:
        self.clock = VirtualClock()
        self.servers = ScriptedServers(self.clock, plan if plan is not None else Life())
        self.logs = Logs()
        self.journal = journal or MemoryJournal()
        world = served_world(self.clock, self.servers, self.logs, self.journal)
        self.plane = Plane(world, Settings(root=Path("/nowhere"), **settings))
        self.plane.restore()

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Carry out one call."""
        return self.plane.call(operation, request)

    def run(self, seconds: float, *, step: float = 0.5) -> None:
        """Tick each `step` seconds."""
        end = self.clock.now() + seconds
        self.plane.tick()
        while self.clock.now() < end:
            self.clock.advance(step)
            self.plane.tick()

    def model(self, name: str = "m", **container: Any) -> None:
        """Create a model; keywords are members of its container."""
        whole = {"Image": IMAGE, "ModelDataUrl": DATA, **container}
        self.call("CreateModel", ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=whole)

    def config(self, name: str, *variants: dict[str, Any]) -> None:
        """Create an endpoint configuration; without variants it has one of model `m`."""
        made = variants or (variant(),)
        self.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=list(made))

    def endpoint(self, name: str = "e", config: str = "c") -> None:
        """Create an endpoint."""
        self.call("CreateEndpoint", EndpointName=name, EndpointConfigName=config)

    def deploy(self, *variants: dict[str, Any], name: str = "e") -> None:
        """Create model `m`, a configuration and an endpoint that is in service."""
        self.model()
        self.config("c", *variants)
        self.endpoint(name)
        self.run(4)
        assert self.status(name) == "InService", self.described(name)

    def pick(self, variant: str | None = None) -> Instance | None:
        """Return the instance of endpoint `e` whose turn it is, None where none is ready."""
        assert self.plane.endpoints is not None
        return self.plane.endpoints.pick("e", variant)

    def picked(self, variant: str | None = None) -> Instance:
        """Return the same, where there must be one."""
        instance = self.pick(variant)
        assert instance is not None
        return instance

    def described(self, name: str = "e") -> dict[str, Any]:
        """Return what DescribeEndpoint says."""
        return self.call("DescribeEndpoint", EndpointName=name)

    def status(self, name: str = "e") -> str:
        """Return an endpoint's status."""
        return str(self.described(name)["EndpointStatus"])


def variant(name: str = "AllTraffic", model: str = "m", **members: Any) -> dict[str, Any]:
    """Return one production variant."""
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        **members,
    }
