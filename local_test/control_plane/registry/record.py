"""Model package groups and model packages as data; they are JSON on disk, times seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

PackageStatus = Literal["Pending", "InProgress", "Completed"]


@dataclass(slots=True)
class PackageGroup:
    """One group; `newest` is the number of the last version that was made, 0 before the first."""

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    newest: int = 0


@dataclass(slots=True)
class ModelPackage:
    """One version of a group's model, or a model without a group.

    `request` is the validated CreateModelPackage request, with what later updates changed in it.
    `name` is the package's own, ``group/version`` where it has none.
    """

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    modified: float | None = None
    group: str | None = None
    version: int | None = None
    status: PackageStatus = "Pending"

    @property
    def is_versioned(self) -> bool:
        """Whether the package is a version of a group."""
        return self.group is not None

    @property
    def approval(self) -> str | None:
        """A version's approval; a package without a group has none."""
        if not self.is_versioned:
            return None
        return str(self.request.get("ModelApprovalStatus", "PendingManualApproval"))
