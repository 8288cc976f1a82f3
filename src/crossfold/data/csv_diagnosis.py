"""The slow path of CSV: find the row that a fast parser stumbled over, with Python's own `csv`.

Runs only once something is known to be wrong, or to count lines for an error message.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice

from crossfold.data.channel_files import DataFile
from crossfold.data.file_bytes import is_utf8, not_utf8, open_text
from crossfold.errors import UserError

_LONGEST_CELL = 1 << 24


def allow_long_cells() -> None:
    """Let `csv` take cells of whole documents; of its own it takes 131,072 characters.

    There is an end all the same: a quote that is never closed makes one cell of a file.
    """
    csv.field_size_limit(_LONGEST_CELL)


def records(
    file: DataFile, delimiter: str, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield each record's cells with the 1-based line on which it starts; skip blank lines.

    Raises
    ------
    UserError
        The file cannot be read, or a quote is never closed (when `strict`).
    """
    allow_long_cells()
    with open_text(file) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=strict)
        line = 1
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UserError(f"{file.place(line)}: {error}; is a quote never closed?") from error
            if cells:
                yield line, cells
            line = reader.line_num + 1


def row_of_record(file: DataFile, delimiter: str, record: int) -> int:
    """Return the line on which the 0-based record starts, a header counted as a record."""
    for line, _ in islice(records(file, delimiter), record, None):
        return line
    return record + 1


def check_quotes(file: DataFile, delimiter: str) -> None:
    """Refuse a file that ends within quotes.

    Raises
    ------
    UserError
        Names the row in which the quote opens.
    """
    for _ in records(file, delimiter, strict=True):
        pass


def diagnose(file: DataFile, delimiter: str, names: Sequence[str], cause: Exception) -> UserError:
    """Make the error that says where the file is broken.

    Raises
    ------
    UserError
        At once, when Python's own reader fails too.
    """
    first: int | None = None
    for line, cells in records(file, delimiter):
        first = line if first is None else first
        if len(cells) != len(names):
            return UserError(
                f"{file.place(line)} has {_counted(len(cells))}, row {first} has {len(names)}; "
                "give every row as many, and put quotes around cells that hold the delimiter "
                f"{delimiter!r}"
            )
        for name, cell in zip(names, cells, strict=True):
            if not is_utf8(cell):
                return not_utf8(file, line, name)
    check_quotes(file, delimiter)
    reason = " ".join(str(cause).split())[:200]
    return UserError(f"{file.place()} is not valid CSV ({reason}); check its quotes and line ends")


def _counted(n_cells: int) -> str:
    return "1 cell" if n_cells == 1 else f"{n_cells} cells"
