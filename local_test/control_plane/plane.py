"""The plane: all machines under one lock, moved on by ticks.

A server ticks by a thread, a simulation by hand with a clock of its own; nothing here knows which.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

from local_test.control_plane.api.calls import Calls, Operation
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.api.quotas import Admitted, check_quota
from local_test.control_plane.api.tags import Tags
from local_test.control_plane.api.training import TrainingApi
from local_test.control_plane.api.tuning import TuningApi
from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.last_lines import LastLines
from local_test.control_plane.settings import Settings
from local_test.control_plane.training.machine import TrainingJobs
from local_test.control_plane.training.ports import Executor, Journal, Stages, Telemetry
from local_test.control_plane.tuning.machine import TuningJobs
from local_test.control_plane.wire.rates import Rates


@dataclass(frozen=True, slots=True)
class World:
    """What the machines act on; a simulation's is made up."""

    clock: Clock
    executor: Executor
    stages: Stages
    telemetry: Telemetry
    journal: Journal


class Plane:
    """Jobs of all kinds, and the calls that create and change them."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.settings = settings
        self.world = world
        self.last_lines = LastLines(world.telemetry)
        self.training = TrainingJobs(
            clock=world.clock,
            executor=world.executor,
            stages=world.stages,
            telemetry=self.last_lines,
            journal=world.journal,
            faults=self.faults,
            timings=settings.timings,
        )
        self.tuning = TuningJobs(
            training=Admitted(self.training, settings.quotas),
            clock=world.clock,
            journal=world.journal,
            arn=partial(arn_of, settings.region),
        )
        self.tags = Tags(world.journal, self._is_known)
        self._calls = Calls(
            operations=self._operations(),
            rates=Rates(world.clock, published=settings.has_published_rates),
            faults=self.faults,
        )

    def call(self, operation: str, request: object) -> dict[str, Any]:
        """Carry out one call of SageMaker's API; see `Calls.call`."""
        with self.lock:
            return self._calls.call(operation, request)

    def tick(self) -> None:
        """Move every job on as far as it goes."""
        with self.lock:
            self.training.tick()
            self.tuning.tick()

    def interrupt(self, job_name: str) -> None:
        """Take a spot job's instances away, as the service may at any time."""
        with self.lock:
            self.training.interrupt(job_name)

    def restore(self) -> None:
        """Go on from what an earlier plane with the same root has left."""
        with self.lock:
            self.tags.restore()
            self.training.restore()
            self.tuning.restore()

    def close(self) -> bool:
        """End every job; call it until it returns True: nothing runs any more."""
        with self.lock:
            return self.training.close()

    def _operations(self) -> dict[str, Operation]:
        region = self.settings.region
        training = TrainingApi(
            jobs=self.training,
            tags=self.tags,
            clock=self.world.clock,
            region=region,
            lag_s=self.settings.lag_s,
            admit=lambda request: check_quota(self.settings.quotas, self.training.all(), request),
        )
        tuning = TuningApi(self.tuning, self.training, self.tags, self.world.clock, region)
        return {
            "CreateTrainingJob": training.create,
            "DescribeTrainingJob": training.describe,
            "ListTrainingJobs": training.list,
            "StopTrainingJob": training.stop,
            "CreateHyperParameterTuningJob": tuning.create,
            "DescribeHyperParameterTuningJob": tuning.describe,
            "ListHyperParameterTuningJobs": tuning.list,
            "ListTrainingJobsForHyperParameterTuningJob": tuning.list_trials,
            "StopHyperParameterTuningJob": tuning.stop,
            "AddTags": self.tags.add,
            "ListTags": self.tags.list,
            "DeleteTags": self.tags.delete,
        }

    def _is_known(self, arn: str) -> bool:
        arns = [job.arn for job in self.training.all()] + [job.arn for job in self.tuning.all()]
        return arn in arns
