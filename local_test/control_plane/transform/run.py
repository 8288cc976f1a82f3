"""One live transform job: its servers, its shares, and how it ends.

It moves the record and knows no other job.  Source: AWS docs, 'How Amazon SageMaker Runs Your Code
with Batch Transform'; API reference, StopTransformJob, TransformResources.  Not documented: files
are dealt out to the instances in the order of their keys; instances that get none are not started
here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.hosting.model_definition import launch_of
from local_test.control_plane.hosting.ports import (
    LogStreams,
    ModelServer,
    ModelServers,
    ServerLaunch,
)
from local_test.control_plane.hosting.record import Model
from local_test.control_plane.training.failure import (
    CAPACITY,
    LIMIT,
    client_error,
    internal_error,
)
from local_test.control_plane.training.lines import LineSplitter
from local_test.control_plane.training.ports import ClientFault, PlatformFault, Work
from local_test.control_plane.transform.execution import variables
from local_test.control_plane.transform.failure import FileFault, reason
from local_test.control_plane.transform.ports import (
    GROUP,
    Input,
    RunningShare,
    TransformStages,
)
from local_test.control_plane.transform.record import Status, TransformJob

Phase = Literal["looking", "starting", "transforming", "ending", "over"]

_UNKNOWN = "the model's server ended without a word"
_ON_DEMAND = "the platform failed while the servers ran (injected fault)"


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the machine that a job's course needs.

    `starting_s` is how long instances take to be there, in seconds.
    """

    clock: Clock
    servers: ModelServers
    stages: TransformStages
    logs: LogStreams
    faults: Faults
    starting_s: float = 0.0


@dataclass(slots=True)
class _Instance:
    """One host of the job."""

    inputs: Sequence[Input]
    server: ModelServer
    stream: str
    splitter: LineSplitter = field(default_factory=LineSplitter)
    share: RunningShare | None = None
    faults: list[FileFault] | None = None

    def lines(self, *, is_last: bool) -> list[str]:
        """Return what the server has written since the last call, and its rest at the end."""
        lines: list[str] = []
        while data := self.server.output():
            lines += [text for each in data for text in self.splitter.feed(each)]
            if not is_last:
                return lines
        return lines + (self.splitter.flush() if is_last else [])

    def settle(self) -> bool:
        """Return whether its share has ended; a share that failed as a whole has ended too."""
        if self.share is not None and self.faults is None:
            self.faults = self.share.poll()
        return self.share is None or self.faults is not None


