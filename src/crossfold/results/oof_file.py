"""oof_predictions.csv: one line per held-out row and repeat, in row order.

Header ``row,[id,][group,][weight,]repeat,fold,label,prediction[,probability_<class>…]``.  Numbers
are written in the shortest form that reads back the same, so the file re-scores exactly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.contract.whole_file import write_whole_file
from crossfold.data.table import Table, TextColumn
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.problem import Problem
from crossfold.metrics.prediction import concat

_NEEDS_QUOTES = frozenset(',"\r\n')


def write_oof_predictions(path: Path, results: Sequence[FoldResult], problem: Problem) -> None:
    """Write the held-out predictions of all folds that have any, whole or not at all."""
    predicted = [result for result in results if result.prediction is not None]
    if not predicted:
        return
    columns = _columns(predicted, problem)
    write_whole_file(path, lambda aside: _write_columns(aside, columns))


def _columns(results: Sequence[FoldResult], problem: Problem) -> dict[str, NDArray[Any]]:
    rows = np.concatenate([result.rows for result in results])
    repeat = np.concatenate([np.full(result.n_test, result.repeat) for result in results])
    fold = np.concatenate([np.full(result.n_test, result.fold) for result in results])
    prediction = concat([each.prediction for each in results if each.prediction is not None])
    numbers = rows if problem.row_numbers is None else problem.row_numbers[rows]
    order = np.lexsort((fold, repeat, numbers))
    rows, prediction = rows[order], prediction.take(order)
    columns: dict[str, NDArray[Any]] = {"row": numbers[order]}
    columns |= _roles(problem.rows.table, rows)
    columns |= {"repeat": repeat[order], "fold": fold[order]}
    target = problem.rows.target[rows]
    if not problem.coding.classes:
        return columns | {"label": target, "prediction": prediction.values}
    classes = np.array(problem.coding.classes, dtype=object)
    columns |= {
        "label": classes[target.astype(np.int64)],
        "prediction": classes[prediction.labels],
    }
    if prediction.probabilities is not None:
        for code, name in enumerate(problem.coding.classes):
            columns[f"probability_{name}"] = prediction.probabilities[:, code]
    return columns


def _roles(table: Table, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    if table.ids is not None:
        columns["id"] = table.ids[rows]
    if table.group is not None:
        columns["group"] = _texts(table.group)[table.group.codes[rows]]
    if table.weight is not None:
        columns["weight"] = table.weight[rows]
    return columns


def _texts(column: TextColumn) -> NDArray[Any]:
    return np.array(column.values, dtype=object)


def _write_columns(path: Path, columns: dict[str, NDArray[Any]]) -> None:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(columns)
    arrays = [_arrow(values, pa) for values in columns.values()]
    table = pa.Table.from_arrays(arrays, names=[str(number) for number in range(len(arrays))])
    with path.open("wb") as file:
        file.write(header.getvalue().encode())
        arrow_csv.write_csv(
            table,
            file,
            arrow_csv.WriteOptions(include_header=False, quoting_style=_quoting(columns)),
        )


def _arrow(values: NDArray[Any], pa: Any) -> Any:
    if values.dtype == object:
        return pa.array(values, type=pa.string())
    return pa.array(values)


def _quoting(columns: dict[str, NDArray[Any]]) -> str:
    """Quote only where a text needs it; the writer's own "needed" quotes every text."""
    for values in columns.values():
        if values.dtype == object and any(
            _NEEDS_QUOTES & set(text) for text in set(values.tolist()) if text is not None
        ):
            return "needed"
    return "none"
