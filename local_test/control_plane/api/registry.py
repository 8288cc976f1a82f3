"""Operations on model package groups and model packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, as_list, check
from local_test.control_plane.registry.describe import (
    describe_group,
    describe_package,
    summarize_group,
    summarize_package,
)
from local_test.control_plane.registry.machine import Registry
from local_test.control_plane.registry.record import ModelPackage, PackageGroup
from local_test.control_plane.search.finding import Searched
from local_test.control_plane.wire.filters import is_asked_for
from local_test.control_plane.wire.rules.registry import check_package

Request = dict[str, Any]
Record = TypeVar("Record", PackageGroup, ModelPackage)


@dataclass(frozen=True, slots=True)
class RegistryApi:
    """Answers requests about the model registry."""

    registry: Registry
    tags: Tags

    def operations(self) -> dict[str, Operation]:
        """Return the functions by the operations that they answer."""
        return {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": self.describe_group,
            "ListModelPackageGroups": self.list_groups,
            "DeleteModelPackageGroup": self.delete_group,
            "CreateModelPackage": self.create,
            "DescribeModelPackage": self.describe,
            "ListModelPackages": self.list,
            "UpdateModelPackage": self.update,
            "DeleteModelPackage": self.delete,
        }

    def searched(self) -> dict[str, Searched]:
        """Return groups and packages as Search finds them; a version has its group's tags."""
        return {
            "ModelPackageGroup": Searched(
                "ModelPackageGroup", "ModelPackageGroupArn", self._group_records
            ),
            "ModelPackage": Searched("ModelPackage", "ModelPackageArn", self._package_records),
        }

    def create_group(self, request: Request) -> Request:
        """Answer CreateModelPackageGroup."""
        check(request.get("Tags", ()))
        group = self.registry.create_group(request)
        self.tags.put(group.arn, request.get("Tags", ()))
        return {"ModelPackageGroupArn": group.arn}

    def describe_group(self, request: Request) -> Request:
        """Answer DescribeModelPackageGroup."""
        return describe_group(self.registry.group(request["ModelPackageGroupName"]))

    def list_groups(self, request: Request) -> Request:
        """Answer ListModelPackageGroups."""
        # The only account is the caller's own.
        is_elsewhere = request.get("CrossAccountFilterOption") == "CrossAccount"
        ordered = _in_order(() if is_elsewhere else self.registry.groups(), request)
        given, more = page(ordered, request, lambda group: group.name)
        return {"ModelPackageGroupSummaryList": [summarize_group(each) for each in given], **more}

    def delete_group(self, request: Request) -> Request:
        """Answer DeleteModelPackageGroup."""
        self.tags.forget(self.registry.delete_group(request["ModelPackageGroupName"]).arn)
        return {}

    def create(self, request: Request) -> Request:
        """Answer CreateModelPackage."""
        check_package(request)
        check(request.get("Tags", ()))
        package = self.registry.create(request)
        self.tags.put(package.arn, request.get("Tags", ()))
        return {"ModelPackageArn": package.arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeModelPackage."""
        return describe_package(self.registry.get(request["ModelPackageName"]))

    def list(self, request: Request) -> Request:
        """Answer ListModelPackages."""
        wanted = self._is_wanted(request)
        found = [package for package in self.registry.all() if wanted(package)]
        given, more = page(_in_order(found, request), request, lambda package: package.name)
        return {"ModelPackageSummaryList": [summarize_package(each) for each in given], **more}

    def update(self, request: Request) -> Request:
        """Answer UpdateModelPackage."""
        return {"ModelPackageArn": self.registry.update(request).arn}

    def delete(self, request: Request) -> Request:
        """Answer DeleteModelPackage."""
        self.tags.forget(self.registry.delete(request["ModelPackageName"]).arn)
        return {}

    def _is_wanted(self, request: Request) -> Callable[[ModelPackage], bool]:
        kind = request.get("ModelPackageType", "Unversioned")
        group = None
        if "ModelPackageGroupName" in request:
            group = self.registry.group(request["ModelPackageGroupName"]).name
            kind = "Versioned"
        approval = request.get("ModelApprovalStatus")

        def is_wanted(package: ModelPackage) -> bool:
            is_kind = kind == "Both" or package.is_versioned == (kind == "Versioned")
            return (
                is_kind and group in {None, package.group} and approval in {None, package.approval}
            )

        return is_wanted

    def _group_records(self) -> Sequence[Request]:
        return [
            {**describe_group(group), "Tags": as_list(self.tags.of(group.arn))}
            for group in self.registry.groups()
        ]

    def _package_records(self) -> Sequence[Request]:
        return [
            {**describe_package(package), "Tags": as_list(self.tags.of(self._tagged(package)))}
            for package in self.registry.all()
        ]

    def _tagged(self, package: ModelPackage) -> str:
        return package.arn if package.group is None else self.registry.group(package.group).arn


def _in_order(records: Sequence[Record], request: Mapping[str, Any]) -> list[Record]:
    """Return the records that pass the filters that groups and packages have in common."""
    passing = [
        each
        for each in records
        if is_asked_for(request, name=each.name, status="", created=each.created, modified=0.0)
    ]
    is_by_name = request.get("SortBy") == "Name"
    return sorted(
        passing,
        key=lambda each: (each.name if is_by_name else "", each.created),
        reverse=request.get("SortOrder") == "Descending",
    )
