"""LIBSVM bodies: ``[label] [qid:n] index:value …`` on each line, indices as in training.

An index means what it meant in the training files, whether these counted from 0 or from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import float_text, is_number
from crossfold.data.file_bytes import is_utf8
from crossfold.data.libsvm_lines import SparseRows, read_rows, without_comment
from crossfold.errors import UserError
from serve.decoding.cell_values import TOO_LARGE, beyond, value_of_text
from serve.decoding.pieces import read_by_pieces
from serve.decoding.records import BadBodyError, listed, refuse_growth
from serve.schema import Schema

_MOST_DIGITS = 16
_PLACE = "\0"
"""Stands in a message of `read_rows` for the place, which is added when the line is known."""


def decode_libsvm(body: bytes, schema: Schema) -> NDArray[Any]:
    """Read LIBSVM; labels and queries are ignored, blank lines and comments as well.

    Raises
    ------
    BadBodyError
        A line is malformed, or has an index that the model does not know; names the line.
    Refusal
        The features would take too much memory.
    """
    read = _Reader(schema, len(body))
    features = read_by_pieces(body, read) if body else None
    if features is None or not len(features):
        raise BadBodyError("no rows; give at least one line of index:value")
    return features


def check_line(line: bytes, schema: Schema) -> None:
    """Look for what is wrong with one line of a batch: quickly, because there may be a million.

    Raises
    ------
    BadBodyError
        `decode_libsvm` would not make one row of it.  Never for other lines, but not for each of
        those.
    """
    rows = _lines(line)
    if len(rows) != 1:
        raise BadBodyError("a carriage return within the line; end lines with a newline")
    tokens = rows[0][1].split()
    if ":" not in tokens[0]:
        if not is_number(tokens[0]):
            raise BadBodyError("a label that is none")
        del tokens[0]
    if tokens and tokens[0].startswith("qid:"):
        del tokens[0]
    _check_entries(tokens, schema)


def _check_entries(tokens: Sequence[str], schema: Schema) -> None:
    last = -1
    for token in tokens:
        index, _, value = token.partition(":")
        if not (index.isascii() and index.isdigit() and len(index) < _MOST_DIGITS):
            raise BadBodyError("an index that is none")
        number = int(index)
        is_known = (
            number < schema.n_features if schema.indices is None else number in schema.indices
        )
        if number <= last or not is_known:
            raise BadBodyError("an index that is unknown, or comes too late")
        last = number
        is_nan = value.lower() == "nan"
        if not is_nan and not (is_number(value) and abs(float(value)) < TOO_LARGE):
            raise BadBodyError("a value that is none")


class _Reader:
    """Reads pieces of a body, and counts the rows of all of them."""

    def __init__(self, schema: Schema, n_bytes: int) -> None:
        self._schema = schema
        self._n_bytes = n_bytes
        self._n_rows = 0

    def __call__(self, piece: bytes) -> NDArray[Any]:
        """Return the rows of a piece."""
        lines = _lines(piece)
        self._n_rows += len(lines)
        refuse_growth(self._n_rows, self._n_bytes, self._schema)
        return _rows(lines, self._schema)


def _rows(lines: list[tuple[int, str]], schema: Schema) -> NDArray[Any]:
    try:
        rows = read_rows(lines, lambda line: f"{line}{_PLACE}", labels_required=False)
    except UserError as error:
        number, _, reason = str(error).partition(_PLACE)
        raise BadBodyError(reason.removeprefix(": "), int(number)) from None
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
    ascending, positions = schema.index_table
    places = np.minimum(np.searchsorted(ascending, rows.indices), len(ascending) - 1)
    return np.where(ascending[places] == rows.indices, positions[places], -1)


def _known(schema: Schema) -> str:
    if schema.indices is None:
        return f"the model has the indices 0 to {schema.n_features - 1}"
    return f"the model has the indices {listed([str(i) for i in schema.indices])}"


def _codes(values: NDArray[np.float64], codes: Mapping[str, int]) -> NDArray[np.float64]:
    distinct, where = np.unique(values, return_inverse=True)
    found = [value_of_text(float_text(value), codes) for value in distinct.tolist()]
    return np.array(found, np.float64)[where]
