"""Peers: the libraries that read CSV, and our decoder, all from the same bytes to one matrix.

    python bench/peers/csv_decode.py MODEL BODY RESULTS REPEATS

The matrix is float32 with the rows one after another, as XGBoost wants them.  Every library may
use all cores; each is measured in turn, and RESULTS gets all times.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

Reader = Callable[[bytes], Any]


def main(model: str, body: str, results: str, repeats: str) -> None:
    """Read the body with each in turn, and write all the times."""
    content = Path(body).read_bytes()
    n_columns = content.split(b"\n", 1)[0].count(b",") + 1
    readers = {"crossfold": _ours(Path(model)), **_libraries(n_columns)}
    expected = None
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for n in range(int(repeats) + 1):
        for name, read in readers.items():
            started = perf_counter()
            matrix = read(content)
            took_s = perf_counter() - started
            # The first of each imports and allocates.
            if n:
                seconds[name].append(took_s)
                continue
            expected = matrix if expected is None else expected
            _require_equal(name, matrix, expected)
    Path(results).write_text(json.dumps(seconds))


def _ours(model: Path) -> Reader:
    from crossfold.persistence.bundle import load_bundle
    from serve.decoding.decode import decode
    from serve.schema import schema_of

    schema = schema_of(load_bundle(model).manifest)
    return lambda content: decode("text/csv", content, schema)


def _libraries(n_columns: int) -> dict[str, Reader]:
    return {
        "pyarrow": _pyarrow(n_columns, threads=True),
        "pyarrow, 1 thread": _pyarrow(n_columns, threads=False),
        "pandas": _pandas(engine="c"),
        "pandas, engine=pyarrow": _pandas(engine="pyarrow"),
        "polars": _polars(n_columns),
        "numpy": lambda content: np.loadtxt(io.BytesIO(content), np.float32, delimiter=","),
    }


def _pyarrow(n_columns: int, *, threads: bool) -> Reader:
    import pyarrow as pa
    from pyarrow import csv

    names = [str(n) for n in range(n_columns)]
    reading = csv.ReadOptions(column_names=names, use_threads=threads)
    conversion = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float32()))

    def read(content: bytes) -> Any:
        table = csv.read_csv(
            pa.BufferReader(content), read_options=reading, convert_options=conversion
        )
        matrix = np.empty((n_columns, table.num_rows), np.float32)
        for column, row in zip(table.columns, matrix, strict=True):
            row[:] = column.to_numpy()
        return np.ascontiguousarray(matrix.T)

    return read


def _pandas(*, engine: Any) -> Reader:
    import pandas as pd

    def read(content: bytes) -> Any:
        table = pd.read_csv(io.BytesIO(content), header=None, dtype=np.float32, engine=engine)
        return np.ascontiguousarray(table.to_numpy())

    return read


def _polars(n_columns: int) -> Reader:
    import polars as pl

    schema = {str(n): pl.Float32 for n in range(n_columns)}

    def read(content: bytes) -> Any:
        return pl.read_csv(content, has_header=False, schema=schema).to_numpy(order="c")

    return read


def _require_equal(name: str, matrix: Any, expected: Any) -> None:
    if matrix.dtype != np.float32 or not matrix.flags.c_contiguous:
        raise SystemExit(f"{name} gave {matrix.dtype}, {matrix.flags}")
    # One unit in the last place: some read a double first and round it then.
    if matrix.shape != expected.shape or not np.allclose(matrix, expected, rtol=2e-7, atol=0):
        raise SystemExit(f"{name} read other numbers")


if __name__ == "__main__":
    main(*sys.argv[1:])
