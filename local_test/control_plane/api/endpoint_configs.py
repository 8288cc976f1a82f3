"""Operations on endpoint configurations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, check
from local_test.control_plane.hosting.configs import EndpointConfigs
from local_test.control_plane.hosting.record import EndpointConfig
from local_test.control_plane.wire.filters import is_named_and_created
from local_test.control_plane.wire.rules.hosting import check_endpoint_config

Request = dict[str, Any]
_ORDERS: dict[str, Callable[[EndpointConfig], tuple[Any, str]]] = {
    "Name": lambda config: (config.name, config.name),
    "CreationTime": lambda config: (config.created, config.name),
}
_NOT_REPEATED = frozenset({"EndpointConfigName", "Tags"})


@dataclass(frozen=True, slots=True)
class EndpointConfigApi:
    """Answers requests about endpoint configurations."""

    configs: EndpointConfigs
    tags: Tags

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateEndpointConfig": self.create,
            "DescribeEndpointConfig": self.describe,
            "ListEndpointConfigs": self.list,
            "DeleteEndpointConfig": self.delete,
        }

    def create(self, request: Request) -> Request:
        """Answer CreateEndpointConfig."""
        check_endpoint_config(request)
        check(request.get("Tags", ()))
        config = self.configs.create(request)
        self.tags.put(config.arn, request.get("Tags", ()))
        return {"EndpointConfigArn": config.arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeEndpointConfig."""
        config = self.configs.get(request["EndpointConfigName"])
        told = {key: each for key, each in config.request.items() if key not in _NOT_REPEATED}
        # The service tells the default weight, and SDK version 2 copies variants that have one.
        told["ProductionVariants"] = [
            {"InitialVariantWeight": 1.0, **each} for each in config.variants
        ]
        return {**_summary(config), **told}

    def list(self, request: Request) -> Request:
        """Answer ListEndpointConfigs."""
        ordered = sorted(
            (
                config
                for config in self.configs.all()
                if is_named_and_created(request, config.name, config.created)
            ),
            key=_ORDERS[request.get("SortBy", "CreationTime")],
            reverse=request.get("SortOrder", "Descending") == "Descending",
        )
        given, more = page(ordered, request, lambda config: config.name)
        return {"EndpointConfigs": [_summary(config) for config in given], **more}

    def delete(self, request: Request) -> Request:
        """Answer DeleteEndpointConfig."""
        self.tags.forget(self.configs.delete(request["EndpointConfigName"]).arn)
        return {}


def _summary(config: EndpointConfig) -> Request:
    return {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
    }
