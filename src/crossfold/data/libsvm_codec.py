"""LIBSVM files: a row on each line, in the grammar of `crossfold.data.libsvm_lines`.

Indices are taken as they are in the file, never shifted, in training and serving alike.
Rows are kept sparse until all files are read, because the greatest index decides the width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from crossfold.data.blocks import Block, Kind, TextBlock
from crossfold.data.cells import float_text
from crossfold.data.channel_files import DataFile
from crossfold.data.file_bytes import is_utf8, not_utf8, open_text
from crossfold.data.libsvm_lines import SparseRows, read_rows, without_comment
from crossfold.errors import UserError

_LINES = 4096
_BLOCK_CELLS = 1 << 24
"""Cells made dense at a time, 128 MiB, so that wide rows need little beside the matrix."""


@dataclass(frozen=True, slots=True)
class LibsvmFile:
    """A LIBSVM file that has been read; its last three columns are label, weight and qid."""

    file: DataFile
    rows: SparseRows
    n_features: int
    absent: float

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return None: LIBSVM has indices only."""
        return None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return numbers throughout."""
        number: Kind = "number"
        return (number,) * (self.n_features + 3)

    @property
    def n_rows_hint(self) -> int:
        """Return the number of rows."""
        return len(self.rows.labels)

    @property
    def has_weights(self) -> bool:
        """Say whether any row has a weight."""
        return not np.isnan(self.rows.weights).all()

    @property
    def has_groups(self) -> bool:
        """Say whether any row has a qid."""
        return not np.isnan(self.rows.groups).all()

    def widened(self, n_features: int) -> LibsvmFile:
        """Return the same file with more columns."""
        return replace(self, n_features=n_features)

    def blocks(self, wanted: Sequence[tuple[int, Kind]]) -> Iterator[Block]:
        """Fill the columns wanted, block by block; see `FileReader.blocks`."""
        rows, where = self.rows, _column_map(wanted, self.n_features)
        step = min(_LINES, max(1, _BLOCK_CELLS // (len(wanted) + 1)))
        for start in range(0, len(rows.labels), step):
            stop = min(start + step, len(rows.labels))
            dense = np.full((stop - start, len(wanted) + 1), self.absent)
            entries = slice(rows.starts[start], rows.starts[stop])
            owner = np.repeat(np.arange(stop - start), np.diff(rows.starts[start : stop + 1]))
            dense[owner, where[rows.indices[entries]]] = rows.values[entries]
            for column, (position, _) in enumerate(wanted):
                if position >= self.n_features:
                    role = (rows.labels, rows.weights, rows.groups)[position - self.n_features]
                    dense[:, column] = role[start:stop]
            columns = [_column(dense[:, i], kind) for i, (_, kind) in enumerate(wanted)]
            yield Block(stop - start, columns)

    def row_of(self, record: int) -> int:
        """Return the line that holds the 0-based record."""
        return next(islice((line for line, _ in _lines(self.file)), record, None), record + 1)


def open_libsvm(file: DataFile, absent: float) -> LibsvmFile:
    """Read a LIBSVM file.

    Raises
    ------
    UserError
        A token is malformed, or the indices of a row do not ascend; names file and row.
    """
    rows = read_rows(_lines(file), file.place)
    if not len(rows.labels):
        raise UserError(f"{file.place()} is empty; remove the file, or give it rows")
    n_features = int(rows.indices.max()) + 1 if len(rows.indices) else 0
    return LibsvmFile(file, rows, n_features, absent)


def _lines(file: DataFile) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that holds a row, without its comment."""
    with open_text(file) as lines:
        for number, line in enumerate(lines, 1):
            text = without_comment(line)
            if not is_utf8(text):
                raise not_utf8(file, number)
            if text.strip():
                yield number, text


def _column_map(wanted: Sequence[tuple[int, Kind]], n_features: int) -> NDArray[np.int64]:
    """Map each index to its place among the columns wanted; the place behind them is a bin."""
    where = np.full(n_features, len(wanted), np.int64)
    for column, (position, _) in enumerate(wanted):
        if position < n_features:
            where[position] = column
    return where


def _column(numbers: NDArray[np.float64], kind: Kind) -> NDArray[np.float64] | TextBlock:
    if kind == "number":
        return numbers
    distinct, codes = np.unique(numbers, return_inverse=True)
    return TextBlock(codes.astype(np.int32), [float_text(v) for v in distinct.tolist()])
