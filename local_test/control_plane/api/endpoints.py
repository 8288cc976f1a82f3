"""Operations on endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, as_list, check
from local_test.control_plane.hosting.describe import describe, summary
from local_test.control_plane.hosting.endpoints import Endpoints
from local_test.control_plane.hosting.record import Endpoint
from local_test.control_plane.search.finding import Searched
from local_test.control_plane.wire.filters import is_asked_for
from local_test.control_plane.wire.rules.hosting import check_endpoint_update

Request = dict[str, Any]
_ORDERS: dict[str, Callable[[Endpoint], tuple[Any, str]]] = {
    "Name": lambda endpoint: (endpoint.name, endpoint.name),
    "CreationTime": lambda endpoint: (endpoint.created, endpoint.name),
    "Status": lambda endpoint: (endpoint.status, endpoint.name),
}
_PROPERTIES = frozenset({"DesiredInstanceCount", "DesiredWeight"})


@dataclass(frozen=True, slots=True)
class EndpointApi:
    """Answers requests about endpoints."""

    endpoints: Endpoints
    tags: Tags

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list,
            "UpdateEndpoint": self.update,
            "UpdateEndpointWeightsAndCapacities": self.weigh,
            "DeleteEndpoint": self.delete,
        }

    def searched(self) -> Searched:
        """Return the endpoints as Search finds them."""
        return Searched(
            "Endpoint",
            "EndpointArn",
            lambda: [
                {
                    **self.describe({"EndpointName": each.name}),
                    "Tags": as_list(self.tags.of(each.arn)),
                }
                for each in self.endpoints.all()
            ],
        )

    def create(self, request: Request) -> Request:
        """Answer CreateEndpoint."""
        check(request.get("Tags", ()))
        check_endpoint_update(request)
        endpoint = self.endpoints.create(request["EndpointName"], request["EndpointConfigName"])
        self.tags.put(endpoint.arn, request.get("Tags", ()))
        return {"EndpointArn": endpoint.arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeEndpoint."""
        name = request["EndpointName"]
        endpoints = self.endpoints
        return describe(endpoints.get(name), endpoints.serving(name), endpoints.coming(name))

    def list(self, request: Request) -> Request:
        """Answer ListEndpoints."""
        ordered = sorted(
            (endpoint for endpoint in self.endpoints.all() if _fits(endpoint, request)),
            key=_ORDERS[request.get("SortBy", "CreationTime")],
            reverse=request.get("SortOrder", "Descending") == "Descending",
        )
        given, more = page(ordered, request, lambda endpoint: endpoint.name)
        return {"Endpoints": [summary(endpoint) for endpoint in given], **more}

    def update(self, request: Request) -> Request:
        """Answer UpdateEndpoint."""
        check_endpoint_update(request)
        keeps = _PROPERTIES if request.get("RetainAllVariantProperties") else frozenset[str]()
        for excluded in request.get("ExcludeRetainedVariantProperties", ()):
            keeps -= {excluded["VariantPropertyType"]}
        endpoint = self.endpoints.update(
            request["EndpointName"], request["EndpointConfigName"], keeps=keeps
        )
        return {"EndpointArn": endpoint.arn}

    def weigh(self, request: Request) -> Request:
        """Answer UpdateEndpointWeightsAndCapacities."""
        changes = request["DesiredWeightsAndCapacities"]
        return {"EndpointArn": self.endpoints.weigh(request["EndpointName"], changes).arn}

    def delete(self, request: Request) -> Request:
        """Answer DeleteEndpoint."""
        self.tags.forget(self.endpoints.delete(request["EndpointName"]).arn)
        return {}


def _fits(endpoint: Endpoint, request: Request) -> bool:
    return is_asked_for(
        request,
        name=endpoint.name,
        status=endpoint.status,
        created=endpoint.created,
        modified=endpoint.modified,
        is_after_inclusive=True,
    )
