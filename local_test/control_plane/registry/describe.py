"""Groups and packages as the Describe and List operations and Search answer them.

Source: the service model's DescribeModelPackageGroupOutput, DescribeModelPackageOutput and their
summaries, and its ModelPackage (a version's ModelPackageName is its group's name with the number).
"""

from __future__ import annotations

from typing import Any

from local_test.control_plane.registry.record import ModelPackage, PackageGroup

# Members of the request that the answer repeats as they are, if they were given.
_REPEATED = (
    "ModelPackageDescription",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
    "MetadataProperties",
    "ModelMetrics",
    "ApprovalDescription",
    "Domain",
    "Task",
    "SamplePayloadUrl",
    "CustomerMetadataProperties",
    "DriftCheckBaselines",
    "AdditionalInferenceSpecifications",
    "SkipModelValidation",
    "SourceUri",
    "SecurityConfig",
    "ModelCard",
    "ModelLifeCycle",
)
_SUMMARY = ("ModelPackageDescription", "ModelPackageRegistrationType", "ModelLifeCycle")
_BRIEF_GROUP = "ModelPackageGroupDescription"


def describe_group(group: PackageGroup) -> dict[str, Any]:
    """Return DescribeModelPackageGroup's answer; nobody is known to have created it."""
    return {**summarize_group(group), "CreatedBy": {}}


def summarize_group(group: PackageGroup) -> dict[str, Any]:
    """Return the group's entry in ListModelPackageGroups."""
    return {
        "ModelPackageGroupName": group.name,
        "ModelPackageGroupArn": group.arn,
        "ModelPackageGroupDescription": group.request.get(_BRIEF_GROUP),
        "CreationTime": group.created,
        "ModelPackageGroupStatus": "Completed",
    }


def describe_package(package: ModelPackage) -> dict[str, Any]:
    """Return DescribeModelPackage's answer."""
    request = package.request
    answer = {
        **summarize_package(package),
        **{name: request[name] for name in _REPEATED if request.get(name)},
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CertifyForMarketplace": bool(request.get("CertifyForMarketplace", False)),
    }
    if package.modified is not None:
        answer["LastModifiedTime"] = package.modified
    return answer


def summarize_package(package: ModelPackage) -> dict[str, Any]:
    """Return the package's entry in ListModelPackages."""
    entry = {
        "ModelPackageName": package.name,
        "ModelPackageArn": package.arn,
        "CreationTime": package.created,
        "ModelPackageStatus": package.status,
        **{name: package.request[name] for name in _SUMMARY if package.request.get(name)},
    }
    if package.is_versioned:
        entry["ModelPackageGroupName"] = package.group
        entry["ModelPackageVersion"] = package.version
        entry["ModelApprovalStatus"] = package.approval
    return entry
