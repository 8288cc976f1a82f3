"""One endpoint on its way: what serves, what shall, what has served, and its status.

Nothing here blocks.  Source: AWS API reference, 'CreateEndpoint', 'UpdateEndpoint' (the old
instances serve until the new ones do), 'DescribeEndpoint'.  Not documented, and chosen here: an
update that fails leaves the endpoint InService as it was, with a FailureReason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.hosting.fleet import Fleet
from local_test.control_plane.hosting.ports import LogStreams, ModelServers
from local_test.control_plane.hosting.record import Deployment, Endpoint, EndpointStatus
from local_test.control_plane.hosting.scaling import Scaling
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.wire.errors import ValidationError

NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time."
)
_LOG = logging.getLogger(__name__)


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

    `build` makes the fleet of a record; `save` keeps the record.
    """

    def __init__(
        self,
        record: Endpoint,
        world: HostingWorld,
        *,
        build: Callable[[Endpoint], Fleet],
        save: Callable[[Endpoint], None],
    ) -> None:
        self.record = record
        self.serving: Fleet | None = None
        self.coming: Fleet | None = None
        # What deployment, weights and counts are once the coming fleet serves.
        self._next = record
        self._scaling: Scaling | None = None
        self._leaving: list[Fleet] = []
        self._is_saved = True
        self._world = world
        self._build = build
        self._save = save
        self._begins_at = world.clock.now() + world.starting_s

    @property
    def is_running(self) -> bool:
        """Whether anything of it runs."""
        fleets = (self.serving, self.coming, *self._leaving)
        return any(fleet is not None and fleet.is_running for fleet in fleets)

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it runs any more, and all that was said has been handed on."""
        return self.serving is None and self.coming is None and not self._leaving

    def begin(self) -> None:
        """Begin to serve; the instances start as `advance` is called."""
        self.coming = self._build(self.record)

    def advance(self) -> None:
        """Go as far as it goes."""
        if not self._is_saved:
            self._keep()
        self.end_leaving()
        if self.serving is not None:
            self.serving.tick(is_serving=True)
        if self.record.status == "Creating":
            self._create_step()
        elif self.record.status == "Updating":
            self._update_step()
        elif self.record.status == "RollingBack":
            self.enter("InService", reason=self.record.failure_reason)

    def update(self, deployment: Deployment, *, keeps: frozenset[str]) -> None:
        """Begin to serve another configuration.

        `keeps` are the properties of variants of the same name that stay as they are now.
        """
        assert self.serving is not None
        serving = self.serving.variants
        old = {key: each for key, each in serving.items() if key in deployment.models}
        self._next = replace(self.record, deployment=deployment, weights={}, counts={})
        if "DesiredWeight" in keeps:
            self._next.weights = {key: each.weight for key, each in old.items()}
        if "DesiredInstanceCount" in keeps:
            self._next.counts = {key: each.instances.wanted for key, each in old.items()}
        self.coming = self._build(self._next)
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
        variants = self.serving.variants
        for change in changes:
            if change["VariantName"] not in variants:
                raise ValidationError(
                    f'Could not find variant "{change["VariantName"]}" of endpoint '
                    f'"{self.record.arn}"; it has {", ".join(variants)}.'
                )
        self._scaling = Scaling(variants, changes)
        self._note_shares(self.serving)
        self.enter("Updating")

    def fail(self, reason: str) -> None:
        """End everything that runs, for good."""
        self.retire()
        self.enter("Failed", reason=reason)

    def retire(self) -> None:
        """Begin to end everything that runs."""
        self._leaving += [each for each in (self.serving, self.coming) if each is not None]
        self.serving = self.coming = None
        for fleet in self._leaving:
            fleet.stop(drains=False)

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
        self._keep()

    def _keep(self) -> None:
        """Write the record; where that fails it is tried again at the next step."""
        self._is_saved = False
        try:
            self._save(self.record)
        except Exception:  # noqa: BLE001 - a full disk must not end the endpoints
            _LOG.exception(
                "endpoint %s could not be journaled; it is tried again", self.record.name
            )
            return
        self._is_saved = True

    def _create_step(self) -> None:
        coming = self.coming
        assert coming is not None
        if self._world.clock.now() < self._begins_at:
            return
        if not coming.is_running and self._world.faults.take("capacity", name=self.record.name):
            self.fail(NO_CAPACITY)
            return
        coming.tick(is_serving=False)
        if coming.failure is not None:
            self.fail(coming.failure)
        elif coming.is_ready:
            self._serve(coming)

    def _update_step(self) -> None:
        coming, serving = self.coming, self.serving
        assert serving is not None
        if coming is None:
            self._scale_step(serving)
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

    def _scale_step(self, serving: Fleet) -> None:
        scaling = self._scaling
        assert scaling is not None
        reason = scaling.failure
        if reason is not None:
            scaling.undo()
            self._note_shares(serving)
            self.enter("RollingBack", reason=reason)
        elif scaling.is_done:
            self.enter("InService")

    def _note_shares(self, serving: Fleet) -> None:
        variants = serving.variants.values()
        self.record.weights = {each.name: each.weight for each in variants}
        self.record.counts = {each.name: each.instances.wanted for each in variants}

    def _serve(self, fleet: Fleet) -> None:
        self.serving, self.coming = fleet, None
        self.record.deployment = self._next.deployment
        self.record.weights, self.record.counts = self._next.weights, self._next.counts
        self.enter("InService")

    def _leave(self, fleet: Fleet, *, drains: bool) -> None:
        fleet.stop(drains=drains)
        self._leaving.append(fleet)
