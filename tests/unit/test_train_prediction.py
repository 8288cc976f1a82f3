"""What a fit says of the rows fitted on is what predicting them says."""

from __future__ import annotations

import numpy as np
import pytest

from crossfold.algorithms.adapter import Examples, ModelSpec
from crossfold.algorithms.registry import algorithm_named
from crossfold.data.table import Column
from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Task

N_ROWS, N_FEATURES = 400, 5
COLUMNS = tuple(Column(f"x{number}", "number") for number in range(N_FEATURES))
N_CLASSES: dict[Task, int] = {"binary": 2, "multiclass": 3, "regression": 0}


def _examples(task: Task, dtype: type[np.float32 | np.float64], seed: int) -> Examples:
    random = np.random.default_rng(seed)
    features = random.normal(size=(N_ROWS, N_FEATURES)).astype(dtype)
    score = features[:, 0].astype(np.float64) + features[:, 1].astype(np.float64) ** 2
    if task == "regression":
        return Examples(features, score)
    bounds = np.quantile(score, np.linspace(0, 1, N_CLASSES[task] + 1)[1:-1])
    return Examples(features, np.searchsorted(bounds, score).astype(np.float64))


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_fits_own_predictions_equal_predict(algorithm: str, task: Task) -> None:
    family = algorithm_named(algorithm)
    train = _examples(task, family.dtype, seed=1)
    spec = ModelSpec(algorithm, task, N_CLASSES[task], num_round=30)

    model = family.fit(spec, COLUMNS, train)

    kept, asked = model.train_prediction, model.predict(train.features)
    assert kept is not None
    for name in ("labels", "probabilities", "values"):
        one, other = getattr(kept, name), getattr(asked, name)
        if other is None:
            assert one is None
        else:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_a_model_cut_back_to_its_best_round_keeps_none(algorithm: str) -> None:
    family = algorithm_named(algorithm)
    metrics = (metric_named("rmse", "regression"),)
    spec = ModelSpec(algorithm, "regression", 0, {"learning_rate": 0.9}, 200, 3, metrics=metrics)

    model = family.fit(
        spec,
        COLUMNS,
        _examples("regression", family.dtype, seed=1),
        validation=_examples("regression", family.dtype, seed=2),
    )

    assert model.n_rounds is not None
    assert model.n_rounds < 200
    assert model.train_prediction is None
