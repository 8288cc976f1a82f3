"""A plane's training jobs in virtual time, and requests for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local_test.control_plane.clock import VirtualClock
from local_test.control_plane.faults import Faults
from local_test.control_plane.training.machine import Timings, TrainingJobs
from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import (
    MemoryJournal,
    RecordingTelemetry,
    Script,
    SimulatedExecutor,
    SimulatedStages,
)

ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/"

Plan = Callable[[Launch], Script]


def training_request(name: str = "demo", **changes: Any) -> dict[str, Any]:
    """Return a small CreateTrainingJob request; None removes a member."""
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": "crossfold:latest",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "auc", "Regex": r"auc=([0-9.eE+-]+|nan|inf)"}],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/training",
        "OutputDataConfig": {"S3OutputPath": "s3://results/jobs"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    merged = {**request, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def spot_request(name: str = "demo", *, max_wait_s: int = 7200, **changes: Any) -> dict[str, Any]:
    """Return a request for a managed spot job with checkpoints."""
    condition = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": max_wait_s}
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": condition,
        "CheckpointConfig": {"S3Uri": "s3://results/checkpoints"},
    }
    return training_request(name, **{**spot, **changes})


class TrainingWorld:
    """Simulated ports around the real machine."""

    def __init__(
        self, plan: Plan | Script, *, timings: Timings | None = None, **stages: Any
    ) -> None:
        script = plan
        self.clock = VirtualClock()
        self.executor = SimulatedExecutor(
            self.clock, (lambda _launch: script) if isinstance(script, Script) else script
        )
        self.stages = SimulatedStages(self.clock, **stages)
        self.telemetry = RecordingTelemetry()
        self.journal = MemoryJournal()
        self.faults = Faults()
        self.timings = timings or Timings()
        self.start = self.clock.now()
        self.jobs = self.new_plane()

    def new_plane(self) -> TrainingJobs:
        """Return a machine over the same ports, as after a restart; the old one stays."""
        self.jobs = TrainingJobs(
            clock=self.clock,
            executor=self.executor,
            stages=self.stages,
            telemetry=self.telemetry,
            journal=self.journal,
            faults=self.faults,
            timings=self.timings,
        )
        return self.jobs

    def create(self, request: dict[str, Any] | None = None) -> TrainingJob:
        """Create the job of a request."""
        request = request or training_request()
        return self.jobs.create(request, arn=ARN + request["TrainingJobName"])

    def run(self, seconds: float, *, step: float = 1.0) -> None:
        """Tick, and move on by steps until the time has passed; the last moment is ticked too."""
        end = self.clock.now() + seconds
        self.jobs.tick()
        while self.clock.now() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.now()))
            self.jobs.tick()


def secondaries(job: TrainingJob) -> list[str]:
    """Return the secondary statuses that a job went through."""
    return [each.status for each in job.transitions]
