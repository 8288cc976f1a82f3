"""CSV files, in blocks, through pyarrow's streaming parser.

Every column is declared, so pyarrow never guesses a date or a boolean.
Memory beside the result is a few blocks, whatever the file's size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from crossfold.data import csv_diagnosis
from crossfold.data.blocks import Block, Kind, TextBlock, TextFoundError
from crossfold.data.cells import missing_spellings
from crossfold.data.channel_files import DataFile
from crossfold.data.csv_sample import CsvSample, has_header, kinds_of, read_sample
from crossfold.data.file_bytes import is_gzip, open_bytes

_BLOCK_BYTES = 1 << 20
_COMPRESSION = 4
"""Guessed ratio of a gzip file, for the first guess of the number of rows."""

_NOT_A_NUMBER = re.compile(r"In CSV column #(\d+): CSV conversion error to double")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file whose beginning has been looked at."""

    sample: CsvSample
    names: tuple[str, ...] | None
    kinds: tuple[Kind, ...]
    n_rows_hint: int

    @property
    def file(self) -> DataFile:
        """Return the file that is read."""
        return self.sample.file

    def blocks(self, wanted: Sequence[tuple[int, Kind]]) -> Iterator[Block]:
        """Read the columns wanted, block by block; see `FileReader.blocks`."""
        for batch in _batches(self, wanted):
            columns = [_column(batch.column(i), kind) for i, (_, kind) in enumerate(wanted)]
            yield Block(batch.num_rows, columns)

    def row_of(self, record: int) -> int:
        """Return the line on which the 0-based record starts."""
        header = int(self.names is not None)
        return csv_diagnosis.row_of_record(self.file, self.sample.delimiter, record + header)


def open_csv(
    file: DataFile,
    header: Literal["auto", "true", "false"],
    known_names: tuple[str, ...] | None = None,
) -> CsvFile:
    """Look at the beginning of a CSV file.

    Raises
    ------
    UserError
        It is empty, unreadable, not UTF-8, or cannot tell whether it has a header.
    """
    sample = read_sample(file)
    named = has_header(sample, header, known_names)
    names = tuple(_names(sample.records[0])) if named else None
    size = file.path.stat().st_size * (_COMPRESSION if is_gzip(file) else 1)
    return CsvFile(
        sample=sample,
        names=names,
        kinds=kinds_of(sample.records[int(named) :], sample.n_columns),
        n_rows_hint=int(size / sample.mean_bytes * 1.02) + 64,
    )


def _names(cells: Sequence[str]) -> Iterator[str]:
    for position, cell in enumerate(cells):
        yield cell.strip() or f"Unnamed: {position}"


def _batches(csv_file: CsvFile, wanted: Sequence[tuple[int, Kind]]) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    sample = csv_file.sample
    names = [str(position) for position in range(sample.n_columns)]
    try:
        with open_bytes(sample.file) as opened:
            if csv_file.names is not None:
                opened.read(sample.first_end)
            stream = _Stream(opened)
            yield from arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    column_names=names, block_size=_block_bytes(sample)
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=sample.delimiter, newlines_in_values=True
                ),
                convert_options=_conversion(names, wanted),
            )
        pa.default_memory_pool().release_unused()
        if stream.n_quotes % 2:
            csv_diagnosis.check_quotes(sample.file, sample.delimiter)
    except pa.ArrowInvalid as error:
        if str(error) == "Empty CSV file":
            return
        found = _NOT_A_NUMBER.match(str(error))
        if found:
            raise TextFoundError(int(found[1])) from None
        raise csv_diagnosis.diagnose(
            sample.file, sample.delimiter, csv_file.names or names, error
        ) from error


def _conversion(names: Sequence[str], wanted: Sequence[tuple[int, Kind]]) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    types = {
        "number": pa.float64(),
        "text": pa.dictionary(pa.int32(), pa.string()),
        "raw": pa.string(),
    }
    return arrow_csv.ConvertOptions(
        column_types={names[position]: types[kind] for position, kind in wanted},
        include_columns=[names[position] for position, _ in wanted],
        null_values=missing_spellings(),
    )


class _Stream:
    """The file behind its header, for pyarrow; counts the quotes that pass."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.n_quotes = 0
        self.closed = False

    def read(self, n_bytes: int = -1) -> bytes:
        data = self._stream.read(n_bytes)
        self.n_quotes += data.count(b'"')
        return data

    def close(self) -> None:
        self.closed = True


def _block_bytes(sample: CsvSample) -> int:
    """Return a block that holds several of the longest records seen."""
    return max(_BLOCK_BYTES, 16 * int(sample.mean_bytes))


def _column(array: Any, kind: Kind) -> NDArray[Any] | TextBlock:
    if kind != "text":
        values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
        return values
    codes: NDArray[np.int32] = array.indices.to_numpy(zero_copy_only=False)
    return TextBlock(codes, array.dictionary.to_pylist())
