"""The plane: all machines under one lock, moved on by ticks.

A server ticks by a thread, a simulation by hand with a clock of its own; nothing here knows which.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

from local_test.control_plane.api.calls import Calls, Operation
from local_test.control_plane.api.endpoint_configs import EndpointConfigApi
from local_test.control_plane.api.endpoints import EndpointApi
from local_test.control_plane.api.models import ModelApi
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.api.processing import ProcessingApi
from local_test.control_plane.api.quotas import Admitted, check_quota
from local_test.control_plane.api.registry import RegistryApi
from local_test.control_plane.api.search import SearchApi
from local_test.control_plane.api.tags import Tags
from local_test.control_plane.api.training import TrainingApi
from local_test.control_plane.api.transform import TransformApi
from local_test.control_plane.api.tuning import TuningApi
from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.fold_scores import FoldScores
from local_test.control_plane.hosting.course import HostingWorld
from local_test.control_plane.hosting.house import Ground, Hosting
from local_test.control_plane.hosting.ports import LogStreams, ModelData, ModelServers
from local_test.control_plane.last_lines import LastLines
from local_test.control_plane.processing.machine import ProcessingJobs
from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.registry.machine import Registry
from local_test.control_plane.search.finding import Searched
from local_test.control_plane.settings import Settings
from local_test.control_plane.training.machine import TrainingJobs
from local_test.control_plane.training.ports import Executor, Journal, Stages, Telemetry
from local_test.control_plane.transform.machine import TransformJobs
from local_test.control_plane.transform.machine import World as TransformWorld
from local_test.control_plane.transform.ports import TransformStages
from local_test.control_plane.tuning.machine import TuningJobs
from local_test.control_plane.wire.rates import Rates


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


class Plane:
    """Jobs of all kinds, and the calls that create and change them."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.settings = settings
        self.world = world
        self.fold_scores = FoldScores(world.telemetry, world.journal)
        self.last_lines = LastLines(self.fold_scores)
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
        self.registry = Registry(
            clock=world.clock, journal=world.journal, arn=partial(arn_of, settings.region)
        )
        self.hosting = self._hosting()
        self.models, self.endpoints = self.hosting.models, self.hosting.endpoints
        self.transform = self._transform()
        self.processing = self._processing()
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
            self.registry.tick()
            if self.processing is not None:
                self.processing.tick()
            self.hosting.tick()
            if self.transform is not None:
                self.transform.tick()

    def interrupt(self, job_name: str) -> None:
        """Take a spot job's instances away, as the service may at any time."""
        with self.lock:
            self.training.interrupt(job_name)

    def restore(self) -> None:
        """Go on from what an earlier plane with the same root has left."""
        with self.lock:
            self.tags.restore()
            self.fold_scores.restore()
            self.training.restore()
            self.tuning.restore()
            self.registry.restore()
            if self.processing is not None:
                self.processing.restore()
            self.hosting.restore()
            if self.transform is not None:
                self.transform.restore()

    def close(self) -> bool:
        """End every job; call it until it returns True: nothing runs any more."""
        with self.lock:
            # All begin to end at the first call.
            have_ended = [
                self.training.close(),
                self.hosting.close(),
                self.transform is None or self.transform.close(),
                self.processing is None or self.processing.close(),
            ]
            return all(have_ended)

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
        registry = RegistryApi(self.registry, self.tags)
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
            **registry.operations(),
            **self._hosting_operations(),
            **self._transform_operations(),
            **self._processing_operations(),
            **SearchApi(
                {
                    "TrainingJob": training.searched(),
                    "HyperParameterTuningJob": tuning.searched(),
                    **registry.searched(),
                    **self._searched_endpoints(),
                }
            ).operations(),
        }

    def _hosting(self) -> Hosting:
        world, data = self.world, self.world.model_data
        ground = Ground(
            clock=world.clock,
            journal=world.journal,
            arn=partial(arn_of, self.settings.region),
            has_data=lambda url: data is None or data.exists(url),
            find_package=self.registry.container,
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

    def _processing(self) -> ProcessingJobs | None:
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

    def _processing_operations(self) -> dict[str, Operation]:
        if self.processing is None:
            return {}
        return ProcessingApi(self.processing, self.tags, self.settings.region).operations()

    def _hosting_operations(self) -> dict[str, Operation]:
        if self.endpoints is None:
            return {}
        return {
            **ModelApi(self.models, self.tags).operations(),
            **EndpointConfigApi(self.hosting.configs, self.tags).operations(),
            **EndpointApi(self.endpoints, self.tags).operations(),
        }

    def _searched_endpoints(self) -> dict[str, Searched]:
        if self.endpoints is None:
            return {}
        return {"Endpoint": EndpointApi(self.endpoints, self.tags).searched()}

    def _transform(self) -> TransformJobs | None:
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
            find_model=self.models.get,
        )

    def _transform_operations(self) -> dict[str, Operation]:
        if self.transform is None:
            return {}
        return TransformApi(self.transform, self.tags, self.settings.region).operations()

    def _is_known(self, arn: str) -> bool:
        arns = [job.arn for job in self.training.all()] + [job.arn for job in self.tuning.all()]
        arns += self.registry.arns() + self.hosting.arns()
        if self.processing is not None:
            arns += [job.arn for job in self.processing.all()]
        if self.transform is not None:
            arns += [job.arn for job in self.transform.all()]
        return arn in arns
