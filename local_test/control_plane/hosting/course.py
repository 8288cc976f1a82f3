"""One endpoint on its way: what serves, what shall, what has served, and its status.

Nothing here blocks.  Source: AWS API reference, 'CreateEndpoint', 'UpdateEndpoint' (the old
instances serve until the new ones do), 'DescribeEndpoint'.  Not documented, and chosen here: an
update that fails leaves the endpoint InService as it was, with a FailureReason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.hosting.fleet import Fleet
from local_test.control_plane.hosting.ports import LogStreams, ModelServers
from local_test.control_plane.hosting.record import Endpoint, EndpointStatus
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.wire.errors import ServiceError, ValidationError

NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time."
)


@dataclass(frozen=True, slots=True)
class HostingWorld:
    """What endpoints act on; `starting_s` is how long instances take to be there."""

    clock: Clock
    journal: Journal
    servers: ModelServers
    logs: LogStreams
    faults: Faults
    starting_s: float = 0.0


class Course:
    """One endpoint.

    `build` makes the fleet of a record and the name of a configuration; `save` keeps the record.
    """

    def __init__(
        self,
        record: Endpoint,
        world: HostingWorld,
        *,
        build: Callable[[Endpoint, str], Fleet],
        save: Callable[[Endpoint], None],
    ) -> None:
        self.record = record
        self.serving: Fleet | None = None
        self.coming: Fleet | None = None
        # What weights and counts are once the coming fleet serves.
        self._next = record
        self._leaving: list[Fleet] = []
        self._world = world
        self._build = build
        self._save = save
        self._begins_at = world.clock.now() + world.starting_s

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return self.serving is None and self.coming is None and not self._leaving

    def advance(self) -> None:
        """Go as far as it goes."""
        self.end_leaving()
        if self.serving is not None:
            self.serving.tick(is_serving=True)
        if self.record.status == "Creating":
            self._create_step()
        elif self.record.status == "Updating":
            self._update_step()

    def update(self, config_name: str, variants: Sequence[str], *, keeps: frozenset[str]) -> None:
        """Begin to serve another configuration, which has these `variants`.

        `keeps` are the properties of variants of the same name that stay as they are now.
        """
        assert self.serving is not None
        old = {key: each for key, each in self.serving.variants.items() if key in variants}
        self._next = replace(self.record, weights={}, counts={})
        if "DesiredWeight" in keeps:
            self._next.weights = {key: each.weight for key, each in old.items()}
        if "DesiredInstanceCount" in keeps:
            self._next.counts = {key: each.instances.wanted for key, each in old.items()}
        self.coming = self._build(self._next, config_name)
        self._begins_at = self._world.clock.now() + self._world.starting_s
        self.enter("Updating")

    def weigh(self, changes: Sequence[Mapping[str, Any]]) -> None:
        """Change weights, at once, and numbers of instances.

        Raises
        ------
        ValidationError
            There is no such variant.
        """
        assert self.serving is not None
        record, variants = self.record, self.serving.variants
        for change in changes:
            if change["VariantName"] not in variants:
                raise ValidationError(
                    f'Could not find variant "{change["VariantName"]}" of endpoint '
                    f'"{record.arn}"; it has {", ".join(variants)}.'
                )
        for change in changes:
            variant = variants[change["VariantName"]]
            if "DesiredWeight" in change:
                variant.weight = record.weights[variant.name] = float(change["DesiredWeight"])
            if "DesiredInstanceCount" in change:
                variant.instances.wanted = int(change["DesiredInstanceCount"])
                record.counts[variant.name] = variant.instances.wanted
        self.enter("Updating")

    def fail(self, reason: str) -> None:
        """End everything that runs, for good."""
        self.retire()
        self.enter("Failed", reason=reason)

    def retire(self) -> None:
        """Begin to end everything that runs."""
        for fleet in (self.serving, self.coming):
            if fleet is not None:
                self._leave(fleet, drains=False)
        self.serving = self.coming = None

    def end_leaving(self) -> None:
        """Go on ending what is to end."""
        for fleet in self._leaving:
            fleet.tick(is_serving=False)
        self._leaving = [fleet for fleet in self._leaving if not fleet.is_gone]

    def enter(self, status: EndpointStatus, *, reason: str | None = None) -> None:
        """Take on a status and save the record."""
        self.record.status = status
        self.record.failure_reason = reason
        self.record.modified = self._world.clock.now()
        self._save(self.record)

    def _create_step(self) -> None:
        record = self.record
        if self._world.clock.now() < self._begins_at:
            return
        if self.coming is None:
            if self._world.faults.take("capacity", name=record.name):
                self.fail(NO_CAPACITY)
                return
            try:
                self.coming = self._build(record, record.config_name)
            except ServiceError as error:  # deleted since
                self.fail(error.message)
                return
        self.coming.tick(is_serving=False)
        if self.coming.failure is not None:
            self.fail(self.coming.failure)
        elif self.coming.is_ready:
            self._serve(self.coming)

    def _update_step(self) -> None:
        coming, serving = self.coming, self.serving
        assert serving is not None
        if coming is None:
            if serving.is_ready:
                self.enter("InService")
            return
        if self._world.clock.now() < self._begins_at:
            return
        coming.tick(is_serving=False)
        if coming.failure is not None:
            self._leave(coming, drains=False)
            self.coming = None
            self.enter("InService", reason=coming.failure)
        elif coming.is_ready:
            self._leave(serving, drains=True)
            self._serve(coming)

    def _serve(self, fleet: Fleet) -> None:
        self.serving, self.coming = fleet, None
        self.record.config_name = fleet.config_name
        self.record.weights, self.record.counts = self._next.weights, self._next.counts
        self.enter("InService")

    def _leave(self, fleet: Fleet, *, drains: bool) -> None:
        fleet.stop(drains=drains)
        self._leaving.append(fleet)
