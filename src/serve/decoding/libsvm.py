"""LIBSVM bodies: ``[label] [qid:n] index:value …`` on each line, indices as in training.

An index means what it meant in the training files, whether these counted from 0 or from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import float_text
from crossfold.data.file_bytes import is_utf8
from crossfold.data.libsvm_lines import SparseRows, read_rows, without_comment
from crossfold.errors import UserError
from serve.decoding.cell_values import TOO_LARGE, beyond, value_of_text
from serve.decoding.pieces import read_by_pieces
from serve.decoding.records import BadBodyError, listed
from serve.schema import Schema

_PLACE = "\0"
"""Stands in a message of `read_rows` for the place, which is added when the line is known."""

_MOST_GROWTH = 64
_MOST_BYTES = 256 << 20
"""The lines of one piece may always grow to this; above it, to `_MOST_GROWTH` times their size."""


def decode_libsvm(body: bytes, schema: Schema) -> NDArray[Any]:
    """Read LIBSVM; labels and queries are ignored, blank lines and comments as well.

    Raises
    ------
    BadBodyError
        A line is malformed, or has an index that the model does not know; names the line.
    """
    features = read_by_pieces(body, partial(_read_piece, schema=schema)) if body else None
    if features is None or not len(features):
        raise BadBodyError("no rows; give at least one line of index:value")
    return features


def _read_piece(piece: bytes, schema: Schema) -> NDArray[Any]:
    lines = _lines(piece)
    try:
        rows = read_rows(lines, lambda line: f"{line}{_PLACE}", labels_required=False)
    except UserError as error:
        number, _, reason = str(error).partition(_PLACE)
        raise BadBodyError(reason.removeprefix(": "), int(number)) from None
    _check_size(len(lines), len(piece), schema)
    owner = np.repeat(np.arange(len(lines)), np.diff(rows.starts))
    positions = _positions(rows, schema)
    wrong = (positions < 0) | (np.abs(rows.values) >= TOO_LARGE)
    if wrong.any():
        entry = int(np.argmax(wrong))
        line, index = lines[int(owner[entry])][0], rows.indices[entry]
        if positions[entry] < 0:
            raise BadBodyError(f"index {index} is unknown; {_known(schema)}", line)
        raise BadBodyError(beyond(rows.values[entry]), line, schema.names[positions[entry]])
    features = np.full((len(lines), schema.n_features), schema.absent, schema.dtype)
    features[owner, positions] = rows.values
    for position, codes in enumerate(schema.codes):
        if codes is not None:
            here = positions == position
            features[:, position] = value_of_text(float_text(schema.absent), codes)
            features[owner[here], position] = _codes(rows.values[here], codes)
    return features


def _check_size(n_rows: int, n_bytes: int, schema: Schema) -> None:
    """Refuse few bytes that would make a matrix of any size."""
    size = n_rows * schema.n_features * schema.dtype.itemsize
    if size > max(_MOST_BYTES, _MOST_GROWTH * n_bytes):
        raise BadBodyError(
            f"{n_rows} lines make a matrix of {size} bytes for {schema.n_features} features; "
            f"expected at most {_MOST_BYTES}; send fewer lines at a time"
        )


def _lines(body: bytes) -> list[tuple[int, str]]:
    """Return the lines that hold a row."""
    text = body.decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        row = without_comment(line)
        if not is_utf8(row):
            raise BadBodyError("is not UTF-8 text; send it in UTF-8", number)
        if row.strip():
            lines.append((number, row))
    return lines


def _positions(rows: SparseRows, schema: Schema) -> NDArray[np.int64]:
    """Return the column of each entry; -1 where the model has none."""
    if schema.indices is None:
        known = rows.indices < schema.n_features
        return np.where(known, rows.indices, -1)
    most = max(schema.indices, default=-1)
    where = np.full(most + 2, -1, np.int64)
    where[list(schema.indices)] = list(schema.indices.values())
    return where[np.minimum(rows.indices, most + 1)]


def _known(schema: Schema) -> str:
    if schema.indices is None:
        return f"the model has the indices 0 to {schema.n_features - 1}"
    return f"the model has the indices {listed([str(i) for i in schema.indices])}"


def _codes(values: NDArray[np.float64], codes: Mapping[str, int]) -> NDArray[np.float64]:
    distinct, where = np.unique(values, return_inverse=True)
    found = [value_of_text(float_text(value), codes) for value in distinct.tolist()]
    return np.array(found, np.float64)[where]