class Run:
    """A job that is under way; `model` is what it asks for."""

    def __init__(self, job: TransformJob, model: Model, world: World) -> None:
        self.job = job
        self._model = model
        self._world = world
        self._phase: Phase = "looking"
        self._looking: Work[tuple[Input, ...]] | None = None
        self._instances: list[_Instance] = []
        self._starts_at: float | None = None
        self._end: tuple[Status, str | None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job runs any more."""
        return self._phase == "over"

    def step(self) -> None:
        """Go on as far as it goes."""
        self._hand_on()
        phases: dict[Phase, Callable[[], None]] = {
            "looking": self._look,
            "starting": self._start,
            "transforming": self._transform,
            "ending": self._wait,
        }
        try:
            phases.get(self._phase, _nothing)()
        except ClientFault as fault:
            self.end("Failed", client_error(str(fault)))
        except PlatformFault as fault:
            self.end("Failed", internal_error(str(fault)))

    def stop(self) -> None:
        """Begin to stop; results that are already complete stay so."""
        if self._end is None:
            self.job.enter("Stopping", self._world.clock.now())
            self.end("Stopped", None)

    def end(self, status: Status, why: str | None) -> None:
        """Begin the end; the first one stands.  The job shows it when nothing of it runs."""
        if self._end is None:
            self._end = status, why
            if status != "Stopped":
                self.job.ended = self._world.clock.now()
        self._phase = "ending"
        for instance in self._instances:
            if instance.share is not None:
                instance.share.cancel()
            instance.server.stop()

    def abandon(self, why: str) -> None:
        """Fail at once, whatever still runs; `step` ends that."""
        self._end = None
        self.end("Failed", why)
        self._show_end()

    def give_up(self, why: str) -> None:
        """Answer a defect: fail at once, and where the job has failed already, try nothing more.

        A sweep at the next start of a plane finds what still runs then.
        """
        if self.job.is_live:
            self.abandon(why)
        else:
            self._phase = "over"

    def _look(self) -> None:
        if self._looking is None:
            role = str(self._model.request.get("ExecutionRoleArn", ""))
            self._looking = self._world.stages.inputs(self.job, role=role)
        inputs = self._looking.poll()
        if inputs is None or not self._has_instances():
            return
        if self._world.faults.take("capacity", name=self.job.name):
            self.end("Failed", CAPACITY)
            return
        self.job.started = self.job.modified = self._world.clock.now()
        count = min(self.job.request["TransformResources"]["InstanceCount"], len(inputs))
        self._phase = "starting"
        for number in range(count):
            server = self._world.servers.start(self._launch(number))
            stream = _stream(self.job, number)
            self._instances.append(_Instance(inputs[number::count], server, stream))

    def _has_instances(self) -> bool:
        if self._starts_at is None:
            slow = self._world.faults.take("slow_start", name=self.job.name)
            extra_s = slow.seconds if slow is not None else 0.0
            self._starts_at = self.job.created + self._world.starting_s + extra_s
        return self._world.clock.now() >= self._starts_at

    def _launch(self, number: int) -> ServerLaunch:
        request = self.job.request
        environment = {**request.get("Environment", {}), **variables(request)}
        name = f"transform-{self.job.name}-{number + 1}"
        launch = launch_of(self._model, name, environment=environment)
        return replace(launch, title="The model's container", owner="transform job")

    def _start(self) -> None:
        if self._has_lost_server():
            return
        if all(instance.server.state() == "ready" for instance in self._instances):
            self._phase = "transforming"
            for each in self._instances:
                each.share = self._world.stages.transform(
                    self.job, each.inputs, address=each.server.address()
                )

    def _transform(self) -> None:
        # First the shares: a server that ends after its last answer has done its work.
        settled = [instance.settle() for instance in self._instances]
        if self._world.faults.take("job_internal", name=self.job.name):
            raise PlatformFault(_ON_DEMAND)
        if not all(settled):
            self._has_lost_server()
            return
        faults = [fault for instance in self._instances for fault in instance.faults or ()]
        if faults:
            self.end("Failed", reason(faults))
        else:
            self.end("Completed", None)

    def _has_lost_server(self) -> bool:
        lost = [each for each in self._instances if each.server.state() in {"failed", "ended"}]
        if lost:
            self.end("Failed", _server_reason(lost[0].server.reason() or _UNKNOWN))
        return bool(lost)

    def _wait(self) -> None:
        settled = [_is_settled(instance) for instance in self._instances]
        if all(settled) and all(each.server.state() == "ended" for each in self._instances):
            self._hand_on(is_last=True)
            self._phase = "over"
            self._show_end()

    def _show_end(self) -> None:
        assert self._end is not None
        if self.job.is_live:
            status, self.job.failure_reason = self._end
            self.job.enter(status, self._world.clock.now())

    def _hand_on(self, *, is_last: bool = False) -> None:
        now = self._world.clock.now()
        for instance in self._instances:
            lines = [(now, text) for text in instance.lines(is_last=is_last)]
            self._world.logs.put_log_lines(GROUP, instance.stream, lines)
            if instance.share is not None:
                said = instance.share.said()
                self._world.logs.put_log_lines(GROUP, f"{instance.stream}/data-log", said)


def _is_settled(instance: _Instance) -> bool:
    """Whether a share has ended; how it ended decides nothing any more."""
    try:
        return instance.settle()
    except (ClientFault, PlatformFault):
        return True


def _stream(job: TransformJob, number: int) -> str:
    digest = hashlib.sha256(f"{job.name}/{number}".encode()).hexdigest()
    return f"{job.name}/i-{digest[:17]}-{int(job.created)}"


def _server_reason(text: str) -> str:
    kind = text.partition(":")[0]
    return (text if kind.endswith("Error") else f"AlgorithmError: {text}")[:LIMIT]


def _nothing() -> None:
    """Have nothing left to do."""
