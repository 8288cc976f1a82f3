"""A request as what is done to every file: how it is split, sent, joined and put together.

It knows requests and no files.  Source: API reference, CreateTransformJob, TransformInput,
TransformOutput, DataProcessing, ModelClientConfig.  Not documented: without ContentType or Accept
the header is left out; several JSON documents in one request stand on lines of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.transform.association import Association
from local_test.control_plane.transform.batching import Batching
from local_test.control_plane.transform.execution import Execution
from local_test.control_plane.transform.json_path import JsonPath
from local_test.control_plane.transform.rows import Format, format_of

DEFAULT_TIMEOUT_S = 600
DEFAULT_RETRIES = 3

Request = Mapping[str, Any]


def read_filter(processing: Mapping[str, Any], name: str) -> JsonPath:
    """Return a filter of DataProcessing; `name` is InputFilter or OutputFilter.

    Raises
    ------
    ValueError
        It is none.
    """
    return JsonPath.parse(processing.get(name) or "$")


def is_joined(request: Request) -> bool:
    """Whether records of the input are joined to their answers."""
    return bool(request.get("DataProcessing", {}).get("JoinSource") == "Input")


def split_type(request: Request) -> str:
    """Return how files are split: None, Line, RecordIO or TFRecord."""
    return str(request["TransformInput"].get("SplitType", "None"))


def assemble_with(request: Request) -> str:
    """Return what follows each answer: None or Line."""
    return str(request["TransformOutput"].get("AssembleWith", "None"))


def batching_of(request: Request, execution: Execution) -> Batching:
    """Return how the files of a validated request become requests to the container."""
    processing = request.get("DataProcessing", {})
    is_split = split_type(request) == "Line"
    has_lines = is_split and execution.strategy == "MultiRecord"
    return Batching(
        split_type=split_type(request),
        strategy=execution.strategy,
        most_bytes=execution.most_bytes,
        association=Association(
            given=_format(request["TransformInput"].get("ContentType"), has_lines=is_split),
            answered=_format(request["TransformOutput"].get("Accept"), has_lines=has_lines),
            input_filter=read_filter(processing, "InputFilter"),
            output_filter=read_filter(processing, "OutputFilter"),
            is_joined=is_joined(request),
        ),
    )


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers of every invocation."""
    told = {
        "Content-Type": request["TransformInput"].get("ContentType"),
        "Accept": request["TransformOutput"].get("Accept"),
    }
    return {name: value for name, value in told.items() if value}


def _format(media_type: str | None, *, has_lines: bool) -> Format | None:
    form = format_of(media_type)
    return "jsonlines" if form == "json" and has_lines else form
