"""One live training job driven through its phases; it asks and never waits.

It knows the phases by name and nothing of other jobs or of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from local_test.control_plane.training import execution, finishing, provisioning
from local_test.control_plane.training.course import Course, Phase, World
from local_test.control_plane.training.ports import ClientFault, Containers, PlatformFault
from local_test.control_plane.training.record import StopCause, TrainingJob

_PHASES: Mapping[Phase, Callable[[Course], Phase | None]] = MappingProxyType(
    {
        "requesting": provisioning.request_instances,
        "waiting": provisioning.await_instances,
        "downloading": provisioning.download,
        "training": execution.train,
        "ending": execution.end_containers,
        "draining": execution.drain,
        "interrupted": finishing.interrupt,
        "saving": finishing.save_checkpoint,
        "uploading": finishing.upload,
        "discarding": execution.discard,
        "stopping": provisioning.stop_before_training,
    }
)


class Run:
    """One live job: `step` it until its record is no longer live."""

    def __init__(self, job: TrainingJob, world: World) -> None:
        self.job = job
        self._course = Course(job, world)
        self._phase: Phase = "requesting"

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return not self.job.is_live

    @property
    def containers(self) -> Containers | None:
        """The containers that may still run."""
        attempt = self._course.attempt
        return attempt.containers if attempt is not None else None

    @property
    def can_be_interrupted(self) -> bool:
        """Whether the containers run and nothing ends them yet."""
        return self._phase == "training" and self.job.stop_cause is None

    def step(self) -> None:
        """Advance as far as it goes now."""
        self._course.count_time()
        while self._phase != "over":
            following = self._next()
            if following is None:
                return
            self._phase = following

    def stop(self, cause: StopCause) -> None:
        """Take note of a stop; the first cause stands."""
        self._course.stop(cause)

    def interrupt(self) -> None:
        """Take note of a spot interruption."""
        assert self.can_be_interrupted
        self._course.is_interrupted = True

    def fail(self, reason: str) -> None:
        """End the job as failed now; its containers, if any, are the caller's to end."""
        if self._phase != "over" and self.job.is_live:
            self._phase = self._course.fail(reason)

    def _next(self) -> Phase | None:
        try:
            return _PHASES[self._phase](self._course)
        except (ClientFault, PlatformFault) as fault:
            return self._break(fault)

    def _break(self, fault: ClientFault | PlatformFault) -> Phase:
        """Discard what runs before the fault is answered."""
        course = self._course
        course.count_time(is_over=True)
        if course.attempt is None:
            return finishing.recover(course, fault)
        course.fault = fault
        course.attempt.end_now()
        return "discarding"
