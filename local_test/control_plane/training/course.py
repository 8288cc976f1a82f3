"""What is known of one live training job while it runs, and the world that its phases act on.

It moves the record and knows neither phases nor other jobs.  Source: AWS API reference,
'DescribeTrainingJob' (when the training time begins and ends) and 'StopTrainingJob'.  No price of
spot capacity is known here, so the billable time is the training time (not documented).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.training.attempt import Attempt
from local_test.control_plane.training.matching import Matcher
from local_test.control_plane.training.ports import (
    ClientFault,
    Executor,
    Launch,
    PlatformFault,
    Stages,
    Telemetry,
    Uploaded,
    Work,
)
from local_test.control_plane.training.record import Status, StopCause, TrainingJob
from local_test.control_plane.training.transitions import enter

Phase = Literal[
    "requesting",
    "waiting",
    "downloading",
    "training",
    "ending",
    "draining",
    "interrupted",
    "saving",
    "uploading",
    "discarding",
    "stopping",
    "over",
]
# Why the containers of an attempt end.
End = Literal["exited", "failed", "stopped", "interrupted"]

_STOPPED_AS: dict[StopCause, str] = {
    "asked": "Stopped",
    "early": "Stopped",
    "max_runtime": "MaxRuntimeExceeded",
    "max_wait": "MaxWaitTimeExceeded",
}


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the platform takes and waits, in seconds, not negative."""

    starting_s: float = 0.0
    stop_grace_s: float = 120.0
    spot_grace_s: float = 120.0
    checkpoint_every_s: float = 5.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the machine that a job's course needs."""

    clock: Clock
    executor: Executor
    stages: Stages
    telemetry: Telemetry
    faults: Faults
    timings: Timings
    matcher: Matcher


@dataclass(slots=True)
class Course:
    """A live job and what its phases hand to each other; it dies with the plane.

    `wait_until` is when the instances are there, `sync_at` when the next checkpoint is due;
    `end` and `exit_code` say how the containers of the newest attempt ended; `fault` is what broke
    them.  `instances_since` is set while instances are there, `earlier_s` counts the seconds of
    the attempts before.
    """

    job: TrainingJob
    world: World
    wait_until: float = 0.0
    preparing: Work[Launch] | None = None
    attempt: Attempt | None = None
    is_interrupted: bool = False
    end: End = "exited"
    exit_code: int = 0
    fault: ClientFault | PlatformFault | None = None
    syncing: Work[bool] | None = None
    sync_at: float = 0.0
    uploading: Work[Uploaded] | None = None
    instances_since: float | None = None
    instances_until: float | None = None
    earlier_s: float = 0.0

    @property
    def now(self) -> float:
        """The time, in seconds since 1970."""
        return self.world.clock.now()

    @property
    def running(self) -> Attempt:
        """The attempt whose containers run."""
        assert self.attempt is not None, f"no container of {self.job.name} runs"
        return self.attempt

    @property
    def has_checkpoints(self) -> bool:
        """Whether the request names a place for checkpoints."""
        return bool(self.job.request.get("CheckpointConfig"))

    def stop(self, cause: StopCause) -> None:
        """Take note of a stop; the first cause stands."""
        if self.job.stop_cause is None:
            self.job.stop_cause = cause
            enter(self.job, "Stopping", self.now, status="Stopping")

    def begin_time(self) -> None:
        """Begin to count the training time: instances are there."""
        now = self.now
        if self.job.training_started is None:
            self.job.training_started = now
        self.instances_since, self.instances_until = now, None

    def count_time(self, *, is_over: bool = False) -> None:
        """Bring the training time up to now; `is_over`: the attempt's instances are given back."""
        if self.instances_since is None:
            return
        now = self.now
        self.job.training_s = self.earlier_s + now - self.instances_since
        self.job.billable_s = self.job.training_s
        if is_over:
            self.earlier_s = self.job.training_s
            self.instances_since, self.instances_until = None, now

    def complete(self) -> Phase:
        """End the job well."""
        return self._finish("Completed", "Completed")

    def become_stopped(self) -> Phase:
        """End the job as stopped, for the cause that was noted."""
        assert self.job.stop_cause is not None
        return self._finish("Stopped", _STOPPED_AS[self.job.stop_cause])

    def fail(self, reason: str) -> Phase:
        """End the job as failed; a failed job's time ends when the failure was seen."""
        self.job.failure_reason = reason
        return self._finish("Failed", "Failed")

    def _finish(self, status: Status, secondary: str) -> Phase:
        self.count_time(is_over=True)
        enter(self.job, secondary, self.now, status=status)
        ended = self.instances_until if status == "Failed" else None
        self.job.training_ended = self.now if ended is None else ended
        return "over"
