"""What a model that names a model package is served with.

Source: API reference, 'CreateModelPackage' (a version must be Approved to be deployed).  The
wording of refusals is not documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.registry.record import ModelPackage
from local_test.control_plane.wire.errors import ValidationError

_MEMBERS = ("Image", "ModelDataUrl", "ModelDataSource", "Environment")


def container_of(package: ModelPackage) -> Mapping[str, Any]:
    """Return the image, the model's place and the variables of a package that may be deployed.

    Raises
    ------
    ValidationError
        It is not complete or not approved, or it has several containers.
    """
    if package.status != "Completed":
        raise ValidationError(
            f"Model package {package.arn} is {package.status}; it must be Completed to be used."
        )
    if package.approval not in {None, "Approved"}:
        raise ValidationError(
            f"Model package {package.arn} has the approval status {package.approval}; it must be "
            "Approved to be deployed."
        )
    containers = (package.request.get("InferenceSpecification") or {}).get("Containers", ())
    if len(containers) != 1:
        raise ValidationError(
            f"Model package {package.arn} has {len(containers)} containers; the local control "
            "plane serves models of one."
        )
    return {name: containers[0][name] for name in _MEMBERS if name in containers[0]}
