"""All model package groups and model packages: create, update, delete, resolve.

It knows no HTTP and no containers.  Sources: API reference, 'CreateModelPackageGroup',
'CreateModelPackage', 'UpdateModelPackage', 'DeleteModelPackageGroup'; AWS docs, 'Register a Model
Version', 'Update the Approval Status of a Model' and 'Update the Details of a Model Version' (one
that nobody has updated has a time of change, too).  The wording of refusals is what users report
and is not documented, nor is that the number of a deleted version is not given again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from local_test.control_plane.clock import Clock
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.registry.changes import updated
from local_test.control_plane.registry.deploying import container_of
from local_test.control_plane.registry.record import ModelPackage, PackageGroup, PackageStatus
from local_test.control_plane.wire.errors import Conflict, ValidationError

GROUP_KIND = "model-package-group"
PACKAGE_KIND = "model-package"

_FOLLOWING: Mapping[PackageStatus, PackageStatus] = {
    "Pending": "InProgress",
    "InProgress": "Completed",
}

Record = TypeVar("Record", PackageGroup, ModelPackage)


class Registry:
    """The groups and packages; its callers hold the plane's lock.

    Parameters
    ----------
    clock : Clock
    journal : Journal
    arn : callable
        Gives the ARN of a kind and a name.
    """

    def __init__(self, *, clock: Clock, journal: Journal, arn: Callable[[str, str], str]) -> None:
        self._clock = clock
        self._arn = arn
        self._groups = Records(journal, GROUP_KIND, PackageGroup)
        self._packages = Records(journal, PACKAGE_KIND, ModelPackage)

    def create_group(self, request: dict[str, Any]) -> PackageGroup:
        """Take a validated CreateModelPackageGroup request.

        Raises
        ------
        ValidationError
            The name is taken.
        """
        name = request["ModelPackageGroupName"]
        arn = self._arn(GROUP_KIND, name)
        if _find(self._groups, arn) is not None:
            raise ValidationError(f"Model Package Group already exists: {arn}")
        group = PackageGroup(name, arn, dict(request), self._clock.now())
        self._groups.save(group)
        return group

    def group(self, name_or_arn: str) -> PackageGroup:
        """Return one group.

        Raises
        ------
        ValidationError
            There is none of this name or ARN.
        """
        found = _find(self._groups, name_or_arn)
        if found is None:
            arn = self._as_arn(GROUP_KIND, name_or_arn)
            raise ValidationError(f"ModelPackageGroup {arn} does not exist.")
        return found

    def groups(self) -> Sequence[PackageGroup]:
        """Return every group in the order of creation."""
        return self._groups.all()

    def delete_group(self, name_or_arn: str) -> PackageGroup:
        """Forget an empty group, and return it.

        Raises
        ------
        ValidationError
            There is none of this name.
        Conflict
            It still has versions.
        """
        group = self.group(name_or_arn)
        if any(each.group == group.name for each in self._packages.all()):
            raise Conflict(
                f"Model Package Group {group.arn} cannot be deleted: it still has model packages; "
                "delete them first."
            )
        return self._groups.remove(group)

    def create(self, request: dict[str, Any]) -> ModelPackage:
        """Take a validated CreateModelPackage request; the same token gives the same package.

        Raises
        ------
        ValidationError
            Its group or its source does not exist, or its name is taken.
        """
        token = request.get("ClientToken")
        same = [each for each in self._packages.all() if each.request.get("ClientToken") == token]
        if token is not None and same:
            return same[0]
        if "SourceUri" in request and "InferenceSpecification" not in request:
            request = self._cloned(request)
        group = request.get("ModelPackageGroupName")
        package = self._unversioned(request) if group is None else self._next(request, group)
        self._packages.save(package)
        return package

    def get(self, name_or_arn: str) -> ModelPackage:
        """Return one package by its ARN, its name or its group's name with the version.

        Raises
        ------
        ValidationError
            There is none.
        """
        found = _find(self._packages, name_or_arn)
        if found is None:
            arn = self._as_arn(PACKAGE_KIND, name_or_arn)
            raise ValidationError(f"ModelPackage {arn} does not exist.")
        return found

    def all(self) -> Sequence[ModelPackage]:
        """Return every package in the order of creation."""
        return self._packages.all()

    def arns(self) -> list[str]:
        """Return the ARNs of all groups and packages."""
        groups = [each.arn for each in self._groups.all()]
        return groups + [each.arn for each in self._packages.all()]

    def update(self, request: Mapping[str, Any]) -> ModelPackage:
        """Carry out a validated UpdateModelPackage request, whole or not at all.

        Raises
        ------
        ValidationError
            There is no such package, it has no group and so no approval, or it would hold more
            than it may.
        """
        package = self.get(request["ModelPackageArn"])
        package.request = updated(package, request)
        package.modified = self._clock.now()
        self._packages.save(package)
        return package

    def delete(self, name_or_arn: str) -> ModelPackage:
        """Forget a package, and return it; models that were made of it stay.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        return self._packages.remove(self.get(name_or_arn))

    def container(self, name_or_arn: str) -> Mapping[str, Any]:
        """Return the container of a package; see `container_of`.

        Raises
        ------
        ValidationError
            There is no such package, or it may not be deployed.
        """
        return container_of(self.get(name_or_arn))

    def tick(self) -> None:
        """Move every new package on: there is nothing here that takes longer."""
        for package in self._packages.all():
            following = _FOLLOWING.get(package.status)
            if following is not None:
                package.status = following
                package.modified = self._clock.now()
                self._packages.save(package)

    def restore(self) -> None:
        """Load the journal."""
        self._groups.restore()
        self._packages.restore()

    def _unversioned(self, request: dict[str, Any]) -> ModelPackage:
        name = request["ModelPackageName"]
        arn = self._arn(PACKAGE_KIND, name)
        if _find(self._packages, arn) is not None:
            raise ValidationError(f"Model Package already exists: {arn}")
        return ModelPackage(name, arn, dict(request), self._clock.now())

    def _next(self, request: dict[str, Any], group_name: str) -> ModelPackage:
        group = self.group(group_name)
        group.newest += 1
        # Before the package: a number is never given twice, whatever happens between the two.
        self._groups.save(group)
        name = f"{group.name}/{group.newest}"
        return ModelPackage(
            name,
            self._arn(PACKAGE_KIND, name),
            dict(request),
            self._clock.now(),
            group=group.name,
            version=group.newest,
        )

    def _cloned(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request with what its source package says."""
        if ":model-package/" not in request["SourceUri"]:
            return request
        source = self.get(request["SourceUri"]).request
        names = ("InferenceSpecification", "AdditionalInferenceSpecifications")
        return {name: source[name] for name in names if name in source} | request

    def _as_arn(self, kind: str, name_or_arn: str) -> str:
        return name_or_arn if name_or_arn.startswith("arn:") else self._arn(kind, name_or_arn)


def _find(records: Records[Record], name_or_arn: str) -> Record | None:
    if not name_or_arn.startswith("arn:"):
        return records.find(name_or_arn)
    # ARNs have names in lower case; a caller may have made one of a name.
    arn = name_or_arn.lower()
    return next((each for each in records.all() if each.arn == arn), None)
