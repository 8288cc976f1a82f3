"""What CreateTransformJob's documentation asks for beyond the model.

Source: API reference, CreateTransformJob, DataProcessing, TransformS3DataSource,
TransformResources; AWS docs, 'Associate Prediction Results with Input Records' (media types of
filters and joins; for joins equal ones, and CSV in lines).  The wording of refusals is not
documented, nor that an attribute's name in a filter of CSV is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_test.control_plane.transform.execution import MOST_MB
from local_test.control_plane.transform.json_path import JsonPath
from local_test.control_plane.transform.plan import (
    assemble_with,
    is_joined,
    read_filter,
    split_type,
)
from local_test.control_plane.transform.rows import format_of, media_types
from local_test.control_plane.wire.errors import ValidationError

Request = Mapping[str, Any]

_MOST_INSTANCES = 100
_TEXT_SPLITS = {"None", "Line"}


def check_transform(request: Request) -> None:
    """Refuse a valid CreateTransformJob request that breaks a documented rule.

    Raises
    ------
    ValidationError
        The first rule that is broken.
    """
    for rule in _RULES:
        rule(request)


def _check_payload(request: Request) -> None:
    # Where the container decides on it, it has a megabyte at least.
    payload = request.get("MaxPayloadInMB", 1)
    concurrent = request.get("MaxConcurrentTransforms", 0)
    if payload > MOST_MB:
        raise ValidationError(
            f"MaxPayloadInMB {payload} is greater than {MOST_MB}; specify at most {MOST_MB}."
        )
    if payload * concurrent > MOST_MB:
        raise ValidationError(
            f"MaxConcurrentTransforms * MaxPayloadInMB is {concurrent} * {payload} = "
            f"{concurrent * payload}; it must not be greater than {MOST_MB}."
        )


def _check_source(request: Request) -> None:
    kind = request["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in {"S3Prefix", "ManifestFile"}:
        raise ValidationError(
            f"S3DataType {kind} is not compatible with a transform job; use S3Prefix or "
            "ManifestFile."
        )


def _check_instances(request: Request) -> None:
    count = request["TransformResources"]["InstanceCount"]
    if count > _MOST_INSTANCES:
        raise ValidationError(
            f"InstanceCount {count} is greater than {_MOST_INSTANCES}; specify at most "
            f"{_MOST_INSTANCES}."
        )


def _check_filters(request: Request) -> None:
    content_type = request["TransformInput"].get("ContentType")
    accept = request["TransformOutput"].get("Accept")
    given = _filter(request, "InputFilter")
    output = _filter(request, "OutputFilter")
    if not given.is_whole:
        _check_filter("InputFilter", given, "ContentType", content_type)
        _check_split(request, "InputFilter")
    if not output.is_whole:
        # A joined record of JSON is an object, whatever the answer is.
        _check_filter("OutputFilter", output, "Accept", accept)


def _filter(request: Request, name: str) -> JsonPath:
    try:
        return read_filter(request.get("DataProcessing", {}), name)
    except ValueError as error:
        raise ValidationError(f"DataProcessing.{name} is invalid: {error}.") from None


def _check_filter(name: str, path: JsonPath, member: str, media_type: str | None) -> None:
    form = format_of(media_type)
    if form is None:
        raise ValidationError(
            f"DataProcessing.{name} is set, and {member} is {media_type!r}; it must be one of "
            f"{media_types()}."
        )
    if form == "csv" and path.has_names:
        raise ValidationError(
            f"DataProcessing.{name} {path.text!r} names an attribute, and {member} is "
            f"{media_type!r}; select columns by their indexes, such as $[0]."
        )


def _check_join(request: Request) -> None:
    if not is_joined(request):
        return
    content_type = request["TransformInput"].get("ContentType")
    accept = request["TransformOutput"].get("Accept")
    if format_of(content_type) is None or format_of(content_type) != format_of(accept):
        raise ValidationError(
            "DataProcessing.JoinSource is Input, so ContentType and Accept must be the same and "
            f"one of {media_types()}; they are {content_type!r} and {accept!r}."
        )
    split, assemble = split_type(request), assemble_with(request)
    if split != assemble:
        raise ValidationError(
            "DataProcessing.JoinSource is Input, so SplitType and AssembleWith must be the same; "
            f"they are {split} and {assemble}."
        )
    if format_of(content_type) == "csv" and split != "Line":
        raise ValidationError(
            "DataProcessing.JoinSource is Input, and CSV is joined line by line, so SplitType and "
            f"AssembleWith must be Line; they are {split}."
        )


def _check_split(request: Request, name: str) -> None:
    if split_type(request) not in _TEXT_SPLITS:
        raise ValidationError(
            f"DataProcessing.{name} is set, and SplitType is {split_type(request)}; records of "
            "text are filtered, so use Line or None."
        )


def _refuse_unserved(request: Request) -> None:
    if "DataCaptureConfig" in request:
        raise ValidationError(
            "The local control plane does not serve DataCaptureConfig; leave it out."
        )


_RULES: Sequence[Callable[[Request], None]] = (
    _check_payload,
    _check_source,
    _check_instances,
    _check_filters,
    _check_join,
    _refuse_unserved,
)
