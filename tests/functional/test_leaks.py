"""Nothing of a fold's held-out rows reaches its fit.

Half of the rows that the fold holds out are turned into nonsense: absurd numbers, a category that
sorts before all others, wrong labels.  Whatever the fit took from them (an imputed median, a scale,
a category, the round to stop at) would change the model; so the fold's score on its training rows
and its predictions for the other half must stay the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfold.fitting.fold_result import FOLD_MODEL, FOLD_RESULT, FoldResult, load_fold_result
from tests.in_process import Here, run_here, write_job

N_ROWS = 240
FOLD = 1
MODEL_FILES = {"xgboost": "model.ubj", "lightgbm": "model.txt"}
HEADER = "y,a,b,colour,c,part\n"
Cells = list[list[str]]


def _rows(task: str) -> Cells:
    """Rows of three parts; numbers and colours with holes; a label with much noise."""
    random = np.random.default_rng(8)
    numbers = random.normal(size=(N_ROWS, 3)) * [1.0, 20.0, 0.1]
    colours = random.integers(0, 4, N_ROWS)
    signal = numbers[:, 0] + 0.05 * numbers[:, 1] + 0.5 * colours + random.normal(size=N_ROWS)
    label = np.where(signal > np.median(signal), "yes", "no") if task == "binary" else signal
    hole = random.random((N_ROWS, 4)) < 0.15
    rows = []
    for i in range(N_ROWS):
        features = [str(numbers[i, 0]), str(numbers[i, 1]), "krst"[colours[i]], str(numbers[i, 2])]
        cells = ["" if hole[i, j] else text for j, text in enumerate(features)]
        rows.append([str(label[i]), *cells, f"p{i % 3}"])
    return rows


def _held_out() -> NDArray[np.int64]:
    return np.arange(FOLD, N_ROWS, 3)


def _spoiled() -> NDArray[np.int64]:
    """Every second held-out row."""
    return _held_out()[::2]


def _spoil(rows: Cells, task: str) -> Cells:
    spoiled = [list(row) for row in rows]
    for place, row in enumerate(_spoiled()):
        label = {"yes": "no", "no": "yes"}.get(rows[row][0], str(-1000.0 - place))
        spoiled[row] = [label, f"{1e6 + place}", f"{-1e7 * (place + 1)}", "aaa", "1e5", "p1"]
    assert task == "regression" or {row[0] for row in spoiled} == {"yes", "no"}
    return spoiled


def _text(rows: Cells) -> str:
    return HEADER + "".join(",".join(row) + "\n" for row in rows)


def _fold(root: Path, rows: Cells, own: Mapping[str, str]) -> tuple[FoldResult, Here]:
    """Fit fold `FOLD` as a job of its own, so that its model stays on disk."""
    own = {
        "label": "y",
        "fold_column": "part",
        "cv_fold_index": str(FOLD),
        "cv_final_model": "ensemble",
        **own,
    }
    job = run_here(write_job(root, own, {"train": {"a.csv": _text(rows)}}))
    assert job.error is None, job.failure
    return load_fold_result(job.opt_ml.output_data / FOLD_RESULT), job


def _predicted(result: FoldResult) -> NDArray[np.float64]:
    prediction = result.prediction
    assert prediction is not None
    found = next(
        each
        for each in (prediction.values, prediction.probabilities, prediction.scores)
        if each is not None
    )
    return np.asarray(found)


STOPPING = {
    "num_round": "60",
    "early_stopping_rounds": "4",
    "early_stopping_fraction": "0.25",
}
# What each case is sensitive to, proved by breaking the code: see the comments.
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "xgboost": ("regression", {"algorithm": "xgboost", "num_round": "20"}),
    "lightgbm": (
        "regression",
        {"algorithm": "lightgbm", "num_round": "20", "min_data_in_leaf": "3"},
    ),
    "xgboost, early stopping": ("regression", {"algorithm": "xgboost", "eta": "0.3", **STOPPING}),
    "lightgbm, early stopping": (
        "regression",
        {"algorithm": "lightgbm", "min_data_in_leaf": "3", **STOPPING},
    ),
    "xgboost, balanced classes": (
        "binary",
        {"algorithm": "xgboost", "class_weight": "balanced", **STOPPING},
    ),
    # Imputing and scaling move every coefficient.
    "ridge": ("regression", {"algorithm": "ridge", "standardize": "true"}),
    "ridge, unscaled": ("regression", {"algorithm": "ridge"}),
    "logistic regression": (
        "binary",
        {"algorithm": "logistic_regression", "class_weight": "balanced", "max_iter": "2000"}
        | {"standardize": "true"},
    ),
    # One category more is one column more, and so another draw of columns in every tree.
    "random forest": (
        "binary",
        {"algorithm": "random_forest", "n_estimators": "10", "max_features": "sqrt"},
    ),
    "nearest neighbours": ("regression", {"algorithm": "knn", "standardize": "true"}),
}


@pytest.mark.parametrize("case", CASES)
def test_held_out_rows_change_nothing_of_the_folds_model(tmp_path: Path, case: str) -> None:
    task, own = CASES[case]
    metrics = "rmse,mae,r2" if task == "regression" else "logloss,accuracy,auc"
    own = own | {"task": task, "eval_metric": metrics}
    rows = _rows(task)

    clean, clean_job = _fold(tmp_path / "clean", rows, own)
    spoiled, spoiled_job = _fold(tmp_path / "spoiled", _spoil(rows, task), own)

    assert clean.rows.tolist() == spoiled.rows.tolist() == _held_out().tolist()
    assert clean.train == spoiled.train
    assert clean.best_round == spoiled.best_round
    kept = ~np.isin(clean.rows, _spoiled())
    np.testing.assert_array_equal(_predicted(clean)[kept], _predicted(spoiled)[kept])
    # The nonsense did arrive, or the test would prove nothing.
    assert clean.validation != spoiled.validation
    assert np.any(_predicted(clean)[~kept] != _predicted(spoiled)[~kept])
    if own["algorithm"] in MODEL_FILES:
        name = MODEL_FILES[own["algorithm"]]
        folders = [job.opt_ml.model / FOLD_MODEL for job in (clean_job, spoiled_job)]
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_stop_is_chosen_early_enough_for_the_test_above_to_see(tmp_path: Path) -> None:
    for case in ("xgboost, early stopping", "lightgbm, early stopping"):
        task, own = CASES[case]
        result, _ = _fold(tmp_path / case, _rows(task), own | {"task": task})
        assert result.best_round is not None
        assert 1 <= result.best_round < 55


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("channel", ["test", "validation"])
def test_a_channel_that_is_only_scored_changes_neither_folds_nor_model(
    tmp_path: Path, algorithm: str, channel: str
) -> None:
    own = STOPPING | {"label": "y", "fold_column": "part", "algorithm": algorithm}
    rows, other = _rows("regression"), _rows("regression")[:60]
    spoiled = [[str(-1e4 - i), "1e6", "-1e9", "aaa", "7", "p0"] for i in range(60)]

    jobs = []
    for number, held_out in enumerate((other, spoiled)):
        channels = {"train": {"a.csv": _text(rows)}, channel: {"t.csv": _text(held_out)}}
        jobs.append(run_here(write_job(tmp_path / str(number), own, channels)))

    assert [job.failure for job in jobs] == ["", ""]
    model = MODEL_FILES[algorithm]
    first, second = (job.opt_ml for job in jobs)
    predictions = [each.output_data / "oof_predictions.csv" for each in (first, second)]
    assert predictions[0].read_text() == predictions[1].read_text()
    assert (first.model / model).read_bytes() == (second.model / model).read_bytes()
    told = [[x for x in job.log.splitlines() if x.startswith("validation:")] for job in jobs]
    assert told[0]
    assert told[0] == told[1]


@pytest.mark.parametrize("launcher", ["inline", "process"])
def test_every_fold_of_the_driver_equals_the_fold_alone(tmp_path: Path, launcher: str) -> None:
    task, own = CASES["xgboost, early stopping"]
    own = own | {"task": task}
    rows = _rows(task)
    alone, _ = _fold(tmp_path / "alone", rows, own)

    together = own | {"label": "y", "fold_column": "part", "cv_launcher": launcher}
    job = run_here(write_job(tmp_path / "driver", together, {"train": {"a.csv": _text(rows)}}))

    assert job.error is None, job.failure
    lines = (job.opt_ml.output_data / "oof_predictions.csv").read_text().splitlines()
    values = [float(line.split(",")[4]) for line in lines[1:] if line.split(",")[2] == str(FOLD)]
    assert values == _predicted(alone).tolist()
