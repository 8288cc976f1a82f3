"""What the machine of processing jobs needs from the world, beside the executor of containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.training.ports import Launch, Work


@dataclass(frozen=True, slots=True)
class Left:
    """What the containers left beside their outputs: their message, None where there is none."""

    message: str | None


class ProcessingStages(Protocol):
    """The work before and after the containers."""

    def prepare(self, job: ProcessingJob) -> Work[Launch]:
        """Build ``/opt/ml`` of every host, inputs included."""
        ...

    def sync(self, job: ProcessingJob) -> Work[bool]:
        """Copy what is new in the continuous outputs; the result is True."""
        ...

    def finish(self, job: ProcessingJob, *, with_outputs: bool) -> Work[Left]:
        """Upload the outputs, those for the end of the job only if `with_outputs`.

        The work raises ClientFault where the containers' message is no UTF-8.
        """
        ...

    def forget(self, job: ProcessingJob) -> None:
        """Keep no inputs of a job that was to be prepared and comes to no `finish`."""
        ...


class ProcessingLogs(Protocol):
    """Where log lines go."""

    def lines(self, job_name: str, host: str, lines: Sequence[tuple[float, str]]) -> None:
        """Append (time, text) lines to the host's log stream."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessingDoors:
    """All of it; a world without it has no processing jobs."""

    stages: ProcessingStages
    logs: ProcessingLogs
