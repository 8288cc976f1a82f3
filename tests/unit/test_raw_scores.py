"""Raw scores are the library's own, and contributions add up to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.testing import assert_allclose, assert_array_equal

from crossfold.algorithms.registry import absent_value, algorithm_named, feature_dtype
from crossfold.data.table import Column
from crossfold.metrics.prediction import Task
from crossfold.persistence.bundle import LoadedBundle, load_bundle, save_bundle
from crossfold.persistence.manifest import Manifest
from tests.unit.model_examples import COLUMNS, fitted, given, make_rows, make_spec

TASKS: list[tuple[Task, int]] = [
    ("binary", 2),
    ("multiclass", 3),
    ("regression", 0),
    ("ranking", 0),
]
NUMBERS = tuple(Column(column.name, "number") for column in COLUMNS)
BOOSTERS: list[tuple[str, dict[str, Any]]] = [
    ("xgboost", {}),
    ("xgboost", {"base_score": 0.3}),
    ("xgboost", {"booster": "dart", "rate_drop": 0.4}),
    ("xgboost", {"booster": "gblinear"}),
    ("lightgbm", {}),
    ("lightgbm", {"boosting": "dart", "drop_rate": 0.4}),
    ("lightgbm", {"boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1}),
]


def _bundle(
    folder: Path,
    algorithm: str,
    task: Task,
    n_classes: int,
    params: dict[str, Any],
    n_models: int = 1,
) -> tuple[LoadedBundle, Any]:
    rows = make_rows(n_classes or (0 if task == "regression" else 4))
    columns = NUMBERS if params.get("booster") == "gblinear" else COLUMNS
    dtype = feature_dtype(algorithm)
    spec = make_spec(algorithm, task, n_classes, params=params)
    models = []
    for n in range(n_models):
        examples = rows.examples(slice(100 * n, None), dtype=dtype, weighted=False)
        models.append(algorithm_named(algorithm).fit(spec, columns, examples))
    manifest = Manifest(
        algorithm,
        task,
        columns,
        "y",
        ("a", "b", "c")[:n_classes],
        "b" if task == "binary" else None,
        "float32" if dtype is np.float32 else "float64",
        "single" if n_models == 1 else "ensemble",
    )
    save_bundle(folder, manifest, models)
    return load_bundle(folder, n_threads=1), rows.features.astype(dtype)


@pytest.mark.parametrize(("task", "n_classes"), TASKS)
@pytest.mark.parametrize(("algorithm", "params"), BOOSTERS)
def test_contributions_add_up_to_the_raw_scores(
    algorithm: str, params: dict[str, Any], task: Task, n_classes: int, tmp_path: Path
) -> None:
    bundle, features = _bundle(tmp_path, algorithm, task, n_classes, params)

    raw, parts = given(bundle.raw_scores(features)), given(bundle.contributions(features))

    assert raw.dtype == parts.dtype == np.float64
    assert raw.shape == ((400, 3) if n_classes == 3 else (400,))
    assert parts.shape == (*raw.shape, 5)
    assert np.ptp(raw) > 0
    assert_allclose(parts.sum(axis=-1), raw, rtol=0, atol=2e-5 * np.abs(raw).max())


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
@pytest.mark.parametrize(("task", "n_classes"), [("binary", 2), ("multiclass", 3)])
def test_raw_scores_are_those_before_the_link(
    algorithm: str, task: Task, n_classes: int, tmp_path: Path
) -> None:
    bundle, features = _bundle(tmp_path, algorithm, task, n_classes, {})

    raw = given(bundle.raw_scores(features))

    if n_classes == 2:
        raw = np.column_stack([np.zeros(len(raw)), raw])
    linked = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    assert_allclose(given(bundle.predict(features).probabilities), linked, rtol=0, atol=1e-6)


def test_raw_scores_of_xgboost_are_its_margins_to_the_bit(tmp_path: Path) -> None:
    bundle, features = _bundle(tmp_path, "xgboost", "multiclass", 3, {})

    matrix = xgboost.DMatrix(features, feature_types=["q", "q", "c", "q"], enable_categorical=True)
    model: Any = bundle.models[0]

    assert_array_equal(
        bundle.raw_scores(features), model.booster.predict(matrix, output_margin=True)
    )


def test_an_ensemble_gives_the_means_of_its_models(tmp_path: Path) -> None:
    bundle, features = _bundle(tmp_path, "xgboost", "multiclass", 3, {}, n_models=2)
    models = bundle.models

    raw, parts = given(bundle.raw_scores(features)), given(bundle.contributions(features))

    assert_allclose(raw, np.mean([given(m.raw_scores(features)) for m in models], axis=0))
    assert_allclose(parts, np.mean([given(m.contributions(features)) for m in models], axis=0))
    assert_allclose(parts.sum(axis=-1), raw, rtol=0, atol=1e-5)


def test_the_first_of_an_ensemble_predicts_alone(tmp_path: Path) -> None:
    bundle, features = _bundle(tmp_path, "lightgbm", "binary", 2, {}, n_models=2)

    first = bundle.first()

    assert len(first.models) == len(first.manifest.models) == 1
    assert_array_equal(
        first.predict(features).probabilities, bundle.models[0].predict(features).probabilities
    )
    assert not np.array_equal(
        given(first.predict(features).probabilities), given(bundle.predict(features).probabilities)
    )


@pytest.mark.parametrize(
    ("algorithm", "task", "n_classes", "has_scores"),
    [
        ("svm", "binary", 2, True),
        ("logistic_regression", "multiclass", 3, True),
        ("random_forest", "binary", 2, False),
        ("ridge", "regression", 0, False),
    ],
)
def test_scikit_learn_has_its_decision_function_and_no_contributions(
    algorithm: str, task: Task, n_classes: int, *, has_scores: bool, tmp_path: Path
) -> None:
    bundle, features = _bundle(tmp_path, algorithm, task, n_classes, {})
    model: Any = bundle.models[0]

    raw = bundle.raw_scores(features)

    assert bundle.contributions(features) is None
    if has_scores:
        assert_array_equal(given(raw), model.pipeline.decision_function(features))
    else:
        assert raw is None


def test_classes_that_a_model_was_not_given_are_in_its_raw_scores() -> None:
    rows = make_rows(3)
    train = replace(rows.examples(rows.target != 1), weight=None)

    raw = given(fitted(make_spec("svm", "multiclass", 3), train).raw_scores(rows.features))

    assert raw.shape == (400, 3)
    assert np.all(raw[:, 1] < raw[:, [0, 2]].min(axis=1))


def test_what_is_left_out_is_missing_for_xgboost_and_zero_for_others() -> None:
    assert np.isnan(absent_value("xgboost"))
    assert [absent_value(name) for name in ("lightgbm", "svm", "sklearn.svm.SVC")] == [0, 0, 0]
