"""The short way to XGBoost's function must give the bits of the long one."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.testing import assert_array_equal

from crossfold.algorithms.dense_prediction import MOST_ROWS, DensePredictor
from crossfold.algorithms.registry import algorithm_named
from crossfold.errors import AlgorithmError
from tests.unit.model_examples import COLUMNS, fitted, given, make_rows, make_spec

LIBRARY = xgboost.core._LIB


def _loaded(
    folder: Path, task: Any = "binary", n_classes: int = 2, params: dict[str, Any] | None = None
) -> Any:
    spec = make_spec("xgboost", task, n_classes, params=params or {})
    fitted(spec, make_rows(n_classes).examples()).save(folder)
    facts = {"task": task, "n_classes": n_classes}
    return algorithm_named("xgboost").load(folder, facts, COLUMNS, n_threads=1)


def _predictor(model: Any) -> DensePredictor:
    found = DensePredictor.of(model.booster, LIBRARY)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("task", "n_classes", "params"),
    [
        ("binary", 2, {}),
        ("binary", 2, {"booster": "dart", "rate_drop": 0.5}),
        ("binary", 2, {"objective": "binary:hinge"}),
        ("multiclass", 3, {}),
        ("multiclass", 3, {"objective": "multi:softmax"}),
        ("regression", 0, {"objective": "reg:tweedie"}),
        ("regression", 0, {"objective": "reg:quantileerror", "quantile_alpha": 0.2}),
        ("regression", 0, {"objective": "reg:absoluteerror", "num_parallel_tree": 3}),
    ],
)
def test_values_and_margins_are_those_of_the_package(
    task: Any, n_classes: int, params: dict[str, Any], tmp_path: Path
) -> None:
    is_positive = "tweedie" in str(params)
    rows = make_rows(n_classes)
    train = rows.examples(dtype=np.float32)
    if is_positive:
        train = replace(train, target=np.abs(train.target))
    spec = make_spec("xgboost", task, n_classes, params=params)
    model: Any = fitted(spec, train)
    predictor = _predictor(model)

    for n_rows in (1, 2, 64):
        features = train.features[:n_rows]
        for kind in ("value", "margin"):
            short = predictor.output(features, is_margin=kind == "margin")
            long = model.booster.inplace_predict(
                features, predict_type=kind, validate_features=False
            )
            assert given(short).shape == long.shape
            assert_array_equal(given(short), long)


def test_few_rows_are_predicted_as_many_are(tmp_path: Path) -> None:
    model = _loaded(tmp_path, "multiclass", 3)
    features = make_rows(3).features.astype(np.float32)
    assert len(features) > MOST_ROWS

    one_by_one = [model.predict(features[i : i + 1]).probabilities[0] for i in range(100)]

    assert_array_equal(one_by_one, model.predict(features).probabilities[:100])
    assert_array_equal(model.raw_scores(features[:3]), model.raw_scores(features)[:3])


def test_only_rows_as_the_function_reads_them_take_the_short_way(tmp_path: Path) -> None:
    model = _loaded(tmp_path)
    predictor = _predictor(model)
    features = np.ascontiguousarray(make_rows(2).features, dtype=np.float32)

    assert predictor.takes(features[:1])
    assert not predictor.takes(features)
    assert not predictor.takes(features[:0])
    assert not predictor.takes(features[:2].astype(np.float64))
    assert not predictor.takes(np.asfortranarray(features[:2]))
    assert not predictor.takes(features[:4:2])
    # And all of them are predicted alike.
    expected = model.predict(features).probabilities[:4:2]
    for same in (features[:4:2], np.asfortranarray(features[:4:2])):
        assert_array_equal(model.predict(same).probabilities, expected)


def test_answers_of_threads_do_not_mix(tmp_path: Path) -> None:
    model = _loaded(tmp_path)
    features = make_rows(2).features.astype(np.float32)
    expected = model.predict(features).probabilities
    wrong: list[int] = []

    def ask(offset: int) -> None:
        for i in [(offset + step) % len(features) for step in range(1000)]:
            answer = model.predict(features[i : i + 1]).probabilities
            if not np.array_equal(answer[0], expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(97 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_failure_of_the_function_is_told_in_one_line(tmp_path: Path) -> None:
    model = _loaded(tmp_path)

    with pytest.raises(AlgorithmError, match="xgboost failed to predict: ") as told:
        model.predict(np.zeros((1, 9), np.float32))

    assert "\n" not in str(told.value)


def test_package_without_these_parts_predicts_the_long_way(tmp_path: Path) -> None:
    model = _loaded(tmp_path)
    features = make_rows(2).features.astype(np.float32)[:1]
    before = model.predict(features).probabilities

    assert DensePredictor.of(model.booster, object()) is None
    assert DensePredictor.of(object(), LIBRARY) is None
    model._few_rows = None
    assert_array_equal(model.predict(features).probabilities, before)
