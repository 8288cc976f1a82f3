"""What the plane has beside jobs that train, for the views: one form for every kind.

A kind of which there is nothing is not told.  Texts for a person, times in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local_test.control_plane.hosting.fleet import Fleet, Variant
from local_test.control_plane.hosting.instances import GROUP as ENDPOINT_GROUP
from local_test.control_plane.hosting.record import Endpoint, EndpointConfig, Model
from local_test.control_plane.plane import Plane
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.registry.record import ModelPackage, PackageGroup
from local_test.control_plane.transform.ports import GROUP as TRANSFORM_GROUP
from local_test.control_plane.transform.record import TransformJob

_PROCESSING_GROUP = "/aws/sagemaker/ProcessingJobs"

Shown = dict[str, Any]


def resources(plane: Plane) -> list[Shown]:
    """Return every endpoint, transform and processing job, model, configuration and package."""
    endpoints = () if plane.endpoints is None else plane.endpoints.all()
    transforms = () if plane.transform is None else plane.transform.all()
    processing = () if plane.processing is None else plane.processing.all()
    return [
        *(_endpoint(plane, each) for each in endpoints),
        *map(_transform, transforms),
        *map(_processing, processing),
        *map(_model, plane.models.all()),
        *map(_config, plane.hosting.configs.all()),
        *map(_group, plane.registry.groups()),
        *map(_package, plane.registry.all()),
    ]


def _endpoint(plane: Plane, endpoint: Endpoint) -> Shown:
    assert plane.endpoints is not None
    serving, coming = plane.endpoints.serving(endpoint.name), plane.endpoints.coming(endpoint.name)
    if serving is None:
        serving, coming = coming, None
    variants = _variants(serving)
    facts = {
        "Configuration": endpoint.config_name,
        "Variants": ", ".join(map(_variant, variants)),
        "To come": ", ".join(map(_variant, _variants(coming))),
        "Requests": str(sum(each.instances.n_asked for each in variants) or ""),
    }
    return {
        **_record("Endpoints", endpoint, facts),
        "log_group": f"{ENDPOINT_GROUP}{endpoint.name}",
        "log_prefix": "",
    }


def _variants(fleet: Fleet | None) -> list[Variant]:
    return [] if fleet is None else list(fleet.variants.values())


def _variant(variant: Variant) -> str:
    ready, wanted = variant.instances.n_ready, variant.instances.wanted
    return f"{variant.name}: {ready} of {wanted} ready, weight {variant.weight:g}"


def _transform(job: TransformJob) -> Shown:
    request = job.request
    facts = {
        "Model": request["ModelName"],
        "Strategy": request.get("BatchStrategy", "MultiRecord"),
        "Output": request["TransformOutput"]["S3OutputPath"],
        "Input": request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"],
    }
    return {
        **_record("Transform jobs", job, facts),
        "log_group": TRANSFORM_GROUP,
        "log_prefix": f"{job.name}/",
    }


def _processing(job: ProcessingJob) -> Shown:
    application = job.request["AppSpecification"]
    words = [
        *application.get("ContainerEntrypoint", ()),
        *application.get("ContainerArguments", ()),
    ]
    facts = {
        "Image": application.get("ImageUri", ""),
        "Hosts": str(len(job.host_names)),
        "Ended with": job.exit_message or "",
        "Command": " ".join(words),
        **dict(_places(job)),
    }
    return {
        **_record("Processing jobs", job, facts),
        "log_group": _PROCESSING_GROUP,
        "log_prefix": f"{job.name}/",
    }


def _places(job: ProcessingJob) -> Iterator[tuple[str, str]]:
    for each in job.inputs:
        yield f"Input {each['InputName']}", each.get("S3Input", {}).get("S3Uri", "")
    for each in job.outputs:
        yield f"Output {each['OutputName']}", each.get("S3Output", {}).get("S3Uri", "")


def _model(model: Model) -> Shown:
    container = model.container
    facts = {"Image": container.get("Image", ""), "Data": container.get("ModelDataUrl", "")}
    return _record("Models", model, facts)


def _config(config: EndpointConfig) -> Shown:
    variants = (
        f"{each['VariantName']}: {each.get('ModelName', '')}"
        for each in config.request["ProductionVariants"]
    )
    return _record("Endpoint configurations", config, {"Variants": ", ".join(variants)})


def _group(group: PackageGroup) -> Shown:
    facts = {"Newest version": str(group.newest)}
    described = group.request.get("ModelPackageGroupDescription", "")
    return _record("Model package groups", group, facts | {"Description": described})


def _package(package: ModelPackage) -> Shown:
    facts = {"Approval": package.approval or "", **_numbered(_containers(package))}
    return _record("Model packages", package, facts)


def _containers(package: ModelPackage) -> Iterable[Mapping[str, Any]]:
    containers: Iterable[Mapping[str, Any]] = package.request.get("InferenceSpecification", {}).get(
        "Containers", ()
    )
    return containers


def _numbered(containers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    facts = {}
    for number, each in enumerate(containers, 1):
        facts[f"Image {number}"] = each.get("Image", "")
        facts[f"Data {number}"] = each.get("ModelDataUrl", "")
    return facts


def _record(kind: str, record: Any, facts: Mapping[str, str]) -> Shown:
    return {
        "kind": kind,
        "name": record.name,
        "status": getattr(record, "status", None),
        "created": record.created,
        "since": getattr(record, "modified", None),
        "started": getattr(record, "started", None),
        "ended": getattr(record, "ended", None),
        "failure_reason": getattr(record, "failure_reason", None),
        "facts": {name: text for name, text in facts.items() if text},
    }
