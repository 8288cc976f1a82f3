"""Records as values: CSV rows, JSON documents, JSON Lines; what filters and joins work on.

Source: AWS docs, 'Associate Prediction Results with Input Records'; API reference, DataProcessing
(a CSV row is an array, the answer's row follows the input's; a JSON object gets
``SageMakerOutput``, anything else goes under ``SageMakerInput``).  Not documented: blank lines are
no records, and CSV fields are quoted only where they must be.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Literal

from local_test.control_plane.transform.failure import FileFault

Format = Literal["csv", "json", "jsonlines"]

_FIELD_CHARACTERS = (1 << 31) - 1

INPUT, OUTPUT = "SageMakerInput", "SageMakerOutput"

_FORMATS: MappingProxyType[str, Format] = MappingProxyType(
    {"text/csv": "csv", "application/json": "json", "application/jsonlines": "jsonlines"}
)
_CALLED = MappingProxyType({"csv": "CSV", "json": "JSON", "jsonlines": "JSON Lines"})


class NotReadable(ValueError):
    """A body is not of the format that its media type names."""


def format_of(media_type: str | None) -> Format | None:
    """Return the format of a media type, parameters aside; None where it has no rows."""
    return _FORMATS.get((media_type or "").partition(";")[0].strip().lower())


def media_types() -> str:
    """Return the media types that have a format, for a refusal."""
    return ", ".join(_FORMATS)


def called(form: Format) -> str:
    """Return a format's name for people."""
    return _CALLED[form]


def read_rows(form: Format, data: bytes) -> list[Any]:
    """Return the records of a body; a CSV row is a list of texts.

    Raises
    ------
    NotReadable
        It is not of this format.
    """
    try:
        text = data.decode("utf-8")
        if form == "csv":
            # Python's own limit is 128 KB; a payload has its limit already.
            csv.field_size_limit(_FIELD_CHARACTERS)
            return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
        if form == "json":
            return [json.loads(text)]
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, csv.Error, RecursionError) as error:
        raise NotReadable(str(error)) from error


def write_rows(form: Format, rows: Sequence[Any]) -> bytes:
    """Return records as a body without a line feed at its end."""
    if form == "csv":
        return "\n".join(_csv_row(row) for row in rows).encode()
    # Half of a surrogate pair, which a document may escape, is written as the escape again.
    return "\n".join(_json(row) for row in rows).encode(errors="backslashreplace")


def join(form: Format, given: Any, answer: Any) -> Any:
    """Return one record of the input with its answer.

    Raises
    ------
    FileFault
        The input already has what the answer would be called.
    """
    if form == "csv":
        return [*given, *answer]
    if not isinstance(given, dict):
        return {INPUT: given, OUTPUT: answer}
    if OUTPUT in given:
        raise FileFault(f"a record of the input has an attribute {OUTPUT}, which is reserved")
    return {**given, OUTPUT: answer}


def _csv_row(row: Any) -> str:
    fields = row if isinstance(row, list) else [row]
    buffer = io.StringIO(newline="")
    # Only what is in the terminator counts as a break of the line, which a field is quoted for.
    csv.writer(buffer, lineterminator="\r\n").writerow(fields)
    return buffer.getvalue()[:-2]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
