"""What the beginning of a CSV file tells: the delimiter, a header or none, numbers or text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from crossfold.data import csv_diagnosis
from crossfold.data.blocks import Kind
from crossfold.data.cells import is_missing, is_number
from crossfold.data.channel_files import DataFile
from crossfold.data.file_bytes import BOM, not_utf8, open_bytes
from crossfold.errors import UserError

_FIRST_BYTES = 1 << 17
_MOST_BYTES = 1 << 27
_N_RECORDS = 200
"""Records looked at; what the sample misjudges costs a second reading, not a wrong result."""


@dataclass(frozen=True, slots=True)
class CsvSample:
    """The first records of a file.

    Attributes
    ----------
    records : tuple of tuple of str
        The first is a header perhaps.
    first_line : int
        1-based line on which the first record starts.
    first_end : int
        Bytes from the start of the (decompressed) file to the end of the first record.
    mean_bytes : float
        Mean length of a record.
    """

    file: DataFile
    delimiter: str
    records: tuple[tuple[str, ...], ...]
    first_line: int
    first_end: int
    mean_bytes: float

    @property
    def n_columns(self) -> int:
        """Count the cells of the first record."""
        return len(self.records[0])


def read_sample(file: DataFile) -> CsvSample:
    """Read the first records of a CSV file.

    Raises
    ------
    UserError
        The file is empty, unreadable or not UTF-8.
    """
    n_bytes = _FIRST_BYTES
    while True:
        with open_bytes(file) as stream:
            data = stream.read(n_bytes)
            is_whole = not stream.read(1)
        text = _decode(file, data, is_whole=is_whole)
        delimiter = "\t" if file.format == "tsv" else _delimiter_of(text, is_whole=is_whole)
        parsed = list(_parse(text, delimiter, is_whole=is_whole))
        if is_whole or len(parsed) > 1 or n_bytes >= _MOST_BYTES:
            break
        n_bytes *= 8
    if not parsed:
        raise UserError(f"{file.place()} is empty; remove the file, or give it rows")
    first_line, _, first_end = parsed[0]
    return CsvSample(
        file=file,
        delimiter=delimiter,
        records=tuple(tuple(cells) for _, cells, _ in parsed),
        first_line=first_line,
        first_end=len(BOM) * data.startswith(BOM) + len(text[:first_end].encode()),
        mean_bytes=max(2.0, len(text[: parsed[-1][2]].encode()) / len(parsed)),
    )


def has_header(
    sample: CsvSample,
    header: Literal["auto", "true", "false"],
    known_names: tuple[str, ...] | None = None,
) -> bool:
    """Decide whether the first record holds names.

    `known_names` are the header of an earlier file of the job, which decides where this file alone
    cannot.

    Raises
    ------
    UserError
        The file cannot tell.
    """
    if header != "auto":
        return header == "true"
    first = sample.records[0]
    if any(is_number(cell) for cell in first):
        return False
    if known_names is not None and set(first) == set(known_names):
        return True
    if any(is_number(cell) for cells in sample.records[1:] for cell in cells):
        return True
    if len(sample.records) == 1:
        raise UserError(
            f"{sample.file.place(sample.first_line)} is the only row and holds no number, so it "
            "looks like a header without rows; remove the file, or give it rows"
        )
    rest = csv_diagnosis.records(sample.file, sample.delimiter)
    if any(is_number(cell) for _, cells in rest for cell in cells):
        return True
    raise UserError(
        f"{sample.file.place()} holds no number, so its first row may be a header or data; "
        "set hyperparameter 'header' to 'true' or 'false'"
    )


def kinds_of(rows: tuple[tuple[str, ...], ...], n_columns: int) -> tuple[Kind, ...]:
    """Take a column for numbers unless a cell of it is text."""
    is_text = [False] * n_columns
    for cells in rows:
        for column, cell in enumerate(cells[:n_columns]):
            if not is_text[column] and not is_number(cell) and not is_missing(cell):
                is_text[column] = True
    return tuple("text" if text else "number" for text in is_text)


def _decode(file: DataFile, data: bytes, *, is_whole: bool) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=is_whole)
    except UnicodeDecodeError as error:
        lines = io.StringIO(data[: error.start].decode("utf-8", "replace"), newline="")
        before = list(lines)
        row = len(before) + (not before or before[-1].endswith(("\n", "\r")))
        raise not_utf8(file, row) from error


def _delimiter_of(text: str, *, is_whole: bool) -> str:
    """Take the comma, unless only another delimiter cuts every record into as many cells."""
    fitting = [d for d in ",;\t|" if _is_consistent(text, d, is_whole=is_whole)]
    return fitting[0] if fitting and (fitting[0] == "," or len(fitting) == 1) else ","


def _is_consistent(text: str, delimiter: str, *, is_whole: bool) -> bool:
    if delimiter not in text:
        return False
    widths = {len(cells) for _, cells, _ in _parse(text, delimiter, is_whole=is_whole)}
    return len(widths) == 1 and widths != {1}


def _parse(text: str, delimiter: str, *, is_whole: bool) -> Iterator[tuple[int, list[str], int]]:
    """Yield the first line, the cells and the end in `text` of each complete record."""
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in io.StringIO(text, newline=""):
            consumed += len(line)
            yield line

    csv_diagnosis.allow_long_cells()
    reader = csv.reader(lines(), delimiter=delimiter)
    first_line, n_found = 1, 0
    try:
        for cells in reader:
            if consumed == len(text) and not is_whole:
                return
            if cells:
                yield first_line, cells, consumed
                n_found += 1
            if n_found == _N_RECORDS:
                return
            first_line = reader.line_num + 1
    except csv.Error:
        return
