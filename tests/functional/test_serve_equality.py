"""Served predictions are the native library's own, and the same in every format.

The native side reads the files of the model with the library itself and the manifest with `json`;
see `tests.served_native`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.served_formats import (
    CSV,
    JSON,
    NPY,
    NUMBER_WRITERS,
    WRITERS,
    Rows,
    csv_text,
    npy,
    read_npy,
)
from tests.served_models import (
    BINARY,
    CASES,
    OTHERS,
    POSITIVE,
    ServedModel,
    ServedModels,
    answers,
    assert_near,
    in_json,
    labelled_csv,
    labels_of,
    served_rows,
    signal_of,
    train,
    training_rows,
)
from tests.served_native import Native

ROWS = served_rows()
COUNTS = (1, 40)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ServedModels:
    return ServedModels(tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def said_of(models: ServedModels) -> Callable[[str, int], list[Any]]:
    """Return what a case's model says of the first rows, checked against the library."""

    @cache
    def said(case: str, n_rows: int) -> list[Any]:
        model, rows = models.of(case), ROWS.first(n_rows)
        native = Native(model.folder)
        expected = native.scores(native.matrix(rows), as_probabilities=case == "xgboost-softprob")
        found = in_json(model, WRITERS["csv"](rows))
        assert_near(found, expected)
        return found

    return said


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("case", [case for case in CASES if case not in OTHERS])
def test_every_format_in_and_out_gives_the_library_s_own_numbers(
    models: ServedModels, said_of: Callable[[str, int], list[Any]], case: str, form: str
) -> None:
    for n_rows in COUNTS:
        expected = said_of(case, n_rows)
        for answer in answers(models.of(case), WRITERS[form](ROWS.first(n_rows)), expected):
            assert answer == expected


@pytest.mark.parametrize("case", OTHERS)
def test_every_other_estimator_gives_its_own_numbers(
    models: ServedModels, said_of: Callable[[str, int], list[Any]], case: str
) -> None:
    expected = said_of(case, 40)
    for form in ("csv-permuted", "json-objects", "parquet-permuted"):
        for answer in answers(models.of(case), WRITERS[form](ROWS.first(40)), expected):
            assert answer == expected


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("case", ["xgboost-binary", "lightgbm-regression", "linear-binary"])
def test_bodies_that_are_read_in_blocks_say_the_same(
    models: ServedModels, said_of: Callable[[str, int], list[Any]], case: str, form: str
) -> None:
    for answer in answers(models.of(case), WRITERS[form](ROWS), said_of(case, len(ROWS))):
        assert answer == said_of(case, len(ROWS))


@pytest.mark.parametrize("case", [case for case in CASES if "-binary" in case])
def test_the_probability_is_that_of_the_label_called_positive(
    models: ServedModels, case: str
) -> None:
    """The manifest's order of the classes is not believed here: the rows fitted on tell."""
    rows = training_rows()
    is_positive = np.array(labels_of("binary", signal_of(rows))) == POSITIVE

    said = answers(models.of(case), WRITERS["csv-permuted"](rows), [POSITIVE])[1]

    if case.startswith("svm"):
        assert set(said) == set(BINARY)
        assert np.mean((np.array(said) == POSITIVE) == is_positive) > 0.8
    else:
        assert np.mean((np.array(said) > 0.5) == is_positive) > 0.8


@pytest.mark.parametrize("case", ["xgboost", "lightgbm", "linear", "random_forest"])
def test_missing_and_unseen_are_what_they_were_in_training(tmp_path: Path, case: str) -> None:
    """What is served for the rows of channel ``test`` scores as `train` says it does."""
    _, own = CASES[f"{case}-binary"]
    held_out = Rows(ROWS.names, [*ROWS.cells[:2], *ROWS.cells[4:200]])
    files = {
        "train": {"a.csv": labelled_csv("binary", training_rows())},
        "test": {"a.csv": labelled_csv("binary", held_out)},
    }
    roles = {"label": "outcome", "categorical_columns": "zone", "drop_columns": "query"}
    model = train(tmp_path, {**own, **roles, "positive_label": POSITIVE}, files)

    content_type, body = WRITERS["parquet-permuted"](held_out)
    served = np.array(read_npy(model.answer(body, content_type, NPY)))

    labels = np.array(labels_of("binary", signal_of(held_out)))
    right = np.where(labels == POSITIVE, served, 1 - served).clip(np.finfo(float).eps)
    (reported,) = re.findall(r"^test:logloss=(.+);$", model.log, re.MULTILINE)
    assert -np.log(right).mean() == pytest.approx(float(reported), rel=1e-5)


# ---------------------------------------------------------------------------- numbers alone

