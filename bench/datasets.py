"""Write the data of the benchmarks: seeded, so every machine measures the same rows.

    python bench/datasets.py FOLDER

The label is the first column; there is no header in CSV files.  Files that are there are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

N_FEATURES = 30
CSV_ROWS = 200_000
PARQUET_ROWS = 2_000_000
SCALING_ROWS = (10_000, 100_000, 500_000, 2_000_000)
SMALLER_ROWS = 20_000
PRECISIONS = ("float32", "float64")

_SEED = 20_140_601
_ROW_GROUP_ROWS = 250_000


def csv_path(folder: Path, n_rows: int) -> Path:
    """Return where the CSV file with `n_rows` rows lies."""
    return folder / f"rows-{n_rows}.csv"


def parquet_path(folder: Path, n_rows: int, precision: str) -> Path:
    """Return where the Parquet file with `n_rows` rows of ``float32`` or ``float64`` lies."""
    return folder / f"rows-{n_rows}-{precision}.parquet"


def iris_path(folder: Path) -> Path:
    """Return where the 150 flowers lie."""
    return folder / "iris.csv"


def write_datasets(folder: Path) -> None:
    """Write what is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    _once(iris_path(folder), _write_iris)
    for n_rows in (SMALLER_ROWS, CSV_ROWS):
        _once(csv_path(folder, n_rows), partial(_write_csv, n_rows=n_rows))
    for precision in PRECISIONS:
        for n_rows in SCALING_ROWS:
            write = partial(_write_parquet, n_rows=n_rows, precision=precision)
            _once(parquet_path(folder, n_rows, precision), write)


def _once(path: Path, write: Callable[[Path], None]) -> None:
    if path.exists():
        return
    aside = path.with_suffix(path.suffix + ".part")
    write(aside)
    aside.rename(path)


def _write_iris(path: Path) -> None:
    from sklearn.datasets import load_iris

    features, classes = load_iris(return_X_y=True)
    lines = [
        ",".join(map(str, (int(code), *row)))
        for code, row in zip(classes, features.tolist(), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


def _write_csv(path: Path, n_rows: int) -> None:
    import pyarrow.csv

    # Seven significant digits, as measurements have; float64 would write seventeen.
    table = _table(n_rows, "float32")
    pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(include_header=False))


def _write_parquet(path: Path, n_rows: int, precision: str) -> None:
    import pyarrow.parquet

    table = _table(n_rows, precision)
    pyarrow.parquet.write_table(table, path, row_group_size=_ROW_GROUP_ROWS)


def _table(n_rows: int, precision: str) -> Any:
    """Return a table of a target that ten columns explain in part, and thirty columns."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(_SEED)
    features = rng.standard_normal((n_rows, N_FEATURES), dtype=np.float32)
    slopes = np.linspace(2.0, 0.2, 8, dtype=np.float32)
    target = features[:, :8] @ slopes + np.sin(3 * features[:, 8]) * features[:, 9]
    target += rng.standard_normal(n_rows, dtype=np.float32)
    columns: dict[str, Any] = {
        "label": target,
        **{f"f{i}": features[:, i] for i in range(N_FEATURES)},
    }
    return pa.table({name: values.astype(precision) for name, values in columns.items()})


if __name__ == "__main__":
    write_datasets(Path(sys.argv[1]))
