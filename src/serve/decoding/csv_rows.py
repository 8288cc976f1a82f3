"""CSV bodies: commas, a row on each line, cells as in training.

One row of plain numbers is the hot path.  orjson reads plain numbers up to a size, Python what else
is small, pyarrow what is large; all give the same numbers, bit by bit, and every complaint is
Python's, which knows the line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from crossfold.data.file_bytes import is_utf8
from serve.decoding.cell_values import TOO_LARGE, is_in_range, value_of_text
from serve.decoding.pieces import n_lines
from serve.decoding.records import BadBodyError, listed, refuse_count, refuse_names
from serve.schema import Schema

_ROW_SIGNS = b"0123456789+-.eE,"
_LINE_SIGNS = _ROW_SIGNS + b"\r\n"
_SMALL_BYTES = 1 << 15
"""Up to here, Python is done before pyarrow has begun."""

_PLAIN_BYTES = 3 << 17
"""Up to here, orjson is done with plain numbers before pyarrow is."""

_MINUS, _ZERO, _REST_OF_FLOAT = ord("-"), ord("0"), list(b"0123456789.eE")

_EMPTY_CELLS = ((b",,", b",null,"), (b",,", b",null,"), (b"[,", b"[null,"), (b",]", b",null]"))
_BLOCK_ROWS = 1024


def decode_csv(body: bytes, schema: Schema, *, guess_header: bool = True) -> NDArray[Any]:
    """Read CSV; a first line that holds exactly the columns' names, in any order, is a header.

    Raises
    ------
    BadBodyError
        A line does not fit the columns.
    """
    if len(body) <= _PLAIN_BYTES and schema.is_numeric:
        plain = _plain_rows(body, schema)
        if plain is not None:
            return plain
    try:
        features = _read_other(body, schema, guess_header=guess_header)
    except BadBodyError as error:
        if guess_header and schema.may_have_header and error.record == 1 and error.column:
            hint = f"a first line is a header if it holds exactly {listed(schema.names)}"
            raise BadBodyError(f"{error.reason}; {hint}", 1, error.column) from None
        raise
    if not len(features):
        raise BadBodyError("no rows; give at least one line of values")
    return features


def _read_other(body: bytes, schema: Schema, *, guess_header: bool) -> NDArray[Any]:
    if len(body) > _PLAIN_BYTES:
        from serve.decoding.csv_blocks import decode_large_csv

        return decode_large_csv(body, schema, guess_header=guess_header)
    order, start = read_header(body, schema, guess_header=guess_header)
    if order is not None and schema.is_numeric:
        plain = _plain_rows(body[start:], schema)
        if plain is not None:
            return np.ascontiguousarray(plain[:, order])
    if len(body) <= _SMALL_BYTES:
        return rows_by_line(body, start, len(body), schema, order)
    from serve.decoding.csv_blocks import read_blocks

    return read_blocks(body, start, schema, order)


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


def check_line(line: bytes, schema: Schema) -> None:
    """Look for what is wrong with one line of a batch: quickly, because there may be a million.

    Raises
    ------
    BadBodyError
        `decode_csv` would not make one row of it.  Never for other lines, but perhaps not for each
        of those where a carriage return lies within quotes.
    """
    line = line.strip(b"\r")
    if b"\r" in line:
        if b'"' not in line:
            raise BadBodyError("a carriage return within the line; end lines with a newline")
        return
    text = line.decode("utf-8", "surrogateescape")
    try:
        cells = next(csv.reader((text,), strict=text.count('"') % 2 > 0))
    except csv.Error as error:
        raise BadBodyError(str(error)) from None
    if not cells or not (text.isascii() or is_utf8(text)):
        raise BadBodyError("is blank, or not UTF-8 text")
    _row_values(cells, None, schema, 1)


def _plain_rows(body: bytes, schema: Schema) -> NDArray[Any] | None:
    """Read lines of plain numbers; None when there is anything else."""
    line = body.rstrip(b"\r\n")
    if line.translate(None, _ROW_SIGNS):
        return _plain_lines(line, schema)
    try:
        values = orjson.loads(b"[" + line + b"]")
        # JSON has no whole number below zero that is zero.
        if not all(values) and b"-0" in line:
            values = list(map(float, line.split(b",")))
    except orjson.JSONDecodeError:
        try:
            values = list(map(float, line.split(b",")))
        except ValueError:
            return None
    if len(values) != schema.n_features or not is_in_range(values):
        return None
    return np.array([values], schema.dtype)


def _plain_lines(body: bytes, schema: Schema) -> NDArray[Any] | None:
    if body.translate(None, _LINE_SIGNS):
        return None
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
        # A lone \r ends a line as well, and JSON would take it for a blank.
        if b"\r" in body:
            return None
    rows = _json_lines(body)
    if rows is None and len(body) <= _SMALL_BYTES:
        rows = _float_lines(body)
    if rows is None or set(map(len, rows)) != {schema.n_features}:
        return None
    values = np.array(rows, np.float64)
    if np.fmax.reduce(values, None) >= TOO_LARGE or np.fmin.reduce(values, None) <= -TOO_LARGE:
        return None
    # JSON has no whole number below zero that is zero.
    if not values.all() and _has_negative_zero(body):
        return None
    return values.astype(schema.dtype, copy=False)


def _json_lines(body: bytes) -> list[list[float | None]] | None:
    """Read lines as JSON, where None is an empty cell; None when one is not written as there."""
    text = b"[[" + body.replace(b"\n", b"],[") + b"]]"
    try:
        rows = orjson.loads(text)
    except orjson.JSONDecodeError:
        for empty, written in _EMPTY_CELLS:
            text = text.replace(empty, written)
        try:
            rows = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
    return [row for row in rows if row] if [] in rows else rows


def _float_lines(body: bytes) -> list[list[float | None]] | None:
    """Read numbers that JSON does not have, as ``.5``."""
    try:
        return [list(map(float, line.split(b","))) for line in body.split(b"\n") if line]
    except ValueError:
        return None


def _has_negative_zero(body: bytes) -> bool:
    """Say whether ``-0`` is among the cells."""
    signs = np.frombuffer(body + b",,", np.uint8)
    zeros = np.flatnonzero((signs[:-2] == _MINUS) & (signs[1:-1] == _ZERO))
    return not np.isin(signs[zeros + 2], _REST_OF_FLOAT).all()


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
