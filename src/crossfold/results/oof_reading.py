"""oof_predictions.csv, read back: what another job of the same rows and folds predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.fitting.problem import FoldedProblem, Problem
from crossfold.metrics.prediction import Prediction


def read_oof_predictions(path: Path, folded: FoldedProblem) -> list[Prediction]:
    """Return the predictions of every fold, in the order of its held-out rows.

    Raises
    ------
    ValueError
        The file is of other rows or folds, or lacks some.
    KeyError
        The file lacks a column.
    """
    problem = folded.problem
    columns = _read_columns(path, problem)
    prediction = _prediction(columns, problem)
    # In the file the rows of one fold are in the order of their numbers.
    order = np.lexsort((columns["row"], columns["fold"], columns["repeat"]))
    places = np.stack([columns["repeat"], columns["fold"]], axis=1)[order]
    starts = np.flatnonzero(np.any(np.diff(places, axis=0, prepend=-1) != 0, axis=1))
    pieces = {
        (int(places[start, 0]), int(places[start, 1])): rows
        for start, rows in zip(starts, np.split(order, starts[1:]), strict=True)
    }
    found = []
    for split in folded.assignment.splits:
        numbers = split.test if problem.row_numbers is None else problem.row_numbers[split.test]
        rows = pieces.get((split.repeat, split.fold))
        by_number = np.argsort(numbers, kind="stable")
        if rows is None or not np.array_equal(columns["row"][rows], numbers[by_number]):
            raise ValueError(
                f"{path.name} has not the held-out rows of fold {split.fold + 1} of "
                f"repeat {split.repeat + 1}"
            )
        back = np.empty_like(by_number)
        back[by_number] = np.arange(len(by_number))
        found.append(prediction.take(rows[back]))
    return found


def _read_columns(path: Path, problem: Problem) -> dict[str, NDArray[Any]]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    classes = problem.coding.classes
    types: dict[str, Any] = dict.fromkeys(("row", "repeat", "fold"), pa.int64())
    types["prediction"] = pa.string() if classes else pa.float64()
    with path.open("rb") as file:
        header = arrow_csv.open_csv(file).schema.names
        probabilities = [f"probability_{name}" for name in classes]
        types |= {name: pa.float64() for name in probabilities if name in header}
        file.seek(0)
        table = arrow_csv.read_csv(
            file,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, include_columns=list(types)
            ),
        )
    return {name: table[name].to_numpy() for name in types}


def _prediction(columns: dict[str, NDArray[Any]], problem: Problem) -> Prediction:
    classes = problem.coding.classes
    if not classes:
        return Prediction(values=columns["prediction"])
    codes = {name: code for code, name in enumerate(classes)}
    labels = np.array([codes[name] for name in columns["prediction"]], dtype=np.int64)
    names = [f"probability_{name}" for name in classes]
    if not all(name in columns for name in names):
        return Prediction(labels=labels)
    return Prediction(labels=labels, probabilities=np.stack([columns[n] for n in names], axis=1))
