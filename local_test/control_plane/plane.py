"""The plane: all machines under one lock, moved on by ticks.

A server ticks by a thread, a simulation by hand with a clock of its own; nothing here knows which.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from local_test.control_plane.api.calls import Calls
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.api.operations import operations
from local_test.control_plane.api.quotas import Admitted, check_quota
from local_test.control_plane.api.tags import Tags
from local_test.control_plane.faults import Faults
from local_test.control_plane.fold_scores import FoldScores
from local_test.control_plane.last_lines import LastLines
from local_test.control_plane.registry.machine import Registry
from local_test.control_plane.settings import Settings
from local_test.control_plane.tuning.machine import TuningJobs
from local_test.control_plane.wire.rates import Rates
from local_test.control_plane.world import Making, World

__all__ = ["Plane", "World"]


class Plane:
    """Jobs of all kinds, and the calls that create and change them."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.settings = settings
        self.world = world
        self.fold_scores = FoldScores(world.telemetry, world.journal)
        self.last_lines = LastLines(self.fold_scores)
        clock, journal, arn = world.clock, world.journal, partial(arn_of, settings.region)
        making = Making(world, settings, self.faults)
        self.training = making.training(self.last_lines)
        admitted = Admitted(self.training, settings.quotas)
        self.tuning = TuningJobs(training=admitted, clock=clock, journal=journal, arn=arn)
        self.registry = Registry(clock=clock, journal=journal, arn=arn)
        self.processing = making.processing()
        self.hosting = making.hosting(self.registry.container)
        self.models, self.endpoints = self.hosting.models, self.hosting.endpoints
        self.transform = making.transform(self.models)
        self.tags = Tags(journal, self._is_known)
        served = operations(
            self, clock=clock, region=settings.region, lag_s=settings.lag_s, admit=self._admit
        )
        rates = Rates(clock, published=settings.has_published_rates)
        self._calls = Calls(served, rates, self.faults)

    def call(self, operation: str, request: object) -> dict[str, Any]:
        """Carry out one call of SageMaker's API; see `Calls.call`."""
        with self.lock:
            return self._calls.call(operation, request)

    def tick(self) -> None:
        """Move every job on as far as it goes."""
        with self.lock:
            for machine in self._machines():
                machine.tick()

    def interrupt(self, job_name: str) -> None:
        """Take a spot job's instances away, as the service may at any time."""
        with self.lock:
            self.training.interrupt(job_name)

    def restore(self) -> None:
        """Go on from what an earlier plane with the same root has left."""
        with self.lock:
            self.tags.restore()
            self.fold_scores.restore()
            for machine in self._machines():
                machine.restore()

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

    def _machines(self) -> Iterator[_Machine]:
        """Yield the machines, each after those that it needs."""
        yield from (self.training, self.tuning, self.registry)
        if self.processing is not None:
            yield self.processing
        yield self.hosting
        if self.transform is not None:
            yield self.transform

    def _admit(self, request: dict[str, Any]) -> None:
        check_quota(self.settings.quotas, self.training.all(), request)

    def _is_known(self, arn: str) -> bool:
        return any(arn in machine.arns() for machine in self._machines())


class _Machine(Protocol):
    def tick(self) -> None: ...

    def restore(self) -> None: ...

    def arns(self) -> list[str]: ...
