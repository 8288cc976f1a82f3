"""The rules of CreateModelPackage, and what of it this control plane does not do.

Source: API reference, CreateModelPackage (a name or a group; tags and marketplace belong to
packages without a group), InferenceSpecification (types of instances are required for packages
without a group), AdditionalInferenceSpecificationDefinition (unique names) and SDK version 2, which
says that a source and an inference specification exclude each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.job import refuse_twice

_UNSERVED = {
    "SourceAlgorithmSpecification": "InferenceSpecification",
    "ValidationSpecification": "a transform job of your own",
}
_INSTANCE_TYPES = ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes")


def check_package(request: Mapping[str, Any]) -> None:
    """Refuse a valid CreateModelPackage request that breaks a documented rule.

    Raises
    ------
    ValidationError
        The first rule that is broken.
    """
    names = [each for each in ("ModelPackageName", "ModelPackageGroupName") if each in request]
    if len(names) != 1:
        raise ValidationError(
            "Exactly one of ModelPackageName and ModelPackageGroupName must be provided; found "
            f"{' and '.join(names) or 'neither'}."
        )
    if "ModelPackageGroupName" in request:
        _check_version(request)
    else:
        _check_unversioned(request.get("InferenceSpecification"))
    for name, instead in _UNSERVED.items():
        if name in request:
            raise ValidationError(
                f"The local control plane does not serve {name} of model packages; use {instead}."
            )
    _check_source(request)
    check_additional(request.get("AdditionalInferenceSpecifications", ()))


def check_additional(specifications: Sequence[Mapping[str, Any]]) -> None:
    """Refuse additional inference specifications of which two have one name.

    Raises
    ------
    ValidationError
        There are such two.
    """
    names = [each["Name"] for each in specifications]
    refuse_twice(names, "Names of additional inference specifications")


def _check_version(request: Mapping[str, Any]) -> None:
    if request.get("Tags"):
        raise ValidationError(
            "Tags cannot be given with ModelPackageGroupName: a model version has the tags of its "
            "group."
        )
    if request.get("CertifyForMarketplace"):
        raise ValidationError("CertifyForMarketplace does not apply to versioned model packages.")


def _check_unversioned(specification: Mapping[str, Any] | None) -> None:
    # Without one it is a clone, which has what its source has.
    missing = [name for name in _INSTANCE_TYPES if specification and name not in specification]
    if missing:
        raise ValidationError(
            f"InferenceSpecification: {' and '.join(missing)} is missing; a model package without "
            "a group must name the types of instances that it supports."
        )


def _check_source(request: Mapping[str, Any]) -> None:
    source = request.get("SourceUri")
    has_specification = "InferenceSpecification" in request
    if source is not None and has_specification:
        raise ValidationError(
            "InferenceSpecification and SourceUri cannot be given together; create the model "
            "package with the specification and add the source by UpdateModelPackage."
        )
    if not has_specification and source is None:
        raise ValidationError(
            "InferenceSpecification is missing: a model package needs its container's image and "
            "the place of its model."
        )
    if source is not None and ":model-package/" not in source:
        raise ValidationError(
            f"The local control plane clones model packages only; SourceUri is {source!r}, it must "
            "be the ARN of one."
        )
