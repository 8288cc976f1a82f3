"""CSV bodies: commas, a row on each line, cells as in training.

One row of plain numbers is the hot path.  Python reads what is small, pyarrow what is large; both
give the same numbers, bit by bit, and every complaint is Python's, which knows the line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.file_bytes import is_utf8
from serve.decoding.cell_values import TOO_LARGE, value_of_text
from serve.decoding.pieces import n_lines
from serve.decoding.records import BadBodyError, listed, refuse_count, refuse_names
from serve.schema import Schema

_ROW_SIGNS = b"0123456789+-.eE,"
_SMALL_BYTES = 1 << 15
"""Up to here, Python is done before pyarrow has begun."""

_BLOCK_ROWS = 1024


def decode_csv(body: bytes, schema: Schema, *, guess_header: bool = True) -> NDArray[Any]:
    """Read CSV; a first line that holds exactly the columns' names, in any order, is a header.

    Raises
    ------
    BadBodyError
        A line does not fit the columns.
    """
    if len(body) <= _SMALL_BYTES:
        plain = _plain_rows(body, schema) if schema.is_numeric else None
        if plain is not None:
            return plain
    try:
        features = _read_other(body, schema, guess_header=guess_header)
    except BadBodyError as error:
        if guess_header and schema.may_have_header and error.record == 1 and error.column:
            error.reason += f"; a first line is a header if it holds exactly {listed(schema.names)}"
        raise
    if not len(features):
        raise BadBodyError("no rows; give at least one line of values")
    return features


def _read_other(body: bytes, schema: Schema, *, guess_header: bool) -> NDArray[Any]:
    if len(body) <= _SMALL_BYTES:
        order, start = read_header(body, schema, guess_header=guess_header)
        return rows_by_line(body, start, len(body), schema, order)
    from serve.decoding.csv_blocks import decode_large_csv

    return decode_large_csv(body, schema, guess_header=guess_header)


def read_header(
    body: bytes, schema: Schema, *, guess_header: bool
) -> tuple[Sequence[int] | None, int]:
    """Say where a line has each column of the model, and at which byte the rows begin.

    Without a header the first is None: columns are where the model has them.
    """
    if not guess_header or not schema.may_have_header:
        return None, 0
    try:
        _, cells, end = next(_records(body, 0, len(body), is_strict=False))
    except (StopIteration, BadBodyError):
        return None, 0
    names = [cell.strip() for cell in cells]
    if len(names) != schema.n_features or set(names) != schema.positions.keys():
        return None, 0
    where = {name: place for place, name in enumerate(names)}
    return [where[name] for name in schema.names], end


def rows_by_line(
    body: bytes, begin: int, end: int, schema: Schema, order: Sequence[int] | None
) -> NDArray[Any]:
    """Read the rows between two offsets: slowly, and with the reason where they cannot be read.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        Perhaps without rows.

    Raises
    ------
    BadBodyError
        A line does not fit the columns; names the line, counted from the start of the body.
    """
    blocks = [np.empty((0, schema.n_features), schema.dtype)]
    rows: list[list[float]] = []
    try:
        # Only a body that ends within quotes is refused for its quotes, as in training.
        is_strict = body.count(b'"', begin, end) % 2 > 0
        for line, cells, _ in _records(body, begin, end, is_strict=is_strict):
            rows.append(_row_values(cells, order, schema, line))
            if len(rows) == _BLOCK_ROWS:
                blocks.append(np.array(rows, schema.dtype))
                rows = []
    except BadBodyError as error:
        raise error.moved(n_lines(body, begin)) from None
    if rows:
        blocks.append(np.array(rows, schema.dtype))
    return np.concatenate(blocks)


def _plain_rows(body: bytes, schema: Schema) -> NDArray[Any] | None:
    """Read lines of plain numbers; None when there is anything else."""
    line = body.rstrip(b"\r\n")
    if line.translate(None, _ROW_SIGNS):
        return _plain_lines(line, schema)
    try:
        values = list(map(float, line.split(b",")))
    except ValueError:
        return None
    if len(values) != schema.n_features or max(values) >= TOO_LARGE or min(values) <= -TOO_LARGE:
        return None
    return np.array([values], schema.dtype)


def _plain_lines(body: bytes, schema: Schema) -> NDArray[Any] | None:
    if body.translate(None, _ROW_SIGNS + b"\r\n"):
        return None
    n_features, values = schema.n_features, list[float]()
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        if not line:
            continue
        cells = line.split(b",")
        # A lone \r ends a line as well, and float() would take it for a blank.
        if len(cells) != n_features or b"\r" in line:
            return None
        try:
            values.extend(map(float, cells))
        except ValueError:
            return None
    if not values or max(values) >= TOO_LARGE or min(values) <= -TOO_LARGE:
        return None
    return np.array(values, schema.dtype).reshape(-1, n_features)


def _row_values(
    cells: Sequence[str], order: Sequence[int] | None, schema: Schema, line: int
) -> list[float]:
    if len(cells) != schema.n_features:
        names = [cell.strip() for cell in cells]
        if schema.may_have_header and not schema.positions.keys().isdisjoint(names):
            refuse_names(names, schema, line)
        refuse_count(len(cells), schema, line)
    ordered = cells if order is None else [cells[place] for place in order]
    values = []
    for position, text in enumerate(ordered):
        try:
            values.append(value_of_text(text, schema.codes[position]))
        except BadBodyError as error:
            raise BadBodyError(error.reason, line, schema.names[position]) from None
    return values


def _records(
    body: bytes, begin: int, end: int, *, is_strict: bool
) -> Iterator[tuple[int, list[str], int]]:
    """Yield line (1 is the first here), cells and end of each record; skip blank lines."""
    stop, stream = begin, io.BytesIO(body[begin:end])

    def lines() -> Iterator[str]:
        nonlocal stop
        for text in io.TextIOWrapper(stream, "utf-8", newline="", errors="surrogateescape"):
            stop += len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
            yield text

    reader = csv.reader(lines(), strict=is_strict)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadBodyError(f"is not CSV ({error}); is a quote never closed?", line) from None
        if cells:
            if not all(cell.isascii() or is_utf8(cell) for cell in cells):
                raise BadBodyError("is not UTF-8 text; send it in UTF-8", line)
            yield line, cells, stop
        line = reader.line_num + 1
