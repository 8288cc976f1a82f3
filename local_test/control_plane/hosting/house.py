"""Models, endpoint configurations and endpoints together, as a plane holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from local_test.control_plane.clock import Clock
from local_test.control_plane.hosting.configs import EndpointConfigs
from local_test.control_plane.hosting.course import HostingWorld
from local_test.control_plane.hosting.endpoints import Endpoints
from local_test.control_plane.hosting.model_definition import FindPackage
from local_test.control_plane.hosting.models import Models
from local_test.control_plane.records.journal import Journal


@dataclass(frozen=True, slots=True)
class Ground:
    """What models and configurations need; see `Models`."""

    clock: Clock
    journal: Journal
    arn: Callable[[str, str], str]
    has_data: Callable[[str], bool]
    find_package: FindPackage


class Hosting:
    """The three; without a `world` there are no endpoints.

    `draw` gives numbers from 0 up to 1, which choose the variants of requests.
    """

    def __init__(
        self, ground: Ground, world: HostingWorld | None, *, draw: Callable[[], float]
    ) -> None:
        self.models = Models(
            clock=ground.clock,
            journal=ground.journal,
            arn=ground.arn,
            has_data=ground.has_data,
            find_package=ground.find_package,
        )
        self.configs = EndpointConfigs(
            clock=ground.clock, journal=ground.journal, arn=ground.arn, models=self.models
        )
        self.endpoints: Endpoints | None = None
        if world is not None:
            self.endpoints = Endpoints(
                world, arn=ground.arn, models=self.models, configs=self.configs, draw=draw
            )

    def tick(self) -> None:
        """Move every endpoint on."""
        if self.endpoints is not None:
            self.endpoints.tick()

    def restore(self) -> None:
        """Load the journal."""
        self.models.restore()
        self.configs.restore()
        if self.endpoints is not None:
            self.endpoints.restore()

    def close(self) -> bool:
        """End every endpoint; call it until it returns True."""
        return self.endpoints is None or self.endpoints.close()

    def arns(self) -> list[str]:
        """Return the ARNs of everything."""
        endpoints = () if self.endpoints is None else self.endpoints.all()
        return [
            *(model.arn for model in self.models.all()),
            *(config.arn for config in self.configs.all()),
            *(endpoint.arn for endpoint in endpoints),
        ]
