"""What holds for a training job and for each definition of a tuning job: all but its resources.

Source: API reference, AlgorithmSpecification, Channel, S3DataSource, StoppingCondition,
CheckpointConfig, TrainingImageConfig; AWS docs, 'Define Metrics', 'Managed Spot Training'.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_test.control_plane.wire.errors import ValidationError

Definition = Mapping[str, Any]
Rule = Callable[[Definition], None]

_DAY_S = 86_400
_DEFAULT_RUNTIME_S = _DAY_S
_MOST_RUNTIME_S = 28 * _DAY_S


def check_job(definition: Definition) -> None:
    """Refuse a definition whose members contradict each other; raises ValidationError."""
    for rule in _RULES:
        rule(definition)


def refuse_twice(names: Sequence[str], what: str) -> None:
    """Refuse names of which one is given twice; raises ValidationError."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValidationError(f"{what} must be unique; found more than once: {', '.join(twice)}.")


def _check_algorithm(definition: Definition) -> None:
    given = [
        name
        for name in ("TrainingImage", "AlgorithmName")
        if definition["AlgorithmSpecification"].get(name)
    ]
    if len(given) != 1:
        raise ValidationError(
            "You must specify either the algorithm name to the AlgorithmName parameter or the "
            "image URI of the algorithm container to the TrainingImage parameter, and not both; "
            f"found {' and '.join(given) or 'neither'}."
        )


def _check_image_access(definition: Definition) -> None:
    access = definition["AlgorithmSpecification"].get("TrainingImageConfig", {})
    if access.get("TrainingRepositoryAccessMode") == "Vpc" and "VpcConfig" not in definition:
        raise ValidationError(
            "TrainingRepositoryAccessMode is Vpc, and VpcConfig is missing; specify the VPC from "
            "which the private registry can be reached."
        )


def _check_metrics(definition: Definition) -> None:
    """Require a group; several are let pass (not documented), the first captures the number."""
    metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    refuse_twice([metric["Name"] for metric in metrics], "Names of metric definitions")
    for metric in metrics:
        if _groups(metric) < 1:
            raise ValidationError(
                f"The regular expression {metric['Regex']!r} of metric {metric['Name']!r} has no "
                "capture group; put the number in parentheses."
            )


def _groups(metric: Mapping[str, str]) -> int:
    try:
        # A pattern that only looks odd (such as `[[`) is none of the caller's faults.
        with warnings.catch_warnings(action="ignore"):
            return re.compile(metric["Regex"]).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise ValidationError(
            f"The regular expression {metric['Regex']!r} of metric {metric['Name']!r} is not "
            f"valid: {error}."
        ) from error


def _check_channels(definition: Definition) -> None:
    channels = definition.get("InputDataConfig", [])
    refuse_twice([channel["ChannelName"] for channel in channels], "Channel names")
    default = definition["AlgorithmSpecification"]["TrainingInputMode"]
    for channel in channels:
        where = f"Channel {channel['ChannelName']!r}"
        _check_source(where, channel, definition)
        _check_mode(where, channel, channel.get("InputMode", default))


def _check_source(where: str, channel: Mapping[str, Any], definition: Definition) -> None:
    sources = sorted(channel["DataSource"])
    if len(sources) != 1:
        raise ValidationError(
            f"{where} must have exactly one data source; found {', '.join(sources) or 'none'}."
        )
    if sources == ["FileSystemDataSource"] and "VpcConfig" not in definition:
        raise ValidationError(
            f"{where} reads a file system, and VpcConfig is missing; specify the VPC in which the "
            "file system can be reached."
        )


def _check_mode(where: str, channel: Mapping[str, Any], mode: str) -> None:
    kind = channel["DataSource"].get("S3DataSource", {}).get("S3DataType")
    if mode == "FastFile" and kind not in {None, "S3Prefix"}:
        raise ValidationError(
            f"{where}: FastFile input mode needs S3DataType S3Prefix, not {kind}."
        )
    if mode == "Pipe":
        return
    if kind == "AugmentedManifestFile":
        raise ValidationError(
            f"{where}: AugmentedManifestFile can only be used in Pipe input mode, not in {mode}."
        )
    for name in ("CompressionType", "RecordWrapperType"):
        if channel.get(name, "None") != "None":
            raise ValidationError(
                f"{where}: {name} {channel[name]} is used only in Pipe input mode; in {mode} mode "
                "leave it unset or set it to None."
            )


def _check_stopping(definition: Definition) -> None:
    condition = definition.get("StoppingCondition", {})
    runtime = condition.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME_S)
    wait = condition.get("MaxWaitTimeInSeconds")
    if runtime > _MOST_RUNTIME_S:
        raise ValidationError(
            f"Invalid MaxRuntimeInSeconds {runtime}. It must be at most {_MOST_RUNTIME_S} (28 days)"
        )
    if not definition.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise ValidationError(
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining "
                "is set to true"
            )
    elif wait is None or wait < runtime:
        raise ValidationError(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds"
        )


def _check_checkpoints(definition: Definition) -> None:
    """Refuse a path that may lead elsewhere: that it must be absolute is not documented."""
    path = definition.get("CheckpointConfig", {}).get("LocalPath", "/")
    if not path.startswith("/") or ".." in path.split("/"):
        raise ValidationError(
            f"CheckpointConfig.LocalPath {path!r} must be an absolute path without '..', such as "
            "/opt/ml/checkpoints."
        )


def _check_texts(definition: Definition) -> None:
    """Refuse what no process can be given; that the service does so is not documented."""
    algorithm = definition["AlgorithmSpecification"]
    texts = {
        "Environment": [
            each for pair in definition.get("Environment", {}).items() for each in pair
        ],
        "ContainerEntrypoint": algorithm.get("ContainerEntrypoint", []),
        "ContainerArguments": algorithm.get("ContainerArguments", []),
    }
    for name, values in texts.items():
        if any("\0" in value for value in values):
            raise ValidationError(f"{name} must not contain the character U+0000.")


_RULES: Sequence[Rule] = (
    _check_algorithm,
    _check_image_access,
    _check_metrics,
    _check_channels,
    _check_stopping,
    _check_checkpoints,
    _check_texts,
)
