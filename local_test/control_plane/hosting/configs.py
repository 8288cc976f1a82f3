"""All endpoint configurations of the plane; they never change.

Source: API reference, CreateEndpointConfig, DeleteEndpointConfig; the wording of refusals is what
users report and is not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.hosting.models import Models
from local_test.control_plane.hosting.record import EndpointConfig
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.wire.errors import ValidationError


class EndpointConfigs:
    """The configurations; its callers hold the plane's lock."""

    def __init__(
        self, *, clock: Clock, journal: Journal, arn: Callable[[str, str], str], models: Models
    ) -> None:
        self._clock = clock
        self._arn = arn
        self._models = models
        self._configs = Records(journal, "endpoint-config", EndpointConfig)

    def create(self, request: dict[str, Any]) -> EndpointConfig:
        """Take a validated CreateEndpointConfig request.

        Raises
        ------
        ValidationError
            The name is taken, or a variant's model is not there.
        """
        name = request["EndpointConfigName"]
        arn = self._arn("endpoint-config", name)
        if name in self._configs:
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
        for variant in request["ProductionVariants"]:
            self._models.get(variant["ModelName"])
        config = EndpointConfig(name, arn, dict(request), self._clock.now())
        self._configs.save(config)
        return config

    def get(self, name: str) -> EndpointConfig:
        """Return one configuration.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        found = self._configs.find(name)
        if found is None:
            arn = self._arn("endpoint-config", name)
            raise ValidationError(f'Could not find endpoint configuration "{arn}".')
        return found

    def all(self) -> Sequence[EndpointConfig]:
        """Return every configuration in the order of creation."""
        return self._configs.all()

    def delete(self, name: str) -> EndpointConfig:
        """Forget a configuration, and return it; endpoints that have it go on.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        return self._configs.remove(self.get(name))

    def restore(self) -> None:
        """Load the journal."""
        self._configs.restore()
