"""A model's request as what a server of it is started with.

Knows requests, not how a container runs.  Sources: API reference, CreateModel, ContainerDefinition,
ModelDataSource; AWS docs, 'Create a Multi-Model Endpoint'.  Where a model package and the request
both set a variable, the request's value counts; that is not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local_test.control_plane.hosting.ports import PING_WITHIN_S, ServerLaunch
from local_test.control_plane.hosting.record import Model
from local_test.control_plane.wire.errors import ValidationError

# Given a model package's name or ARN: its container (Image, ModelDataUrl, Environment …).
# Raises ValidationError where there is none, or it may not be deployed.
FindPackage = Callable[[str], Mapping[str, Any]]


def no_packages(name: str) -> Mapping[str, Any]:
    """Refuse every model package: this plane has no registry."""
    raise ValidationError(f"Could not find model package {name!r}.")


def only_container(request: Mapping[str, Any], find_package: FindPackage) -> dict[str, Any]:
    """Return the container of a CreateModel request, with what its model package says.

    Raises
    ------
    ValidationError
        Its model package is refused.
    """
    container = dict(request.get("PrimaryContainer") or request["Containers"][0])
    package_name = container.pop("ModelPackageName", None)
    if package_name is None:
        return container
    package = dict(find_package(package_name))
    variables = {**(package.get("Environment") or {}), **(container.get("Environment") or {})}
    merged = {**package, **container}
    return {**merged, "Environment": variables} if variables else merged


def model_data(container: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the URL of a container's model, and whether it is one tar.gz."""
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source is not None:
        return str(source["S3Uri"]), source["CompressionType"] == "Gzip"
    return container.get("ModelDataUrl") or None, True


def is_multi_model(model: Model) -> bool:
    """Whether one server of the model holds many, loaded as they are asked for."""
    return model.container.get("Mode") == "MultiModel"


def caches_models(model: Model) -> bool:
    """Whether models of a multi-model server stay loaded after an invocation."""
    setting = (model.container.get("MultiModelConfig") or {}).get("ModelCacheSetting")
    return setting != "Disabled"


def launch_of(
    model: Model,
    name: str,
    *,
    environment: Mapping[str, str] | None = None,
    ping_within_s: float = PING_WITHIN_S,
) -> ServerLaunch:
    """Return how to start a server of `model`, by the `name` that it shall have.

    `environment` are variables beside the model's, which they win over.  Whoever has better words
    for the container replaces `title` and `owner`.
    """
    url, is_packed = model_data(model.container)
    is_multi = is_multi_model(model)
    own = {"SAGEMAKER_MULTI_MODEL": "true"} if is_multi else {}
    return ServerLaunch(
        name=name,
        image=str(model.container.get("Image", "")),
        model_data_url=url,
        is_multi_model=is_multi,
        environment={**own, **(model.container.get("Environment") or {}), **(environment or {})},
        is_isolated=bool(model.request.get("EnableNetworkIsolation")),
        is_packed=is_packed,
        ping_within_s=ping_within_s,
    )