NUMBERS = ("a", "b", "c", "d")
NUMERIC_CASES: dict[str, dict[str, str]] = {
    "xgboost": {"algorithm": "xgboost", "num_round": "7"},
    "gblinear": {"algorithm": "xgboost", "booster": "gblinear", "num_round": "7"},
    "dart": {"algorithm": "xgboost", "booster": "dart", "rate_drop": "0.3", "num_round": "7"},
    "lightgbm": {"algorithm": "lightgbm", "num_round": "7", "min_data_in_leaf": "4"},
    "linear": {"algorithm": "ridge", "alpha": "0.1"},
    "hist_gradient_boosting": {"algorithm": "hist_gradient_boosting", "max_iter": "6"},
}


def number_rows(n_rows: int, seed: int) -> Rows:
    """Draw numbers of very different scale that float32 holds exactly, some of them missing."""
    random = np.random.default_rng(seed)
    drawn = random.normal(size=(n_rows, 4)) * [1, 1000, 1e-3, 30]
    values = drawn.astype(np.float32).astype(np.float64)
    cells = [[None if random.random() < 0.1 else cell for cell in row] for row in values.tolist()]
    cells[0] = [1.0, -2000.0, 3e6, 0.125]
    return Rows(NUMBERS, cells)


@pytest.fixture(scope="module")
def numeric(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ServedModel]:
    rows = number_rows(200, seed=3)
    values = np.nan_to_num(rows.matrix())
    labels = values @ [1, 0.001, 1000, 0.02] + 0.2 * np.sin(values[:, 0] * 5)
    cells = [[label, *row] for label, row in zip(labels.tolist(), rows.cells, strict=True)]
    text = csv_text(Rows(("y", *NUMBERS), cells), header=True)
    return {
        name: train(
            tmp_path_factory.mktemp("opt_ml"),
            {**own, "task": "regression"},
            {"train": {"a.csv": text}},
        )
        for name, own in NUMERIC_CASES.items()
    }


@pytest.mark.parametrize("form", [*NUMBER_WRITERS, "csv", "csv-permuted", "json-split", "parquet"])
@pytest.mark.parametrize("case", NUMERIC_CASES)
def test_numbers_are_the_same_in_npy(numeric: dict[str, ServedModel], case: str, form: str) -> None:
    model = numeric[case]
    native = Native(model.folder)
    for n_rows in (1, 2, 700):
        rows = number_rows(n_rows, seed=9)
        expected = native.scores(native.matrix(rows))
        body = {**WRITERS, **NUMBER_WRITERS}[form](rows)
        said = answers(model, body, expected)
        assert_near(said[0], expected)
        assert said == answers(model, WRITERS["json-rows"](rows), expected)


@pytest.mark.parametrize("dtype", ["<i4", ">i8", "u1", "<i8"])
@pytest.mark.parametrize("case", ["xgboost", "lightgbm", "linear"])
def test_whole_numbers_are_the_same_in_npy(
    numeric: dict[str, ServedModel], case: str, dtype: str
) -> None:
    array = np.random.default_rng(1).integers(0, 200, size=(7, 4)).astype(dtype)
    rows = Rows(NUMBERS, array.tolist())
    model = numeric[case]
    native = Native(model.folder)
    expected = native.scores(native.matrix(rows))

    said = answers(model, npy(array), expected)

    assert_near(said[0], expected)
    assert said == answers(model, WRITERS["json-objects"](rows), expected)
    (one,) = read_npy(model.answer(npy(array[0])[1], NPY, NPY))
    assert one == pytest.approx(expected[0], rel=1e-6)


def test_classes_that_are_numbers_come_back_as_numbers(tmp_path: Path) -> None:
    rows = number_rows(120, seed=3)
    values = np.nan_to_num(rows.matrix())[:, 0]
    labels = np.array([2, 1.5, 10])[np.digitize(values, [-0.5, 0.5])].tolist()
    cells = [[label, *row] for label, row in zip(labels, rows.cells, strict=True)]
    text = csv_text(Rows(("y", *NUMBERS), cells), header=True)
    own = {**NUMERIC_CASES["lightgbm"], "task": "multiclass"}
    model = train(tmp_path, own, {"train": {"a.csv": text}})
    native = Native(model.folder)
    expected = [float(label) for label in native.labels(native.matrix(rows))]

    content_type, body = WRITERS["csv-permuted"](rows)
    said = answers(model, (content_type, body), expected)

    assert all(answer == expected for answer in said)
    assert np.mean(np.array(expected) == labels) > 0.9
    assert model.answer(body, content_type, CSV).split(b"\n")[:1] == [b"10"]
    assert model.answer(body, content_type, JSON).startswith(b'{"predictions":[{"score":10}')
