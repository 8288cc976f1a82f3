"""Read sets of files that share their columns; again, when a column turns out to be text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossfold.data.blocks import FileReader, TextFoundError
from crossfold.data.channel_files import DataFile
from crossfold.data.layout import Layout, Wanted, positions_in
from crossfold.data.opening import open_file_sets
from crossfold.data.options import DataOptions
from crossfold.data.row_set import RowSet
from crossfold.data.table import Table
from crossfold.data.vocabulary import Vocabulary


def read_file_sets(
    sets: Mapping[str, Sequence[DataFile]],
    options: DataOptions,
    *,
    dtype: Any,
    absent: float,
    wanted: Wanted = "table",
) -> dict[str, Table]:
    """Read each set of files into a table; a set is a channel, or all ready folds.

    Raises
    ------
    UserError
        Anything about the files; the message names channel, file, row and column.
    """
    from crossfold.data.assembly import make_tables

    readers, layout = open_file_sets(sets, options, dtype=dtype, absent=absent, wanted=wanted)
    first = next(iter(readers.values()))[0].file
    positions = {
        name: [positions_in(reader, layout, first) for reader in opened]
        for name, opened in readers.items()
    }
    while True:
        vocabularies = {p: Vocabulary() for p in layout.read if layout.kinds[p] == "text"}
        try:
            row_sets = {
                name: _read_set(layout, opened, positions[name], vocabularies, dtype)
                for name, opened in readers.items()
            }
        except _ColumnOfTextError as found:
            layout = layout.with_text(found.position)
        else:
            return make_tables(layout, row_sets, vocabularies)


class _ColumnOfTextError(Exception):
    """A column of the layout must be read as text."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def _read_set(
    layout: Layout,
    readers: Sequence[FileReader],
    positions: Sequence[tuple[int, ...]],
    vocabularies: dict[int, Vocabulary],
    dtype: Any,
) -> RowSet:
    rows = RowSet(layout, dtype, sum(reader.n_rows_hint for reader in readers))
    for reader, where in zip(readers, positions, strict=True):
        try:
            rows.add_file(reader, where, vocabularies)
        except TextFoundError as found:
            raise _ColumnOfTextError(where.index(found.position)) from None
    rows.finish()
    return rows
