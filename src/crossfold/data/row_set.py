"""Rows of several files as they are read, before it is settled what the texts in them mean.

The feature matrix is filled in place, so memory stays at the matrix and one block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.blocks import Block, FileReader, TextBlock
from crossfold.data.channel_files import DataFile
from crossfold.data.layout import Layout
from crossfold.data.table import Source
from crossfold.data.vocabulary import Vocabulary
from crossfold.errors import UserError

_GROWTH = 1.25
_BLOCK_ROWS = 1 << 16

_TOO_LARGE = 2.0**128 - 2.0**103
"""From here on, a number rounds to infinity in float32."""


class RowSet:
    """The rows of one channel; text columns hold numbers of their `Vocabulary`."""

    def __init__(self, layout: Layout, dtype: Any, n_rows_hint: int) -> None:
        self.layout = layout
        self.features: NDArray[Any] = _uninitialised(n_rows_hint, len(layout.features), dtype)
        self.n_rows = 0
        self._parts: dict[int, list[NDArray[Any]]] = {p: [] for p in layout.roles.values()}
        self._readers: list[tuple[FileReader, int]] = []

    def add_file(
        self,
        reader: FileReader,
        positions: tuple[int, ...],
        vocabularies: dict[int, Vocabulary],
    ) -> None:
        """Read all rows of a file; `positions` are those of the layout's columns in it."""
        self._readers.append((reader, self.n_rows))
        wanted = [(positions[p], self.layout.kinds[p]) for p in self.layout.read]
        for block in reader.blocks(wanted):
            self._add(block, vocabularies)
        if self.n_rows == self._readers[-1][1]:
            raise UserError(f"{reader.file.place()} has no rows; remove the file, or give it rows")

    def finish(self) -> None:
        """Give back the memory that no row needs."""
        if len(self.features) > self.n_rows:
            self._resize(self.n_rows)

    def sources(self) -> tuple[Source, ...]:
        """Return which file gave which rows."""
        ends = [first for _, first in self._readers[1:]] + [self.n_rows]
        return tuple(
            Source(reader.file.channel, reader.file.relative, first, end - first)
            for (reader, first), end in zip(self._readers, ends, strict=True)
        )

    def column(self, position: int) -> NDArray[Any]:
        """Return a column of the layout; that of a feature is a view."""
        if position in self._parts:
            parts = self._parts[position]
            if len(parts) != 1:
                self._parts[position] = parts = [np.concatenate(parts)]
            return parts[0]
        return self.features[: self.n_rows, self.layout.features.index(position)]

    def place(self, row: int, position: int | None = None) -> str:
        """Say which file, row and column a cell comes from."""
        reader, first = self._reader_of(row)
        column = self.layout.names[position] if position is not None else None
        return reader.file.place(reader.row_of(row - first), column)

    def file_of(self, row: int) -> DataFile:
        """Return the file that a row comes from."""
        return self._reader_of(row)[0].file

    def is_first_record(self, row: int) -> bool:
        """Say whether a row is the first of its file."""
        return any(first == row for _, first in self._readers)

    def check_finite(self, start: int, stop: int) -> None:
        """Refuse features among some rows that are infinite or would be in float32.

        Scikit-learn's trees, XGBoost and LightGBM differ in what they hold; one rule serves all,
        so that a change of algorithm never makes data unfit.

        Raises
        ------
        UserError
            Names file, row and column of the first.
        """
        features = self.features[start:stop]
        greatest = float(np.fmax.reduce(features, axis=None, initial=0))
        least = float(np.fmin.reduce(features, axis=None, initial=0))
        if max(greatest, -least) >= _TOO_LARGE:
            with np.errstate(over="ignore"):
                infinite = np.isinf(features.astype(np.float32))
            row, column = (int(i[0]) for i in np.nonzero(infinite))
            raise UserError(
                f"{self.place(start + row, self.layout.features[column])}: the number is infinite "
                f"or beyond {np.finfo(np.float32).max:.2g}, the largest of float32, which is the "
                "limit for every algorithm; correct or rescale the cell, or leave it empty"
            )

    def _reader_of(self, row: int) -> tuple[FileReader, int]:
        return next(entry for entry in reversed(self._readers) if entry[1] <= row)

    def _add(self, block: Block, vocabularies: dict[int, Vocabulary]) -> None:
        start, stop = self.n_rows, self.n_rows + block.n_rows
        if stop > len(self.features):
            self._resize(max(stop, int(stop * _GROWTH)))
        self.n_rows = stop
        target = self.features[start:stop]
        n_features = target.shape[1]
        # A float64 beyond float32 becomes infinite here, and is refused just below.
        with np.errstate(over="ignore"):
            for index, (position, cells) in enumerate(
                zip(self.layout.read, block.columns, strict=True)
            ):
                values = (
                    vocabularies[position].encode(cells) if isinstance(cells, TextBlock) else cells
                )
                if index < n_features:
                    target[:, index] = values
                elif self.layout.kinds[position] == "number":
                    self._parts[position].append(np.array(values, np.float64))
                else:
                    self._parts[position].append(values)
        self.check_finite(start, stop)

    def _resize(self, n_rows: int) -> None:
        """Grow or shrink in place (`realloc` moves pages, not bytes); no view may be alive."""
        self.features.resize((n_rows, self.features.shape[1]), refcheck=False)


def _uninitialised(n_rows: int, n_columns: int, dtype: Any) -> NDArray[Any]:
    """Reserve a matrix; a small one where a damaged file claims an absurd number of rows."""
    try:
        return np.empty((n_rows, n_columns), dtype)
    except (MemoryError, ValueError):
        fewer = min(n_rows, _BLOCK_ROWS)
    try:
        return np.empty((fewer, n_columns), dtype)
    except MemoryError as error:
        size = fewer * n_columns * np.dtype(dtype).itemsize
        raise MemoryError(
            f"unable to allocate {size / 2**30:.2f} GiB for {n_columns} features of the first "
            f"{fewer} of about {n_rows} rows"
        ) from error
