"""Tuning jobs on real training jobs in virtual time, for the tests of tuning."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
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
from local_test.control_plane.tuning.describe import describe
from local_test.control_plane.tuning.machine import TuningJobs
from local_test.control_plane.tuning.record import TuningJob

METRIC = "validation:rmse"
UNIT_RANGE = {
    "ContinuousParameterRanges": [
        {"Name": "x", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}
    ]
}

# Given a trial's hyperparameters and its number: what its container does.
Behaviour = Callable[[Mapping[str, str], int], Script]


def emitting(*values: float, every_s: float = 10.0, exit_code: int = 0) -> Script:
    """Return a script that shows a value of the objective every so often, then exits."""
    return Script(
        lines=tuple(
            ((place + 1) * every_s, f"validation:rmse={value!r};")
            for place, value in enumerate(values)
        ),
        exits_s=(len(values) + 1) * every_s,
        exit_code=exit_code,
        term_s=1.0,
    )


def tuning_request(name: str = "tune", **config: Any) -> dict[str, Any]:
    """Build a request; keywords replace members of HyperParameterTuningJobConfig."""
    limits = {
        "MaxNumberOfTrainingJobs": config.pop("jobs", 6),
        "MaxParallelTrainingJobs": config.pop("parallel", 2),
    }
    if limits["MaxNumberOfTrainingJobs"] is None:
        del limits["MaxNumberOfTrainingJobs"]
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
            "ResourceLimits": limits,
            "ParameterRanges": UNIT_RANGE,
            "RandomSeed": 7,
            **config,
        },
        "TrainingJobDefinition": training_definition(),
    }


def training_definition(**members: Any) -> dict[str, Any]:
    """Build a training job definition; keywords replace members."""
    return {
        "StaticHyperParameters": {"num_round": "40"},
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/ours:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": METRIC, "Regex": "validation:rmse=([-+0-9.e]+);"}],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/sagemaker",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "HyperParameterTuningResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        **members,
    }


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:us-east-1:123456789012:{kind}/{name}"


class TuningWorld:
    """A plane without its server: training and tuning jobs on one virtual clock."""

    def __init__(
        self,
        behaviour: Behaviour,
        journal: MemoryJournal | None = None,
        clock: VirtualClock | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.journal = journal or MemoryJournal()
        self.behaviour = behaviour
        self.executor = SimulatedExecutor(self.clock, self._script)
        self.stages = SimulatedStages(self.clock)
        self.most_running = 0
        self.training = TrainingJobs(
            clock=self.clock,
            executor=self.executor,
            stages=self.stages,
            telemetry=RecordingTelemetry(),
            journal=self.journal,
            faults=Faults(),
            timings=Timings(),
        )
        self.tuning = TuningJobs(
            training=self.training, clock=self.clock, journal=self.journal, arn=arn
        )

    def restarted(self) -> TuningWorld:
        """Return the world that a plane finds which starts on this one's journal."""
        world = TuningWorld(self.behaviour, copy.deepcopy(self.journal), self.clock)
        world.training.restore()
        world.tuning.restore()
        return world

    def create(self, request: dict[str, Any]) -> TuningJob:
        name = request["HyperParameterTuningJobName"]
        return self.tuning.create(request, arn("hyper-parameter-tuning-job", name))

    def run(self, job: TuningJob, limit_s: float = 1e6, step_s: float = 1.0) -> TuningJob:
        """Let time pass until a job has ended, or for so many seconds."""
        until = self.clock.now() + limit_s
        while job.is_live and self.clock.now() < until:
            self.tick()
            self.clock.advance(step_s)
        return job

    def tick(self) -> None:
        self.training.tick()
        self.tuning.tick()
        self.most_running = max(self.most_running, len(self.executor.running()))

    def tune(self, request: dict[str, Any]) -> TuningJob:
        """Create a tuning job and run it to its end."""
        job = self.run(self.create(request))
        assert not job.is_live
        assert not self.executor.running()
        return job

    def describe(self, job: TuningJob) -> dict[str, Any]:
        return describe(
            job, training=self.look_up_training, tuning=self.tuning.get, now=self.clock.now()
        )

    def look_up_training(self, name: str) -> TrainingJob | None:
        return next((job for job in self.training.all() if job.name == name), None)

    def _script(self, launch: Launch) -> Script:
        hyperparameters = self.training.get(launch.job_name).request["HyperParameters"]
        return self.behaviour(hyperparameters, int(launch.job_name.split("-")[-2]))
