"""JSON Lines bodies: an object, a list, or ``{"features": [...]}`` on each line."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from serve.decoding.json_rows import check_row, features_of_rows, has_long_number, parse_json
from serve.decoding.pieces import read_by_pieces
from serve.decoding.records import BadBodyError
from serve.schema import Schema

_EXPECTED = 'expected a list of values, an object by column name, or {"features": [...]}'


def decode_jsonlines(body: bytes, schema: Schema) -> NDArray[Any]:
    """Read JSON Lines; blank lines are ignored.

    Raises
    ------
    BadBodyError
        A line is no JSON, or does not fit the columns; names the line.
    """
    features = read_by_pieces(body, partial(_read_piece, schema=schema)) if body else None
    if features is None or not len(features):
        raise BadBodyError("no rows; give an object or a list on each line")
    return features


def check_line(line: bytes, schema: Schema) -> None:
    """Look for what is wrong with one line of a batch: quickly, because there may be a million.

    Raises
    ------
    BadBodyError
        `decode_jsonlines` would not make one row of it.
    """
    if b"\r" in line:
        filled = [part for part in line.split(b"\r") if part and not part.isspace()]
        if len(filled) != 1:
            raise BadBodyError("a carriage return within the line; end lines with a newline")
        line = filled[0]
    check_row(parse_json(line, schema, _EXPECTED), schema)


def _read_piece(piece: bytes, schema: Schema) -> NDArray[Any]:
    if b"\r" in piece:
        piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = piece.split(b"\n")
    filled = [line for line in lines if line and not line.isspace()]
    if not filled:
        return np.empty((0, schema.n_features), schema.dtype)
    try:
        is_plain = schema.is_numeric or not has_long_number(piece)
        rows = list(map(orjson.loads, filled)) if is_plain else _read_slowly(lines, schema)
    except orjson.JSONDecodeError:
        rows = _read_slowly(lines, schema)
    try:
        return features_of_rows(rows, schema)
    except BadBodyError as error:
        raise error.moved(_n_blanks(lines, error.record)) from None


def _read_slowly(lines: list[bytes], schema: Schema) -> list[Any]:
    """Read lines among which one is no JSON, or no more than Python's JSON."""
    rows = []
    for number, line in enumerate(lines, 1):
        if line and not line.isspace():
            try:
                rows.append(parse_json(line, schema, _EXPECTED))
            except BadBodyError as error:
                raise BadBodyError(error.reason, number) from None
    return rows


def _n_blanks(lines: list[bytes], record: int | None) -> int:
    """Count the blank lines before the 1-based record."""
    n_filled = n_blanks = 0
    for line in lines:
        if line and not line.isspace():
            n_filled += 1
            if n_filled == record:
                return n_blanks
        else:
            n_blanks += 1
    return 0
