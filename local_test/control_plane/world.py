"""What a plane acts on, and the machines that need no more than that and its settings."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

from local_test.control_plane.api.names import arn_of
from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.hosting.course import HostingWorld
from local_test.control_plane.hosting.house import Ground, Hosting
from local_test.control_plane.hosting.model_definition import FindPackage
from local_test.control_plane.hosting.models import Models
from local_test.control_plane.hosting.ports import LogStreams, ModelData, ModelServers
from local_test.control_plane.processing.machine import ProcessingJobs
from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.settings import Settings
from local_test.control_plane.training.machine import TrainingJobs
from local_test.control_plane.training.ports import Executor, Stages, Telemetry
from local_test.control_plane.transform.machine import TransformJobs
from local_test.control_plane.transform.machine import World as TransformWorld
from local_test.control_plane.transform.ports import TransformStages


@dataclass(frozen=True, slots=True)
class World:
    """What the machines act on; a simulation's is made up, and need not serve models."""

    clock: Clock
    executor: Executor
    stages: Stages
    telemetry: Telemetry
    journal: Journal
    servers: ModelServers | None = None
    model_data: ModelData | None = None
    logs: LogStreams | None = None
    transform_stages: TransformStages | None = None
    processing: ProcessingDoors | None = None


@dataclass(frozen=True, slots=True)
class Making:
    """Makes machines; one for which the world has no doors is None."""

    world: World
    settings: Settings
    faults: Faults

    def training(self, telemetry: Telemetry) -> TrainingJobs:
        """Make the training jobs, whose lines and values go to `telemetry`."""
        return TrainingJobs(
            clock=self.world.clock,
            executor=self.world.executor,
            stages=self.world.stages,
            telemetry=telemetry,
            journal=self.world.journal,
            faults=self.faults,
            timings=self.settings.timings,
        )

    def hosting(self, find_package: FindPackage) -> Hosting:
        """Make models, configurations and endpoints."""
        world, data = self.world, self.world.model_data
        ground = Ground(
            clock=world.clock,
            journal=world.journal,
            arn=partial(arn_of, self.settings.region),
            has_data=lambda url: data is None or data.exists(url),
            find_package=find_package,
        )
        served = None
        if world.servers is not None and world.logs is not None:
            served = HostingWorld(
                clock=world.clock,
                journal=world.journal,
                servers=world.servers,
                logs=world.logs,
                faults=self.faults,
                starting_s=self.settings.timings.starting_s,
            )
        # The same requests reach the same variants in every rehearsal.
        return Hosting(ground, served, draw=random.Random(0).random)  # noqa: S311 - no secret

    def transform(self, models: Models) -> TransformJobs | None:
        """Make the transform jobs."""
        world = self.world
        if world.servers is None or world.logs is None or world.transform_stages is None:
            return None
        return TransformJobs(
            world=TransformWorld(
                clock=world.clock,
                servers=world.servers,
                stages=world.transform_stages,
                logs=world.logs,
                faults=self.faults,
                starting_s=self.settings.timings.starting_s,
            ),
            journal=world.journal,
            find_model=models.get,
        )

    def processing(self) -> ProcessingJobs | None:
        """Make the processing jobs."""
        world = self.world
        if world.processing is None:
            return None
        return ProcessingJobs(
            clock=world.clock,
            executor=world.executor,
            doors=world.processing,
            journal=world.journal,
            faults=self.faults,
            timings=self.settings.timings,
        )
