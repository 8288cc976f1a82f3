"""What an update makes of a model package's request.

Source: API reference, 'UpdateModelPackage' (what is replaced, added and removed; at most 15
additional specifications), 'AdditionalInferenceSpecificationDefinition' (unique names) and the
service model (at most 50 properties).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.registry.record import ModelPackage
from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.registry import check_additional

# Members that an update replaces as they are.
_REPLACED = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)
_MOST_PROPERTIES = 50
_MOST_SPECIFICATIONS = 15


def updated(package: ModelPackage, update: Mapping[str, Any]) -> dict[str, Any]:
    """Return the package's request with a validated UpdateModelPackage request carried out.

    Raises
    ------
    ValidationError
        The package has no group and so no approval, or would hold more than it may, or two
        specifications of one name.
    """
    if "ModelApprovalStatus" in update and not package.is_versioned:
        raise ValidationError(
            f"ModelApprovalStatus does not apply to the unversioned model package {package.arn}."
        )
    replaced = {name: update[name] for name in _REPLACED if name in update}
    properties, specifications = _properties(package, update), _specifications(package, update)
    return package.request | replaced | properties | specifications


def _properties(package: ModelPackage, request: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        **(package.request.get("CustomerMetadataProperties") or {}),
        **request.get("CustomerMetadataProperties", {}),
    }
    for key in request.get("CustomerMetadataPropertiesToRemove", ()):
        properties.pop(key, None)
    if len(properties) > _MOST_PROPERTIES:
        raise ValidationError(
            f"The model package would have {len(properties)} CustomerMetadataProperties; at most "
            f"{_MOST_PROPERTIES} are allowed."
        )
    return {"CustomerMetadataProperties": properties}


def _specifications(package: ModelPackage, request: Mapping[str, Any]) -> dict[str, Any]:
    together = [
        *(package.request.get("AdditionalInferenceSpecifications") or ()),
        *request.get("AdditionalInferenceSpecificationsToAdd", ()),
    ]
    if len(together) > _MOST_SPECIFICATIONS:
        raise ValidationError(
            f"The model package would have {len(together)} additional inference specifications; at "
            f"most {_MOST_SPECIFICATIONS} are allowed."
        )
    check_additional(together)
    return {"AdditionalInferenceSpecifications": together}
