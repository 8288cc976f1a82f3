"""One live processing job driven through its phases; it asks and never waits.

It knows nothing of other jobs or of the journal.  Sources: AWS docs, 'How Amazon SageMaker
Processing Runs Your Processing Container Image' (complete if all containers exit with 0, else
failed), 'Save and Access Metadata Information About Your Processing Job' (the message), API
reference, 'ProcessingStoppingCondition'.  The first of these has a stop begin with SIGINT; here it
is SIGTERM, time and SIGKILL, as in training and as ``docker stop`` does it.  Not documented: that
only a completed job's outputs are uploaded at its end; that the running time counts from the start
of the containers; the words of a failure, which are what users' reports show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from local_test.control_plane.processing.ports import Left
from local_test.control_plane.processing.record import ProcessingJob, Status, StopCause
from local_test.control_plane.processing.running import Running
from local_test.control_plane.processing.world import World
from local_test.control_plane.training import failure
from local_test.control_plane.training.ending import Exits
from local_test.control_plane.training.ports import (
    ClientFault,
    Containers,
    Launch,
    PlatformFault,
    Work,
)

Phase = Literal[
    "requesting",
    "waiting",
    "downloading",
    "running",
    "ending",
    "draining",
    "uploading",
    "discarding",
    "over",
]
# Why the containers end.
_End = Literal["exited", "failed", "stopped"]

_NO_MESSAGE = "See job logs for more information"


class Course:
    """One live job: `step` it until its record is no longer live."""

    def __init__(self, job: ProcessingJob, world: World) -> None:
        self.job = job
        self._world = world
        self._phase: Phase = "requesting"
        self._wait_until = 0.0
        self._preparing: Work[Launch] | None = None
        self._running: Running | None = None
        self._end: _End = "exited"
        self._exit_code = 0
        self._fault: ClientFault | PlatformFault | None = None
        self._finishing: Work[Left] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return not self.job.is_live

    @property
    def containers(self) -> Containers | None:
        """The containers that may still run."""
        return self._running.containers if self._running is not None else None

    def step(self) -> None:
        """Advance as far as it goes now."""
        while self._phase != "over":
            try:
                following = _PHASES[self._phase](self)
            except (ClientFault, PlatformFault) as fault:
                following = self._break(fault)
            if following is None:
                return
            self._phase = following

    def stop(self, cause: StopCause) -> None:
        """Take note of a stop; the first cause stands."""
        if self.job.stop_cause is None:
            self.job.stop_cause = cause
            self._become("Stopping")

    def fail(self, reason: str) -> None:
        """End the job as failed now; its containers, if any, are the caller's to end."""
        if self._phase != "over" and self.job.is_live:
            self._phase = self._fail(reason)

    def request(self) -> Phase | None:
        """Ask for capacity; what is injected decides whether and when there is any."""
        if self.job.stop_cause is not None:
            return self._finish("Stopped")
        faults = self._world.faults
        if faults.take("capacity", name=self.job.name):
            return self._fail(failure.CAPACITY)
        slow = faults.take("slow_start", name=self.job.name)
        self._wait_until = self._now + self._world.timings.starting_s
        self._wait_until += slow.seconds if slow is not None else 0.0
        return "waiting"

    def wait(self) -> Phase | None:
        """Wait for the instances, then begin the download."""
        if self.job.stop_cause is not None:
            return self._finish("Stopped")
        if self._now < self._wait_until:
            return None
        self._preparing = self._world.doors.stages.prepare(self.job)
        return "downloading"

    def download(self) -> Phase | None:
        """Wait for the data, then start the containers."""
        if self.job.stop_cause is not None:
            return self._finish("Stopped")
        assert self._preparing is not None
        launch = self._preparing.poll()
        if launch is None:
            return None
        self._running = Running(self.job, launch, self._world)
        self.job.started = self.job.modified = self._now
        return "running"

    def run(self) -> Phase | None:
        """Hand on output and continuous results until something ends the containers."""
        running = self._there
        exits = running.ending.exits()
        running.pump()
        if not exits.are_all and self._world.faults.take("job_internal", name=self.job.name):
            raise PlatformFault("the platform failed while the containers ran (injected fault)")
        end = self._what_ends(exits)
        if end is None:
            running.keep_up()
            return None
        self._end, self._exit_code = end, exits.failure or 0
        if not exits.are_all:
            running.ending.ask(self._world.timings.stop_grace_s)
        return "ending"

    def end(self) -> Phase | None:
        """Wait for the hosts to end, and kill them when their time is over."""
        running = self._there
        running.ending.press()
        exits = running.ending.exits()
        running.pump()
        if not exits.are_all:
            return None
        # What the first processes left behind ends with them, as in a container.
        running.ending.force()
        return "draining"

    def drain(self) -> Phase | None:
        """Hand on the last output, then begin to upload."""
        if not self._there.drain():
            return None
        self._running = None
        with_outputs = self._end == "exited"
        self._finishing = self._world.doors.stages.finish(self.job, with_outputs=with_outputs)
        return "uploading"

    def upload(self) -> Phase | None:
        """Wait for the upload, then end the job."""
        assert self._finishing is not None
        left = self._finishing.poll()
        if left is None:
            return None
        self.job.exit_message = left.message
        if self._end == "failed":
            return self._fail(_failure(left.message, self._exit_code))
        return self._finish("Completed" if self.job.stop_cause is None else "Stopped")

    def discard(self) -> Phase | None:
        """End the containers of a job that broke, without grace; then it has failed."""
        fault = self._fault
        assert fault is not None
        try:
            self._there.ending.press()
            if not self._there.ending.exits().are_all:
                self._there.pump()
                return None
        except (ClientFault, PlatformFault):
            pass  # the executor has lost them: there is nothing more to wait for
        self._running = None
        return self._answer(fault)

    @property
    def _now(self) -> float:
        return self._world.clock.now()

    @property
    def _there(self) -> Running:
        assert self._running is not None, f"no container of {self.job.name} runs"
        return self._running

    def _what_ends(self, exits: Exits) -> _End | None:
        if self.job.stop_cause is None:
            if exits.failure is not None:
                return "failed"
            if exits.are_all:
                return "exited"
            if not self._is_too_long():
                return None
            self.stop("max_runtime")
        return "stopped"

    def _is_too_long(self) -> bool:
        assert self.job.started is not None
        return self._now - self.job.started >= self.job.max_runtime_s

    def _break(self, fault: ClientFault | PlatformFault) -> Phase:
        """Discard what runs before the fault is answered."""
        if self._running is None:
            return self._answer(fault)
        self._fault = fault
        self._running.ending.force()
        return "discarding"

    def _answer(self, fault: ClientFault | PlatformFault) -> Phase:
        if isinstance(fault, ClientFault):
            return self._fail(failure.client_error(str(fault)))
        return self._fail(failure.internal_error(str(fault)))

    def _fail(self, reason: str) -> Phase:
        self.job.failure_reason = reason
        return self._finish("Failed")

    def _finish(self, status: Status) -> Phase:
        if self._preparing is not None and self._finishing is None:
            self._world.doors.stages.forget(self.job)
        self._become(status)
        self.job.ended = self._now
        return "over"

    def _become(self, status: Status) -> None:
        self.job.status = status
        self.job.modified = self._now


def _failure(message: str | None, exit_code: int) -> str:
    if message is None:
        return f"AlgorithmError: {_NO_MESSAGE}"
    return failure.algorithm_error(message, exit_code)


_PHASES: Mapping[Phase, Callable[[Course], Phase | None]] = MappingProxyType(
    {
        "requesting": Course.request,
        "waiting": Course.wait,
        "downloading": Course.download,
        "running": Course.run,
        "ending": Course.end,
        "draining": Course.drain,
        "uploading": Course.upload,
        "discarding": Course.discard,
    }
)
