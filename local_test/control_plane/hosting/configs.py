"""All endpoint configurations of the plane; they never change.

Source: API reference, CreateEndpointConfig, DeleteEndpointConfig; the wording of refusals is what
users report and is not documented.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.hosting.models import Models
from local_test.control_plane.hosting.record import EndpointConfig
from local_test.control_plane.training.ports import Journal
from local_test.control_plane.wire.errors import ValidationError

JOURNAL_KIND = "endpoint-config"

_LOG = logging.getLogger(__name__)


class EndpointConfigs:
    """The configurations; its callers hold the plane's lock."""

    def __init__(
        self, *, clock: Clock, journal: Journal, arn: Callable[[str, str], str], models: Models
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._arn = arn
        self._models = models
        self._configs: dict[str, EndpointConfig] = {}

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
        self._journal.save(JOURNAL_KIND, name, config.to_json())
        self._configs[name] = config
        return config

    def get(self, name: str) -> EndpointConfig:
        """Return one configuration.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        try:
            return self._configs[name]
        except KeyError:
            arn = self._arn("endpoint-config", name)
            raise ValidationError(f'Could not find endpoint configuration "{arn}".') from None

    def all(self) -> Sequence[EndpointConfig]:
        """Return every configuration in the order of creation."""
        return tuple(self._configs.values())

    def delete(self, name: str) -> EndpointConfig:
        """Forget a configuration, and return it; endpoints that have it go on.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        self.get(name)
        self._journal.remove(JOURNAL_KIND, name)
        return self._configs.pop(name)

    def restore(self) -> None:
        """Load the journal."""
        loaded = []
        for record in self._journal.load(JOURNAL_KIND):
            try:
                loaded.append(EndpointConfig.from_json(dict(record)))
            except (KeyError, TypeError, AttributeError):
                _LOG.exception("a record of the journal is no configuration and is left out")
        self._configs = {each.name: each for each in sorted(loaded, key=lambda one: one.created)}
