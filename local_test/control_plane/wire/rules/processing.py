"""The rules of CreateProcessingJob, and what of it this control plane does not do.

Source: API reference, ProcessingInput, ProcessingS3Input, ProcessingOutput, ProcessingS3Output,
ProcessingClusterConfig; AWS docs, 'How Amazon SageMaker Processing Configures Input and Output For
Your Processing Container' (paths begin with /opt/ml/processing/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.job import refuse_twice

_PROCESSING = "/opt/ml/processing/"
_S3 = "s3://"


def check_processing(request: Mapping[str, Any]) -> None:
    """Refuse a valid CreateProcessingJob request that breaks a documented rule.

    Raises
    ------
    ValidationError
        The first rule that is broken.
    """
    inputs = request.get("ProcessingInputs", ())
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    refuse_twice([each["InputName"] for each in inputs], "Names of processing inputs")
    refuse_twice([each["OutputName"] for each in outputs], "Names of processing outputs")
    for each in inputs:
        _check_input(each)
    for each in outputs:
        _check_output(each)
    _check_cluster(request["ProcessingResources"]["ClusterConfig"])
    _check_texts(request)


def _check_input(given: Mapping[str, Any]) -> None:
    where = f"Processing input {given['InputName']!r}"
    _check_one(where, given, ("S3Input", "DatasetDefinition"))
    if given.get("AppManaged"):
        return
    if "DatasetDefinition" in given:
        raise _unserved(f"{where}: a DatasetDefinition", "an S3Input, or AppManaged")
    source = given["S3Input"]
    mode = source.get("S3InputMode", "File")
    if source.get("S3CompressionType", "None") == "Gzip" and mode != "Pipe":
        raise ValidationError(f"{where}: S3CompressionType Gzip can only be used in Pipe mode.")
    if mode == "Pipe":
        raise _unserved(f"{where}: Pipe mode", "File")
    _check_places(where, source)


def _check_output(given: Mapping[str, Any]) -> None:
    where = f"Processing output {given['OutputName']!r}"
    _check_one(where, given, ("S3Output", "FeatureStoreOutput"))
    if "FeatureStoreOutput" in given and not given.get("AppManaged"):
        raise ValidationError(f"{where}: FeatureStoreOutput needs AppManaged.")
    if not given.get("AppManaged"):
        _check_places(where, given["S3Output"])


def _check_one(where: str, given: Mapping[str, Any], kinds: tuple[str, str]) -> None:
    found = [kind for kind in kinds if kind in given]
    if len(found) != 1:
        raise ValidationError(
            f"{where} must have exactly one of {' and '.join(kinds)}; found "
            f"{' and '.join(found) or 'neither'}."
        )


def _check_places(where: str, place: Mapping[str, Any]) -> None:
    path = place.get("LocalPath", "")
    if not path.startswith(_PROCESSING) or ".." in path.split("/") or "\0" in path:
        raise ValidationError(
            f"{where}: LocalPath {path!r} must be an absolute path that begins with {_PROCESSING}, "
            "without '..'."
        )
    if not place["S3Uri"].startswith(_S3):
        raise _unserved(f"{where}: S3Uri {place['S3Uri']!r}", "a URI that begins with s3://")


def _check_cluster(cluster: Mapping[str, Any]) -> None:
    if "InstancePreferences" in cluster:
        raise _unserved("InstancePreferences", "InstanceType and InstanceCount")
    if "InstanceType" not in cluster:
        raise ValidationError("ProcessingResources.ClusterConfig: InstanceType must be provided.")


def _check_texts(request: Mapping[str, Any]) -> None:
    """Refuse what no process can be given; that the service does so is not documented."""
    application = request["AppSpecification"]
    texts = {
        "Environment": [each for pair in request.get("Environment", {}).items() for each in pair],
        "ContainerEntrypoint": application.get("ContainerEntrypoint", []),
        "ContainerArguments": application.get("ContainerArguments", []),
    }
    for name, values in texts.items():
        if any("\0" in value for value in values):
            raise ValidationError(f"{name} must not contain the character U+0000.")


def _unserved(what: str, instead: str) -> ValidationError:
    return ValidationError(f"The local control plane does not serve {what}; use {instead}.")
