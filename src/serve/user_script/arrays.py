"""What a script gets that reads no bodies itself: numbers, by the codecs of our own models.

AWS's containers read CSV, JSON and NPY.  Unlike theirs, a single CSV line is a row like any
other, numbers keep their 64 bits, text among them is the sender's mistake, and no body is
unpickled.
"""

from __future__ import annotations

import csv
import json
import re
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from crossfold.data.cells import quoted
from serve.decoding.csv_rows import decode_csv
from serve.decoding.json_rows import features_of_rows
from serve.decoding.jsonlines import decode_jsonlines
from serve.decoding.npy import array_of_npy
from serve.decoding.records import BOM, BadBodyError
from serve.encoding.encode import CSV, JSON, JSON_LINES, NPY
from serve.encoding.media_types import parse_media_type
from serve.refusals import Refusal
from serve.schema import Schema, schema_of_numbers

CONTENT_TYPES = (CSV, JSON, NPY, *JSON_LINES)

_WRAPPERS = ("instances", "inputs", "data")
_FIRST_LINE = re.compile(rb"[\r\n]*([^\n]*)")
_FIRST_FILLED_LINE = re.compile(rb"\s*([^\r\n]*)")
_EXPECTED = 'expected a list of rows, or {"instances": [...]}'
_EXPECTED_LINE = 'expected a list of values, or {"features": [...]}, on each line'


def array_of_body(body: bytes, content_type: str, n_features: int | None) -> NDArray[Any]:
    """Read a body as ``input_fn`` would.

    Parameters
    ----------
    body : bytes
    content_type : str
        As the header says it.
    n_features : int, optional
        How many values a row has to have; None for as many as the first one has.

    Returns
    -------
    ndarray
        float64 of shape (n_rows, n_columns), NaN where a value is missing; of more dimensions where
        JSON nests deeper; as it was written where the body is NPY.

    Raises
    ------
    Refusal
        415 for another type; 400 for a body that cannot be read.
    """
    media_type = parse_media_type(content_type)[0]
    try:
        if media_type == CSV:
            return _of_csv(body.removeprefix(BOM), n_features)
        if media_type == JSON:
            return _of_json(body.removeprefix(BOM), n_features)
        if media_type == NPY:
            return _checked(array_of_npy(body), n_features)
        if media_type in JSON_LINES:
            return _of_jsonlines(body.removeprefix(BOM), n_features)
    except BadBodyError as error:
        noun = "line" if media_type in (CSV, *JSON_LINES) else "row"
        raise Refusal(400, error.sentence(noun)) from None
    message = (
        f"the body has Content-Type {quoted(media_type)}; expected one of "
        f"{', '.join(CONTENT_TYPES)}, as the model's script has no input_fn"
    )
    raise Refusal(415, message)


def _of_csv(body: bytes, n_features: int | None) -> NDArray[Any]:
    schema = _numbered(n_features or _n_cells(body))
    return decode_csv(body, schema, guess_header=False)


def _n_cells(body: bytes) -> int:
    """Count the cells of the first line that has any."""
    found = _FIRST_LINE.match(body)
    assert found is not None
    text = found[1].decode("utf-8", "surrogateescape").rstrip("\r")
    try:
        cells = next(csv.reader((text,)), [])
    except csv.Error as error:
        raise BadBodyError(f"is not CSV ({error})", 1) from None
    if not cells:
        raise BadBodyError("no rows; give at least one")
    return len(cells)


def _of_json(body: bytes, n_features: int | None) -> NDArray[Any]:
    rows = _rows(_document(body))
    first = rows[0]
    if isinstance(first, dict):
        raise BadBodyError("is an object, and the model knows no names; give a list of values", 1)
    if not isinstance(first, list):
        # A list of values is one row.
        rows, first = [rows], rows
    if any(isinstance(value, list) for value in first):
        return _nested(rows)
    return features_of_rows(rows, _numbered(n_features or len(first)))


def _of_jsonlines(body: bytes, n_features: int | None) -> NDArray[Any]:
    return decode_jsonlines(body, _numbered(n_features or _n_values(body)))


def _n_values(body: bytes) -> int:
    """Count the values of the first line that has any."""
    found = _FIRST_FILLED_LINE.match(body)
    assert found is not None
    row = _document(found[1], _EXPECTED_LINE) if found[1] else None
    if isinstance(row, dict):
        row = row.get("features")
    if not isinstance(row, list) or not row:
        number = body.count(b"\n", 0, found.start(1)) + 1
        raise BadBodyError(f"of no known shape; {_EXPECTED_LINE}", number if found[1] else None)
    return len(row)


def _document(body: bytes, expected: str = _EXPECTED) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Python's own writer puts NaN.
        if b"NaN" not in body:
            raise BadBodyError(f"not JSON ({error}); {expected}") from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBodyError(f"not JSON ({error}); {expected}") from None


def _rows(document: Any) -> list[Any]:
    if isinstance(document, dict):
        named = [document[name] for name in _WRAPPERS if name in document]
        document = named[0] if len(named) == 1 else None
    if not isinstance(document, list):
        raise BadBodyError(f"of no known shape; {_EXPECTED}")
    if not document or document[0] == []:
        raise BadBodyError(f"no rows; {_EXPECTED}")
    return document


def _nested(rows: list[Any]) -> NDArray[Any]:
    try:
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadBodyError(f"no array of numbers ({error}); nest all rows alike") from None


def _checked(array: NDArray[Any], n_features: int | None) -> NDArray[Any]:
    """Make one row of one dimension, and hold the columns against what the model expects."""
    rows = array.reshape(1, -1) if array.ndim == 1 else array
    if n_features is not None and rows.ndim == 2 and rows.shape[1] != n_features:
        raise BadBodyError(
            f"the array has {rows.shape[1]} columns; the model expects {n_features} features"
        )
    return rows


@lru_cache(maxsize=8)
def _numbered(n_features: int) -> Schema:
    return schema_of_numbers(n_features)
