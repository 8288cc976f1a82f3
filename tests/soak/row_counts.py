"""How many rows are in a body or in an answer, told by other code than `serve`'s own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crossfold.data.cells import is_number

_BOM = b"\xef\xbb\xbf"
_WRAPPERS = ("instances", "inputs", "data", "dataframe_split", "dataframe_records")


def n_rows_in(kind: str, data: bytes, names: Sequence[str]) -> int | None:
    """Count the rows of a body that was accepted; None where this code cannot tell."""
    counters: Mapping[str, Callable[[], int | None]] = {
        "csv": lambda: _in_csv(data.removeprefix(_BOM).decode(), names),
        "json": lambda: _in_json(json.loads(data)),
        "jsonlines": lambda: _in_lines(data.removeprefix(_BOM).decode("utf-8", "replace"), None),
        "libsvm": lambda: _in_lines(data.removeprefix(_BOM).decode("ascii"), "#"),
        "parquet": lambda: int(pq.read_metadata(io.BytesIO(data)).num_rows),
        "npy": lambda: _in_npy(data),
    }
    try:
        return counters[kind]() if kind in counters else None
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error, pa.ArrowException):
        return None


def n_lines_in(data: bytes) -> int:
    """Count the lines of a batch: the last line break ends a line and starts none."""
    return data.count(b"\n") + (not data.endswith(b"\n"))


def n_rows_out(media_type: str, body: bytes) -> int:
    """Count the rows of an answer; ValueError where it is malformed."""
    if media_type == "text/csv":
        if b'"' in body:
            return len(list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True)))
        return body.count(b"\n") + 1
    if media_type == "application/json":
        return len(json.loads(body)["predictions"])
    if media_type == "application/x-npy":
        return len(np.lib.format.read_array(io.BytesIO(body), allow_pickle=False))
    return body.count(b"\n") + 1


def _in_csv(text: str, names: Sequence[str]) -> int | None:
    records = [r for r in csv.reader(io.StringIO(text, newline="")) if r]
    if any(len(record) == 1 and not record[0].strip() for record in records):
        return None
    first = sorted(cell.strip() for cell in records[0]) if records else []
    is_header = first == sorted(names) and not all(map(is_number, names))
    return len(records) - is_header


def _in_json(document: Any) -> int | None:
    if isinstance(document, list):
        are_rows = any(isinstance(row, list | dict) for row in document)
        return len(document) if are_rows else 1
    key = next((k for k in _WRAPPERS if isinstance(document.get(k), list | dict)), None)
    if key is None:
        return 1
    value = document[key]
    if isinstance(value, list):
        return _in_json(value)
    return len(value["data"]) if key == "dataframe_split" else len(next(iter(value.values())))


def _in_lines(text: str, comment: str | None) -> int | None:
    if "\r" in text.replace("\r\n", "\n"):
        return None
    lines = text.split("\n")
    return sum(bool((line.partition(comment)[0] if comment else line).strip()) for line in lines)


def _in_npy(data: bytes) -> int:
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return len(array) if array.ndim == 2 else 1
