"""What the service runs and this control plane does not: said at once, in our own words."""

from __future__ import annotations

from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.job import Definition


def refuse_unserved(definition: Definition) -> None:
    """Refuse what would otherwise run as something else; raises ValidationError."""
    algorithm = definition["AlgorithmSpecification"]
    if "AlgorithmName" in algorithm:
        raise _unserved("AlgorithmName", "TrainingImage")
    for channel in definition.get("InputDataConfig", ()):
        if channel.get("InputMode", algorithm["TrainingInputMode"]) == "Pipe":
            raise _unserved(f"Pipe mode (channel {channel['ChannelName']!r})", "File or FastFile")
        if "S3DataSource" not in channel["DataSource"]:
            what = f"{', '.join(channel['DataSource'])} (channel {channel['ChannelName']!r})"
            raise _unserved(what, "S3DataSource")


def refuse_serverless(definition: Definition) -> None:
    """Refuse a serverless training job; raises ValidationError."""
    if "ServerlessJobConfig" in definition:
        raise _unserved("ServerlessJobConfig", "AlgorithmSpecification and ResourceConfig")


def _unserved(what: str, instead: str) -> ValidationError:
    return ValidationError(f"The local control plane does not serve {what}; use {instead}.")
