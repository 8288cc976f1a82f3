"""What a file's reader promises, whatever the format: blocks of rows, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfold.data.channel_files import DataFile
from crossfold.errors import CrossfoldError

Kind = Literal["number", "text", "raw", "time", "other"]
"""How a column is read: as float64, as texts each stored once, as exact text, as nanoseconds.

A column of kind ``other`` (nested, binary) cannot be read.
"""


NO_TIME = np.iinfo(np.int64).min
"""Stands for a missing time, as numpy's NaT does."""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Texts of one column in one block; `codes` point into `texts`, -1 is missing."""

    codes: NDArray[np.int32]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows.

    Attributes
    ----------
    columns : list
        For kind ``number`` a float64 array (NaN is missing), for ``text`` a `TextBlock`, for
        ``raw`` an object array of str, for ``time`` an int64 array (the least value is missing).
    """

    n_rows: int
    columns: list[NDArray[Any] | TextBlock]


class TextFoundError(CrossfoldError):
    """A column that was taken for numbers holds text; never leaves this room."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class FileReader(Protocol):
    """One opened file; a codec module makes them."""

    @property
    def file(self) -> DataFile:
        """Return the file that is read."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return the names of the columns, None where the file has none."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kind of each column as far as the file's beginning tells."""

    @property
    def n_rows_hint(self) -> int:
        """Return about how many rows there are."""

    def blocks(self, wanted: Sequence[tuple[int, Kind]]) -> Iterator[Block]:
        """Read the columns at the positions given, in the order given.

        Raises
        ------
        TextFoundError
            A column wanted as ``number`` holds text.
        UserError
            The file is broken.
        """

    def row_of(self, record: int) -> int:
        """Return the 1-based row, as a user counts it, of the 0-based record."""
