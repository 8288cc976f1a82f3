"""What the page shows of one endpoint beyond the snapshot; times are seconds since 1970."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local_test.control_plane.hosting.fleet import Fleet, Variant
from local_test.control_plane.hosting.record import Endpoint, Model
from local_test.control_plane.plane import Plane
from local_test.control_plane.wire.errors import ValidationError


def endpoint_detail(plane: Plane, name: str) -> dict[str, Any]:
    """Return an endpoint's variants, those that serve and those that shall.

    Raises
    ------
    ValidationError
        There is none of this name.
    """
    with plane.lock:
        if plane.endpoints is None:
            raise ValidationError(f"this plane has no endpoints, so none called {name!r}")
        endpoint = plane.endpoints.get(name)
        serving, coming = plane.endpoints.serving(name), plane.endpoints.coming(name)
        return {
            "name": name,
            "arn": endpoint.arn,
            "config": endpoint.config_name,
            "modified": endpoint.modified,
            "variants": list(_asked(endpoint)) if serving is None else _variants(serving),
            "coming": None
            if coming is None
            else {"config": coming.config_name, "variants": _variants(coming)},
        }


def _variants(fleet: Fleet) -> list[dict[str, Any]]:
    total = sum(each.weight for each in fleet.variants.values())
    return [_variant(each, total) for each in fleet.variants.values()]


def _variant(variant: Variant, total: float) -> dict[str, Any]:
    return {
        **_described(variant.request, variant.instances.plan.model, variant.weight, total),
        "ready": variant.instances.n_ready,
        "wanted": variant.instances.wanted,
        "requests": variant.instances.n_asked,
    }


def _asked(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """Yield what the endpoint took from its configuration and models: nothing serves."""
    deployment = endpoint.deployment
    asked = deployment.config.variants
    weights = {
        each["VariantName"]: endpoint.weights.get(
            each["VariantName"], float(each.get("InitialVariantWeight", 1.0))
        )
        for each in asked
    }
    total = sum(weights.values())
    for each in asked:
        name = each["VariantName"]
        yield {
            **_described(each, deployment.models[name], weights[name], total),
            "ready": 0,
            "wanted": endpoint.counts.get(name, each.get("InitialInstanceCount", 1)),
            "requests": 0,
        }


def _described(
    request: Mapping[str, Any], model: Model, weight: float, total: float
) -> dict[str, Any]:
    return {
        "name": request["VariantName"],
        "model": model.name,
        "image": model.container.get("Image"),
        "data": model.container.get("ModelDataUrl"),
        "instance_type": request.get("InstanceType"),
        "weight": weight,
        "share": weight / total if total else 0.0,
    }
