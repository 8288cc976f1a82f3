from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfold.errors import UserError
from crossfold.metrics.metric import metric_named, metric_names
from crossfold.metrics.prediction import Prediction

SKLEARN = {
    "rmse": "root_mean_squared_error",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "rmsle": "root_mean_squared_log_error",
    "r2": "r2_score",
}
AMOUNTS = st.integers(-(10**8), 10**8).map(lambda amount: amount / 64)


def _rows(seed: int) -> tuple[NDArray[np.float64], Prediction, NDArray[np.float64]]:
    """Skewed positive targets with errors on both sides of 1, and weights."""
    rng = np.random.default_rng(seed)
    target = rng.exponential(3, 400) + 0.01
    weight = rng.exponential(size=400)
    weight[::9] = 0
    return target, Prediction(values=np.abs(target + rng.normal(0.3, 1.5, 400))), weight


def _xgboost_mphe(target: NDArray[Any], values: NDArray[Any], weight: NDArray[Any] | None) -> float:
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(
        np.zeros((len(target), 1)), target, base_margin=values, weight=weight, nthread=1
    )
    params = {"objective": "reg:pseudohubererror", "eval_metric": "mphe", "nthread": 1}
    return float(xgboost.train({**params, "base_score": 0}, data, 0).eval(data).split(":")[-1])


def test_every_metric_of_values_is_compared_here() -> None:
    assert set(metric_names("regression")) == {*SKLEARN, "huber", "mphe"}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SKLEARN)
def test_regression_metrics_equal_scikit_learn(name: str, seed: int, *, weighted: bool) -> None:
    import sklearn.metrics

    target, prediction, weight = _rows(seed)
    weights = weight if weighted else None

    value = metric_named(name, "regression")(target, prediction, weights)

    reference: Callable[..., float] = getattr(sklearn.metrics, SKLEARN[name])
    expected = reference(target, prediction.values, sample_weight=weights)
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_huber_equals_scipy(*, weighted: bool) -> None:
    from scipy.special import huber

    target, prediction, weight = _rows(7)
    assert prediction.values is not None
    weights = weight if weighted else None

    value = metric_named("huber", "regression")(target, prediction, weights)

    expected = np.average(huber(1, target - prediction.values), weights=weights)
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_mphe_equals_scipy_and_xgboost(*, weighted: bool) -> None:
    """XGBoost keeps labels, weights and values in float32."""
    from scipy.special import pseudo_huber

    target, prediction, weight = _rows(7)
    assert prediction.values is not None
    weights = weight if weighted else None

    value = metric_named("mphe", "regression")(target, prediction, weights)

    expected = np.average(pseudo_huber(1, target - prediction.values), weights=weights)
    assert value == pytest.approx(expected, abs=1e-12)
    assert value == pytest.approx(_xgboost_mphe(target, prediction.values, weights), rel=1e-5)


def test_regression_metrics_by_hand() -> None:
    target = np.array([1.0, 2.0, 4.0])
    prediction = Prediction(values=np.array([1.5, 2.0, 1.0]))

    values = {n: metric_named(n, "regression")(target, prediction) for n in SKLEARN}
    huber = metric_named("huber", "regression")(target, prediction)

    mean = 7 / 3
    assert values == pytest.approx(
        {
            "rmse": math.sqrt(9.25 / 3),
            "mse": 9.25 / 3,
            "mae": 3.5 / 3,
            "mape": (0.5 + 0.75) / 3,
            "rmsle": math.sqrt((math.log(2.5 / 2) ** 2 + math.log(2 / 5) ** 2) / 3),
            "r2": 1 - 9.25 / ((1 - mean) ** 2 + (2 - mean) ** 2 + (4 - mean) ** 2),
        },
        abs=1e-12,
    )
    assert huber == pytest.approx((0.125 + 0 + 2.5) / 3, abs=1e-12)


def test_a_prediction_below_minus_one_has_no_rmsle() -> None:
    prediction = Prediction(values=np.array([0.5, -1.25]))

    with pytest.raises(UserError, match=r"'rmsle' is undefined: the model predicted -1.25"):
        metric_named("rmsle", "regression")(np.array([0.5, 1.0]), prediction)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=2, max_size=30))
def test_values_lie_in_their_range_and_rmse_is_at_least_mae(
    rows: list[tuple[float, float]],
) -> None:
    target, values = (np.array(column) for column in zip(*rows, strict=True))
    prediction = Prediction(values=values)

    value = {
        name: metric_named(name, "regression")(target, prediction)
        for name in ("rmse", "mse", "mae", "huber", "mphe", "r2")
    }

    for name, score in value.items():
        metric = metric_named(name, "regression")
        if metric.undefined_reason(target) is None:
            assert metric.low <= score <= metric.high
    assert value["rmse"] >= value["mae"] * (1 - 1e-12)
    assert value["huber"] <= value["mse"] / 2 + 1e-12
    assert value["mphe"] <= value["huber"] + 1e-12
