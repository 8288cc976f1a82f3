"""One door to all formats that answers are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from serve.encoding.csv_rows import csv_document, csv_records
from serve.encoding.json_rows import json_document, json_lines
from serve.encoding.npy import is_one_array, npy_document
from serve.outputs import Output

CSV = "text/csv"
JSON = "application/json"
NPY = "application/x-npy"
JSON_LINES = (
    "application/jsonlines",
    "application/x-jsonlines",
    "application/jsonl",
    "application/x-ndjson",
)
MEDIA_TYPES = (CSV, JSON, *JSON_LINES, NPY)

_DOCUMENTS: Mapping[str, Callable[[Sequence[Output]], bytes]] = {
    CSV: csv_document,
    JSON: json_document,
    NPY: npy_document,
    **dict.fromkeys(JSON_LINES, json_lines),
}


def encode(media_type: str, outputs: Sequence[Output]) -> bytes:
    """Write all rows, at least one; no line break at the end.

    Parameters
    ----------
    media_type : str
        One of what `writable` says of these outputs.
    outputs : sequence of Output
        At least one, all of the same rows.
    """
    return _DOCUMENTS[media_type](outputs)


def encode_lines(media_type: str, outputs: Sequence[Output]) -> list[bytes]:
    """Write each row as `encode` would write it alone, in row order; no outputs are no rows.

    Parameters
    ----------
    media_type : str
        One of what `writable_by_line` says of these outputs.
    """
    if not outputs:
        return []
    if media_type == CSV:
        return csv_records(outputs)
    lines = json_lines(outputs).split(b"\n")
    return [b'{"predictions":[%b]}' % line for line in lines] if media_type == JSON else lines


def writable(outputs: Sequence[Output]) -> tuple[str, ...]:
    """Return the media types that can hold outputs like these."""
    return MEDIA_TYPES if is_one_array(outputs) else MEDIA_TYPES[:-1]


def writable_by_line(outputs: Sequence[Output]) -> tuple[str, ...]:
    """Return the media types in which each row of outputs like these is one line."""
    has_breaks = any(
        output.labels is not None and output.values.ndim == 1 and output.labels.has_line_breaks
        for output in outputs
    )
    return (JSON, *JSON_LINES) if has_breaks else (CSV, JSON, *JSON_LINES)
