"""The instances of a training job, and of a definition of a tuning job.

Source: API reference, ResourceConfig, HyperParameterTuningResourceConfig; AWS docs, 'Train Using
SageMaker Managed Warm Pools', 'Train Using a Heterogeneous Cluster'; which families have local
storage: Amazon EC2's tables of instance types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.job import Definition, refuse_twice

Resources = Mapping[str, Any]

# Families without local storage: there the volume's size must be given.  A family that is on
# neither list is not checked.
_VOLUME_ONLY = frozenset(
    [
        "t3",
        "m4",
        "m5",
        "m6i",
        "m7i",
        "m8i",
        "m7i-flex",
        "m8i-flex",
        "c4",
        "c5",
        "c5n",
        "c6i",
        "c7i",
        "c8i",
        "c7i-flex",
        "c8i-flex",
        "r5",
        "r6i",
        "r7i",
        "r8i",
        "r8i-flex",
        "p2",
        "p3",
    ]
)
_LOCAL_STORAGE = frozenset(
    [
        "p3dn",
        "p4d",
        "p4de",
        "p5",
        "p5e",
        "p5en",
        "g4dn",
        "g5",
        "g6",
        "g6e",
        "r5d",
        "trn1",
        "trn1n",
        "trn2",
    ]
)
_ONE_KIND = ("InstanceType", "InstanceCount", "VolumeSizeInGB")


def check_resources(definition: Definition) -> None:
    """Refuse a `ResourceConfig` whose members contradict each other; raises ValidationError."""
    resources = definition["ResourceConfig"]
    _check_shape(resources)
    _check_counts(resources)
    _check_volume(resources)
    _check_warm_pool(definition, resources)
    _check_group_names(definition, resources)


def check_tuning_resources(definition: Definition) -> None:
    """Refuse a definition without resources, or with both kinds; raises ValidationError."""
    flexible = definition.get("HyperParameterTuningResourceConfig")
    if (flexible is None) == ("ResourceConfig" not in definition):
        raise ValidationError(
            "Exactly one of ResourceConfig and HyperParameterTuningResourceConfig must be provided "
            f"in a training job definition; found {'neither' if flexible is None else 'both'}."
        )
    if flexible is None:
        check_resources(definition)
        return
    kinds = flexible.get("InstanceConfigs")
    given = [name for name in _ONE_KIND if name in flexible]
    if kinds is not None and given:
        raise ValidationError(
            "If you use InstanceConfigs, do not provide values for InstanceType, VolumeSizeInGB or "
            f"InstanceCount; found {', '.join(given)}."
        )
    for each in kinds if kinds is not None else [flexible]:
        _check_shape(each)
        _check_counts(each)
        _check_volume({**flexible, **each})


def _check_shape(resources: Resources) -> None:
    groups = resources.get("InstanceGroups")
    given = [name for name in ("InstanceType", "InstanceCount") if name in resources]
    if groups and given:
        raise ValidationError(
            f"InstanceGroups and {' and '.join(given)} must not be used together in ResourceConfig."
        )
    if not groups and len(given) < 2:
        raise ValidationError(
            "ResourceConfig needs InstanceType and InstanceCount, or InstanceGroups; found "
            f"{' and '.join(given) or 'none of them'}."
        )
    refuse_twice([group["InstanceGroupName"] for group in groups or ()], "InstanceGroupName")


def _check_counts(resources: Resources) -> None:
    """Require an instance: the model lets 0 pass, and that it is too few is not documented."""
    for each in resources.get("InstanceGroups") or [resources]:
        if each["InstanceCount"] < 1:
            raise ValidationError("Invalid InstanceCount 0. It must be greater than or equal to 1")


def _check_volume(resources: Resources) -> None:
    for each in resources.get("InstanceGroups") or [resources]:
        kind = each["InstanceType"]
        family = kind.split(".")[1]
        if family in _VOLUME_ONLY and resources.get("VolumeSizeInGB", 0) < 1:
            raise ValidationError(
                f"Instance type {kind} has no local storage; VolumeSizeInGB must be at least 1."
            )
        if family in _LOCAL_STORAGE and resources.get("VolumeKmsKeyId"):
            raise ValidationError(
                f"You can't request a VolumeKmsKeyId when using an instance type with local "
                f"storage, such as {kind}."
            )


def _check_warm_pool(definition: Definition, resources: Resources) -> None:
    if not resources.get("KeepAlivePeriodInSeconds"):
        return
    causes: Sequence[tuple[str, Callable[[], bool]]] = (
        ("managed spot training", lambda: bool(definition.get("EnableManagedSpotTraining"))),
        ("heterogeneous clusters", lambda: bool(resources.get("InstanceGroups"))),
    )
    for what, is_used in causes:
        if is_used():
            raise ValidationError(
                f"Invalid KeepAlivePeriodInSeconds. Warm pools are not supported with {what}."
            )


def _check_group_names(definition: Definition, resources: Resources) -> None:
    known = [group["InstanceGroupName"] for group in resources.get("InstanceGroups", ())]
    for channel in definition.get("InputDataConfig", ()):
        source = channel["DataSource"].get("S3DataSource", {})
        unknown = [name for name in source.get("InstanceGroupNames", ()) if name not in known]
        if unknown:
            raise ValidationError(
                f"Channel {channel['ChannelName']!r} names instance groups that ResourceConfig "
                f"does not have: {', '.join(unknown)}; it has {', '.join(known) or 'none'}."
            )
