"""Files as rows of bytes: what a cut of them needs to know, whatever the rows mean.

A row is what the readers of `crossfold.data` take for one: a CSV record (quoted line ends
included), a line of JSON Lines or LIBSVM that is not blank, a row of Parquet.  What stands before
the first row, a byte order mark and the line of names, belongs to every part.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from crossfold.data.channel_files import DataFile
from crossfold.data.csv_diagnosis import allow_long_cells, records
from crossfold.data.file_bytes import BOM, is_gzip, open_bytes
from crossfold.data.libsvm_lines import without_comment
from crossfold.data.parquet_codec import count_parquet_rows, write_parquet_rows
from crossfold.errors import UserError

# Fast enough for data that is read once for each fold; the default, 9, takes ten times as long.
_GZIP_LEVEL = 4


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file of a channel that can be cut.

    Attributes
    ----------
    file : DataFile
    n_head : int
        Bytes of the (decompressed) file before the first row.
    delimiter : str
        Of a CSV file; else empty.
    n_rows : int
    """

    file: DataFile
    n_head: int
    delimiter: str
    n_rows: int


def open_row_files(
    files: Sequence[DataFile], header: Literal["auto", "true", "false"]
) -> tuple[RowFile, ...]:
    """Count the rows of each file.

    Raises
    ------
    UserError
        A file is broken, empty, or cannot tell whether it has a header.
    """
    opened: list[RowFile] = []
    names: tuple[str, ...] | None = None
    for file in files:
        if file.format == "parquet":
            opened.append(RowFile(file, 0, "", count_parquet_rows(file)))
            continue
        n_head, delimiter = 0, ""
        if file.format in ("csv", "tsv"):
            from crossfold.data.csv_codec import open_csv

            found = open_csv(file, header, names)
            names = names or found.names
            delimiter = found.sample.delimiter
            n_head = 0 if found.names is None else found.sample.first_end
        n_head = n_head or _n_mark(file)
        n_rows = sum(1 for _ in _rows(file, n_head, delimiter))
        if not n_rows:
            raise UserError(f"{file.place()} has no rows; remove the file, or give it rows")
        opened.append(RowFile(file, n_head, delimiter, n_rows))
    return tuple(opened)


def write_rows(source: RowFile, keep: NDArray[np.bool_], target: Path) -> None:
    """Write the rows to keep, in their order and byte for byte, in the format of the source.

    Parameters
    ----------
    keep : ndarray of shape (n_rows,), bool
    """
    if source.file.format == "parquet":
        write_parquet_rows(source.file, keep, target)
        return
    with open_bytes(source.file) as stream, _opened_like(source.file, target) as out:
        out.write(stream.read(source.n_head))
        rows = zip(_rows_of(stream, source.file, source.delimiter), keep.tolist(), strict=True)
        out.writelines(row for row, is_kept in rows if is_kept)


def fingerprint_of_files(files: Sequence[tuple[str, Path]]) -> str:
    """Return the SHA-256, in hexadecimal, of names and contents."""
    digest = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{content} {name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _n_mark(file: DataFile) -> int:
    with open_bytes(file) as stream:
        return len(BOM) if stream.read(len(BOM)) == BOM else 0


def _rows(file: DataFile, n_head: int, delimiter: str) -> Iterator[bytes]:
    with open_bytes(file) as stream:
        stream.read(n_head)
        yield from _rows_of(stream, file, delimiter)


def _rows_of(stream: BinaryIO, file: DataFile, delimiter: str) -> Iterator[bytes]:
    """Yield each row from where the stream stands."""
    if delimiter:
        return _csv_rows(_lines(stream), file, delimiter)
    is_row = _holds_libsvm if file.format == "libsvm" else _is_not_blank
    return (line for line in _lines(stream) if is_row(line))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    r"""Yield lines with their ends, which may be ``\n``, ``\r\n`` and ``\r``."""
    for line in stream:
        if b"\r" in line.removesuffix(b"\r\n"):
            yield from line.splitlines(keepends=True)
        else:
            yield line


def _csv_rows(lines: Iterator[bytes], file: DataFile, delimiter: str) -> Iterator[bytes]:
    taken: list[bytes] = []
    allow_long_cells()

    def texts(first: bytes) -> Iterator[str]:
        for line in chain((first,), lines):
            taken.append(line)
            # Delimiter, quote and line ends are the same bytes in UTF-8.
            yield line.decode("latin-1")
        # Only who is within quotes asks for more.
        raise csv.Error("unexpected end of data")

    for line in lines:
        if b'"' not in line:
            if line.strip(b"\r\n"):
                yield line
            continue
        taken.clear()
        try:
            next(csv.reader(texts(line), delimiter=delimiter))
        except csv.Error as error:
            ((row, _),) = deque(records(file, delimiter), maxlen=1)
            raise UserError(f"{file.place(row)}: {error}; is a quote never closed?") from error
        yield b"".join(taken)


def _is_not_blank(line: bytes) -> bool:
    return bool(_text(line).strip())


def _holds_libsvm(line: bytes) -> bool:
    return bool(without_comment(_text(line)).strip())


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


@contextmanager
def _opened_like(file: DataFile, target: Path) -> Iterator[BinaryIO]:
    """Open the target, compressed where the source is."""
    with target.open("wb") as out:
        if not is_gzip(file):
            yield out
            return
        # Without name and time, so that the same rows are the same bytes.
        options: dict[str, Any] = {"compresslevel": _GZIP_LEVEL, "mtime": 0}
        with gzip.GzipFile("", "wb", fileobj=out, **options) as packed:
            yield cast("BinaryIO", packed)
