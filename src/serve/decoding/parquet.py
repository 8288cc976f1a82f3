"""Parquet bodies, matched by column name; types mean what they mean in training.

What the footer and the pages promise is checked against the body's size before anything is
unpacked, because a few bytes can stand for any number of rows, and for a text of any length.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import quoted
from serve.decoding.cell_values import check_range, value_of_cell
from serve.decoding.json_rows import order_of
from serve.decoding.parquet_pages import pages_of
from serve.decoding.records import BadBodyError
from serve.schema import Schema

_MOST_GROWTH = 64
_FREE_BYTES = 64 << 20
"""A body may always grow to this; above it, to `_MOST_GROWTH` times its size."""

_LEAST_PAGE = 1 << 12
"""A page counts as so many bytes at least, for the time that it takes."""

_LONGEST_TEXT = 1 << 20
_HELD = {
    "list": "lists",
    "map": "lists",
    "struct": "objects",
    "duration": "durations",
    "binary": "bytes",
}
"""What a column holds, by a part of its type's name."""

_BATCH_CELLS = 1 << 20
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def decode_parquet(body: bytes, schema: Schema) -> NDArray[Any]:
    """Read a Parquet file; the index columns that pandas adds are left out.

    Raises
    ------
    BadBodyError
        It is no Parquet file, is larger than its size allows, or does not fit the columns.
    MemoryError
        There is none left, whatever the body.
    """
    import pyarrow as pa

    try:
        return _features(body, schema)
    except MemoryError:
        raise
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        NotImplementedError,
    ) as error:
        reason = " ".join(str(error).split())
        raise BadBodyError(
            f"not a valid Parquet file ({quoted(reason, 160)}); write it again"
        ) from error


def _features(body: bytes, schema: Schema) -> NDArray[Any]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, read_metadata

    source = pa.py_buffer(body)
    metadata = read_metadata(pa.BufferReader(source))
    _check_size(metadata, len(body), schema)
    fields = {field.name: field.type for field in metadata.schema.to_arrow_schema()}
    names = [name for name in _names(metadata) if not _PANDAS_INDEX.fullmatch(name)]
    order_of(names, schema)
    for name in names:
        _check_type(name, fields[name])
    _check_pages(metadata, body)
    texts = [name for name in names if _is_text(fields[name])]
    features = np.empty((metadata.num_rows, schema.n_features), schema.dtype)
    n_rows = 0
    with ParquetFile(
        pa.BufferReader(source), metadata=metadata, read_dictionary=texts, pre_buffer=False
    ) as parquet:
        batch_size = max(256, _BATCH_CELLS // schema.n_features)
        for batch in parquet.iter_batches(batch_size, columns=names, use_threads=False):
            _fill(features[n_rows : n_rows + batch.num_rows], batch, schema, n_rows)
            n_rows += batch.num_rows
    if n_rows != metadata.num_rows or not n_rows:
        raise BadBodyError(f"the file promises {metadata.num_rows} rows and has {n_rows}")
    return features


def _check_size(metadata: Any, n_bytes: int, schema: Schema) -> None:
    if metadata.num_rows < 1:
        raise BadBodyError("no rows; give at least one")
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    unpacked = sum(max(0, group.total_byte_size) for group in groups)
    columns = max(metadata.num_columns, schema.n_features)
    size, most = max(metadata.num_rows * columns * 8, unpacked), _MOST_GROWTH * n_bytes
    if size > max(most, _FREE_BYTES):
        raise BadBodyError(
            f"{metadata.num_rows} rows in {n_bytes} bytes unpack to {size} bytes; "
            f"expected at most {_MOST_GROWTH} times the body; send fewer rows"
        )


def _check_pages(metadata: Any, body: bytes) -> None:
    """Refuse pages that unpack to too much, which the footer need not tell."""
    most, size = max(_MOST_GROWTH * len(body), _FREE_BYTES), 0
    for page in pages_of(body):
        size += max(page.n_bytes, _LEAST_PAGE)
        if size > most:
            raise BadBodyError(
                f"the pages of {len(body)} bytes unpack to more than {most} bytes; expected at "
                f"most {_MOST_GROWTH} times the body; send fewer rows"
            )
        if page.n_entries > metadata.num_rows:
            raise BadBodyError(
                f"a dictionary has {page.n_entries} entries for {metadata.num_rows} rows; "
                "write the file again"
            )


def _check_type(name: str, arrow_type: Any) -> None:
    from pyarrow import types

    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if types.is_duration(arrow_type) or not (
        types.is_primitive(arrow_type)
        or types.is_null(arrow_type)
        or types.is_decimal(arrow_type)
        or _is_text(arrow_type)
    ):
        held = next((held for kind, held in _HELD.items() if kind in str(arrow_type)), "other")
        raise BadBodyError(f"holds {held}; expected numbers or texts", column=name)


def _names(metadata: Any) -> list[str]:
    return [str(name) for name in metadata.schema.to_arrow_schema().names]


def _is_text(arrow_type: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type))


def _fill(block: NDArray[Any], batch: Any, schema: Schema, n_before: int) -> None:
    # What is beyond float32 becomes infinite here, and is found just after.
    with np.errstate(over="ignore", invalid="ignore"):
        for position, name in enumerate(schema.names):
            try:
                block[:, position] = _values(batch.column(name), schema, position)
            except BadBodyError as error:
                raise BadBodyError(error.reason, column=name) from None
        check_range(block, schema.names, first=n_before + 1)


def _values(array: Any, schema: Schema, position: int) -> NDArray[np.float64]:
    from pyarrow import DictionaryArray, types

    codes, kind = schema.codes[position], array.type
    if codes is None and (types.is_floating(kind) or types.is_integer(kind)):
        return np.asarray(array.to_numpy(zero_copy_only=False), np.float64)
    if not isinstance(array, DictionaryArray):
        array = array.dictionary_encode()
    cells = _cells(array.dictionary, is_category=codes is not None)
    values = np.array([*(value_of_cell(cell, codes) for cell in cells), np.nan])
    indices = array.indices.to_numpy(zero_copy_only=False)
    if array.null_count:
        indices = np.where(np.isnan(indices), -1, indices).astype(np.int64)
    return np.asarray(values[indices])


def _cells(array: Any, *, is_category: bool) -> list[Any]:
    """Return distinct cells; dates are texts, as in training, and only where categories are."""
    from pyarrow import types

    if types.is_temporal(array.type):
        if not is_category:
            raise BadBodyError("holds dates; expected numbers")
        times = array.to_numpy(zero_copy_only=False)
        return [None if text == "NaT" else text for text in np.datetime_as_string(times).tolist()]
    if _is_text(array.type) and len(array):
        from pyarrow import compute

        longest = compute.max(compute.binary_length(array)).as_py()
        if longest is not None and longest > _LONGEST_TEXT:
            raise BadBodyError(f"holds a text of {longest} bytes; expected at most {_LONGEST_TEXT}")
    return list(array.to_pylist())
