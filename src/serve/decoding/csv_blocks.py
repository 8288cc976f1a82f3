"""Large CSV bodies through pyarrow, a piece at a time, so that memory stays near the matrix.

Every column is declared, so pyarrow never guesses.  A piece that it cannot read goes to Python's
reader, which either can or says why not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.threads import usable_threads
from crossfold.data.blocks import TextFoundError
from crossfold.data.cells import missing_spellings
from serve.decoding.cell_values import check_range, value_of_text
from serve.decoding.csv_rows import read_header, rows_by_line
from serve.decoding.pieces import Piece, joined, pieces_of
from serve.decoding.records import BadBodyError
from serve.schema import Schema

_MOST_THREADS = 4
_BLOCK_BYTES = 1 << 20
_PIECE_BYTES = 8 << 20
_MOST_RETRIES = 8
"""Columns that turn out to hold texts, one reading each, before all are read as texts."""
_NOT_A_NUMBER = re.compile(r"In CSV column #(\d+): ")


def decode_large_csv(body: bytes, schema: Schema, *, guess_header: bool) -> NDArray[Any]:
    """Read CSV as `serve.decoding.csv_rows.decode_csv` does, in less time and memory.

    Raises
    ------
    BadBodyError
        A line does not fit the columns.
    """
    order, start = read_header(body, schema, guess_header=guess_header)
    return read_blocks(body, start, schema, order)


def read_blocks(
    body: bytes, start: int, schema: Schema, order: Sequence[int] | None
) -> NDArray[Any]:
    """Read the rows from an offset on; `order` is that of `serve.decoding.csv_rows.read_header`.

    Raises
    ------
    BadBodyError
        A line does not fit the columns.
    """
    has_quotes = b'"' in body
    if has_quotes and body.count(b'"') % 2:
        return rows_by_line(body, start, len(body), schema, order)
    # Quotes may hold line ends, and forbid to cut.
    n_bytes = len(body) if has_quotes else _PIECE_BYTES
    reader = _Reader(body, schema, order, has_quotes=has_quotes)
    blocks = [
        block for piece in pieces_of(body, start, n_bytes=n_bytes) for block in reader.read(piece)
    ]
    return joined(blocks, np.empty((0, schema.n_features), schema.dtype))


class _Reader:
    """Reads pieces; remembers which columns were found to hold texts where numbers belong."""

    def __init__(
        self, body: bytes, schema: Schema, order: Sequence[int] | None, *, has_quotes: bool
    ) -> None:
        self._body = body
        self._schema = schema
        self._has_quotes = has_quotes
        self._order = order
        # The position in the model of what each place of a line holds.
        self._positions = list(range(schema.n_features) if order is None else np.argsort(order))
        self._is_text = [schema.codes[position] is not None for position in self._positions]
        self._n_found = 0

    def read(self, piece: Piece) -> list[NDArray[Any]]:
        """Return the rows of a piece, in blocks."""
        blocks = self._read_fast(piece)
        if blocks is None:
            return [rows_by_line(self._body, *piece, self._schema, self._order)]
        return blocks

    def _read_fast(self, piece: Piece) -> list[NDArray[Any]] | None:
        """Do the same through pyarrow; None when something is wrong with the piece."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        buffer = pa.py_buffer(self._body).slice(piece[0], piece[1] - piece[0])
        while True:
            is_text = tuple(self._is_text)
            try:
                table = arrow_csv.read_csv(pa.BufferReader(buffer), **self._options(is_text))
                return self._blocks(table.to_batches(), is_text)
            except TextFoundError as error:
                self._take_for_text(error.position)
            except pa.ArrowInvalid as error:
                found = _NOT_A_NUMBER.match(str(error))
                # A text column fails where it is not UTF-8.
                if found is None or is_text[int(found[1])]:
                    return None
                self._take_for_text(int(found[1]))
            except BadBodyError:
                return None

    def _take_for_text(self, place: int) -> None:
        self._n_found += 1
        if self._n_found > _MOST_RETRIES:
            self._is_text = [True] * len(self._is_text)
        self._is_text[place] = True

    def _options(self, is_text: Sequence[bool]) -> dict[str, Any]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        # One block leaves threads nothing to share but columns, and they cost more than those.
        has_threads = len(self._body) > 2 * _BLOCK_BYTES and _has_threads()
        number, text = pa.float64(), pa.dictionary(pa.int32(), pa.string())
        names = [str(place) for place in range(len(is_text))]
        types = [text if its_text else number for its_text in is_text]
        return {
            "read_options": arrow_csv.ReadOptions(
                column_names=names, block_size=_BLOCK_BYTES, use_threads=has_threads
            ),
            "parse_options": arrow_csv.ParseOptions(newlines_in_values=self._has_quotes),
            # pyarrow's own allocator keeps what it once had: 40 MB in place of 6 for 5 MB read.
            "memory_pool": pa.system_memory_pool(),
            "convert_options": arrow_csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)), null_values=missing_spellings()
            ),
        }

    def _blocks(self, batches: Sequence[Any], is_text: Sequence[bool]) -> list[NDArray[Any]]:
        blocks: list[NDArray[Any]] = []
        spare = np.empty((self._schema.n_features, 0), self._schema.dtype)
        for batch in batches:
            if batch.num_rows > spare.shape[1]:
                spare = np.empty((self._schema.n_features, batch.num_rows), self._schema.dtype)
            columns = spare[:, : batch.num_rows]
            self._fill(columns, batch.columns, is_text)
            block = np.ascontiguousarray(columns.T)
            check_range(block, self._schema.names)
            blocks.append(block)
        return blocks

    def _fill(self, columns: NDArray[Any], arrays: Sequence[Any], is_text: Sequence[bool]) -> None:
        # What is beyond float32 becomes infinite here, and is found just after.
        with np.errstate(over="ignore", invalid="ignore"):
            for array, its_text, position in zip(arrays, is_text, self._positions, strict=True):
                columns[position] = (
                    _text_values(array, self._schema.codes[position])
                    if its_text
                    else array.to_numpy(zero_copy_only=False)
                )
        n_missing = sum(array.null_count for array in arrays)
        if np.count_nonzero(np.isnan(columns)) != n_missing:
            _check_missing(arrays, is_text)


def _text_values(array: Any, codes: Mapping[str, int] | None) -> NDArray[np.float64]:
    texts = array.dictionary.to_pylist()
    values = np.array([*(value_of_text(text, codes) for text in texts), np.nan])
    where = array.indices.to_numpy(zero_copy_only=False)
    if array.null_count:
        where = np.where(np.isnan(where), -1, where).astype(np.int64)
    return np.asarray(values[where])


def _check_missing(arrays: Sequence[Any], is_text: Sequence[bool]) -> None:
    """Find what pyarrow takes for a number and training does not: ``-nan`` and ``nan(x)``.

    Raises
    ------
    TextFoundError
        A column of numbers holds one.
    """
    for place, array in enumerate(arrays):
        if not is_text[place]:
            numbers = array.to_numpy(zero_copy_only=False)
            if np.count_nonzero(np.isnan(numbers)) != array.null_count:
                raise TextFoundError(place)


@cache
def _has_threads() -> bool:
    """Say whether pyarrow may use threads, having told it how many: it knows of no quota."""
    import pyarrow as pa

    n_threads = min(_MOST_THREADS, usable_threads())
    pa.set_cpu_count(n_threads)
    return n_threads > 1
