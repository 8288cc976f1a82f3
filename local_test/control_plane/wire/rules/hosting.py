"""The rules of models and endpoints that the model of the service does not hold.

Source: API reference, CreateModel, ContainerDefinition, ModelDataSource, CreateEndpointConfig,
ProductionVariant, UpdateEndpoint; AWS docs, 'Create a Multi-Model Endpoint'.  What the service
serves and this plane does not is refused in our own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local_test.control_plane.wire.errors import ValidationError

Request = Mapping[str, Any]

# Members that would make an endpoint another one than is served here.
_UNSERVED_OF_CONFIG = (
    "AsyncInferenceConfig",
    "ExplainerConfig",
    "ShadowProductionVariants",
    "CrossRegionTrafficConfig",
)
_UNSERVED_OF_VARIANT = (
    "ServerlessConfig",
    "AcceleratorType",
    "InstancePools",
    "ManagedInstanceScaling",
    "CapacityReservationConfig",
)

# Names and values of a model's variables together; 'KB' is read as 1,024 bytes.
_ENVIRONMENT_BYTES = 32 << 10


def check_model(request: Request) -> None:
    """Refuse a valid CreateModel request that breaks a documented rule.

    Raises
    ------
    ValidationError
        The first rule that is broken.
    """
    containers = request.get("Containers") or []
    if ("PrimaryContainer" in request) == bool(containers):
        raise ValidationError(
            "You must provide either PrimaryContainer or Containers, and not both."
        )
    if len(containers) > 1:
        raise _unserved(
            f"Containers with {len(containers)} entries (an inference pipeline)",
            "a model of one container",
        )
    container = request.get("PrimaryContainer") or containers[0]
    _check_container(container)
    _check_model_data(container)


def check_endpoint_config(request: Request) -> None:
    """Refuse a valid CreateEndpointConfig request that breaks a documented rule.

    Raises
    ------
    ValidationError
        The first rule that is broken.
    """
    _refuse(request, _UNSERVED_OF_CONFIG, "ProductionVariants alone")
    if (request.get("DataCaptureConfig") or {}).get("EnableCapture"):
        raise _unserved("DataCaptureConfig", "EnableCapture false")
    variants = request["ProductionVariants"]
    names = [each["VariantName"] for each in variants]
    if len(set(names)) < len(names):
        raise ValidationError("Production variant names must be unique within an endpoint config.")
    for variant in variants:
        _check_variant(variant)
    if sum(_weight(each) for each in variants) == 0:
        raise ValidationError(
            "The sum of the InitialVariantWeight of all production variants must be greater than 0."
        )


def check_endpoint_update(request: Request) -> None:
    """Refuse what UpdateEndpoint can do at the service and not here.

    Raises
    ------
    ValidationError
        See above.
    """
    policy = request.get("DeploymentConfig") or {}
    routing = (policy.get("BlueGreenUpdatePolicy") or {}).get("TrafficRoutingConfiguration") or {}
    if "RollingUpdatePolicy" in policy or routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE":
        raise _unserved("this DeploymentConfig", "a blue/green update with ALL_AT_ONCE")
    if "AutoRollbackConfiguration" in policy:
        raise _unserved("AutoRollbackConfiguration", "a DeploymentConfig without alarms")


def _check_container(container: Request) -> None:
    if "Image" not in container and "ModelPackageName" not in container:
        raise ValidationError("A container must have an Image or a ModelPackageName.")
    if "Image" in container and "ModelPackageName" in container:
        raise ValidationError("A container can have an Image or a ModelPackageName, not both.")
    if container.get("AdditionalModelDataSources"):
        raise _unserved("AdditionalModelDataSources", "ModelDataUrl or ModelDataSource")
    _check_environment(container.get("Environment") or {})


def _check_environment(variables: Mapping[str, str]) -> None:
    texts = [each for pair in variables.items() for each in pair]
    if any("\0" in each for each in texts):
        raise ValidationError("Environment must not contain the character U+0000.")
    size = sum(len(each.encode()) for each in texts)
    if size > _ENVIRONMENT_BYTES:
        raise ValidationError(
            f"Environment has {size} bytes in all names and values; at most {_ENVIRONMENT_BYTES} "
            "are allowed."
        )


def _check_model_data(container: Request) -> None:
    url = container.get("ModelDataUrl")
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if url and source:
        raise ValidationError("A container can have a ModelDataUrl or a ModelDataSource, not both.")
    if source and "ManifestS3Uri" in source:
        raise _unserved("ManifestS3Uri", "S3Uri of a prefix or an object")
    if source and source["CompressionType"] == "Gzip" and source["S3DataType"] != "S3Object":
        raise ValidationError(
            "CompressionType Gzip of a ModelDataSource needs S3DataType S3Object."
        )
    if source and source["S3DataType"] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        raise ValidationError(f"S3Uri {source['S3Uri']!r} of a prefix must end with a slash.")
    place = url or (source or {}).get("S3Uri")
    if container.get("Mode") == "MultiModel":
        _check_multi_model(url)
    elif url and not url.endswith(".tar.gz"):
        raise ValidationError(f"ModelDataUrl {url!r} must be the path of a single .tar.gz file.")
    if place and not place.startswith("s3://"):
        raise _unserved(f"model data at {place}", "an s3:// URL")


def _check_multi_model(url: str | None) -> None:
    if not url:
        raise ValidationError(
            "A container in mode MultiModel needs a ModelDataUrl: the prefix of all its models."
        )


def _check_variant(variant: Request) -> None:
    where = f"production variant {variant['VariantName']}"
    _refuse(variant, _UNSERVED_OF_VARIANT, f"InitialInstanceCount and InstanceType ({where})")
    for name in ("ModelName", "InitialInstanceCount", "InstanceType"):
        if name not in variant:
            raise ValidationError(f"{name} is missing in {where}.")


def _weight(variant: Request) -> float:
    return float(variant.get("InitialVariantWeight", 1.0))


def _refuse(request: Request, names: Iterable[str], instead: str) -> None:
    for name in names:
        if request.get(name):
            raise _unserved(name, instead)


def _unserved(what: str, instead: str) -> ValidationError:
    return ValidationError(f"The local control plane does not serve {what}; use {instead}.")
