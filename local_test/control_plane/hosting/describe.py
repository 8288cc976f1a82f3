"""An endpoint as DescribeEndpoint answers it; times are seconds since 1970.

Source: API reference, DescribeEndpoint, ProductionVariantSummary, PendingDeploymentSummary.  Not
documented: that an endpoint which nothing serves has no variants.
"""

from __future__ import annotations

from typing import Any

from local_test.control_plane.hosting.fleet import Fleet, Variant
from local_test.control_plane.hosting.record import Endpoint


def describe(record: Endpoint, serving: Fleet | None, coming: Fleet | None) -> dict[str, Any]:
    """Return DescribeEndpoint's answer."""
    answer: dict[str, Any] = {**summary(record), "EndpointConfigName": record.config_name}
    if record.failure_reason is not None:
        answer["FailureReason"] = record.failure_reason
    if serving is not None:
        answer["ProductionVariants"] = [_variant(each) for each in serving.variants.values()]
    if coming is not None and record.status == "Updating":
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": coming.config_name,
            "ProductionVariants": [_variant(each) for each in coming.variants.values()],
            "StartTime": record.modified,
        }
    return answer


def summary(record: Endpoint) -> dict[str, Any]:
    """Return the endpoint's line in ListEndpoints' answer."""
    return {
        "EndpointName": record.name,
        "EndpointArn": record.arn,
        "CreationTime": record.created,
        "LastModifiedTime": record.modified,
        "EndpointStatus": record.status,
    }


def _variant(variant: Variant) -> dict[str, Any]:
    model = variant.instances.plan.model
    image = str(model.container.get("Image", ""))
    deployed = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": model.created}
    return {
        "VariantName": variant.name,
        "DeployedImages": [deployed],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": variant.instances.n_ready,
        "DesiredInstanceCount": variant.instances.wanted,
    }
