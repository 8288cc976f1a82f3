"""Parquet files, a slice of rows at a time, through pyarrow.

Columns have types here: numbers and booleans (as 0 and 1) are numbers, dates are times, strings are
texts and mean what they mean in a CSV file.  The index columns that pandas adds are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.blocks import Block, Kind, TextBlock
from crossfold.data.cells import cell_text
from crossfold.data.channel_files import DataFile
from crossfold.data.file_bytes import readable
from crossfold.data.times import FIRST_YEAR, LAST_YEAR
from crossfold.errors import UserError

_BATCH_CELLS = 1 << 18
"""Cells decoded at a time: 2 MiB of float64."""

_BUFFER_BYTES = 1 << 16
"""Bytes read ahead in each column; without it pyarrow keeps whole row groups in memory."""

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file whose footer has been read."""

    file: DataFile
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    n_rows_hint: int

    def blocks(self, wanted: Sequence[tuple[int, Kind]]) -> Iterator[Block]:
        """Read the columns wanted, block by block; see `FileReader.blocks`."""
        import pyarrow as pa

        with _opened(self.file) as parquet:
            for batch in parquet.iter_batches(
                batch_size=max(256, _BATCH_CELLS // max(1, len(wanted))),
                columns=[self.names[position] for position, _ in wanted],
                use_threads=False,
            ):
                columns = [
                    _column(self.file, batch.column(self.names[position]), kind)
                    for position, kind in wanted
                ]
                yield Block(batch.num_rows, columns)
        pa.default_memory_pool().release_unused()

    def row_of(self, record: int) -> int:
        """Return the 1-based row."""
        return record + 1


def open_parquet(file: DataFile) -> ParquetFile:
    """Read the footer of a Parquet file.

    Raises
    ------
    UserError
        It is broken or empty.
    """
    with _opened(file) as parquet:
        schema = parquet.schema_arrow
        n_rows = parquet.metadata.num_rows
    if not n_rows:
        raise UserError(f"{file.place()} has no rows; remove the file, or give it rows")
    fields = [field for field in schema if not _PANDAS_INDEX.fullmatch(field.name)]
    if not fields:
        raise UserError(f"{file.place()} has no columns; write it again")
    return ParquetFile(
        file=file,
        names=tuple(field.name for field in fields),
        kinds=tuple(_kind_of(field.type) for field in fields),
        n_rows_hint=n_rows,
    )


def count_parquet_rows(file: DataFile) -> int:
    """Return the number of rows that the footer names.

    Raises
    ------
    UserError
        The file is broken or has none.
    """
    return open_parquet(file).n_rows_hint


def write_parquet_rows(file: DataFile, keep: NDArray[np.bool_], target: Path) -> None:
    """Write the rows to keep: row groups, schema with its metadata, and compression stay.

    Parameters
    ----------
    keep : ndarray of shape (n_rows,), bool
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    first = 0
    with _opened(file) as parquet:
        compression = parquet.metadata.row_group(0).column(0).compression
        compression = "NONE" if compression == "UNCOMPRESSED" else compression
        schema = parquet.schema_arrow
        with ParquetWriter(str(target), schema, compression=compression) as writer:
            for number in range(parquet.num_row_groups):
                rows = parquet.read_row_group(number, use_threads=False)
                kept = keep[first : first + rows.num_rows]
                first += rows.num_rows
                if kept.any():
                    writer.write_table(rows.filter(pa.array(kept)))
    pa.default_memory_pool().release_unused()


@contextmanager
def _opened(file: DataFile) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile as ArrowParquetFile

    try:
        with (
            readable(file),
            ArrowParquetFile(
                str(file.path), pre_buffer=False, buffer_size=_BUFFER_BYTES
            ) as parquet,
        ):
            yield parquet
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{file.place()} is not a valid Parquet file ({reason}); write it again"
        ) from error


def _kind_of(arrow_type: Any) -> Kind:
    from pyarrow import types

    if types.is_dictionary(arrow_type):
        return _kind_of(arrow_type.value_type)
    if any(
        is_number(arrow_type)
        for is_number in (
            types.is_integer,
            types.is_floating,
            types.is_boolean,
            types.is_decimal,
            types.is_null,
        )
    ):
        return "number"
    if types.is_date(arrow_type) or types.is_timestamp(arrow_type):
        return "time"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        return "text"
    return "other"


def _column(file: DataFile, array: Any, kind: Kind) -> NDArray[Any] | TextBlock:
    import pyarrow as pa

    if isinstance(array, pa.DictionaryArray) and kind != "text":
        array = array.dictionary_decode()
    if kind == "number":
        return _numbers(array)
    if kind == "time":
        return _nanoseconds(file, array)
    if kind == "raw":
        return np.array(_texts(array), dtype=object)
    if not isinstance(array, pa.DictionaryArray):
        array = array.dictionary_encode()
    codes = array.indices.to_numpy(zero_copy_only=False)
    if array.null_count:
        codes = np.where(np.isnan(codes), -1, codes)
    return TextBlock(codes.astype(np.int32), _texts(array.dictionary))


def _numbers(array: Any) -> NDArray[Any]:
    values = array.to_numpy(zero_copy_only=False)
    # Booleans and decimals come as objects; None becomes NaN.
    return values.astype(np.float64) if values.dtype == object else np.asarray(values)


def _nanoseconds(file: DataFile, array: Any) -> NDArray[np.int64]:
    times = array.to_numpy(zero_copy_only=False)
    years = times[~np.isnat(times)].astype("datetime64[Y]").astype(np.int64) + 1970
    if len(years) and not FIRST_YEAR <= years.min() <= years.max() <= LAST_YEAR:
        raise UserError(
            f"{file.place()} holds times in the years {years.min()} to {years.max()}; "
            f"expected {FIRST_YEAR} to {LAST_YEAR}, which 64-bit nanoseconds can hold"
        )
    return np.asarray(times.astype("datetime64[ns]").astype(np.int64))


def _texts(array: Any) -> list[str]:
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "M":
        return ["" if text == "NaT" else text for text in np.datetime_as_string(values).tolist()]
    return [cell_text(value) for value in array.to_pylist()]
