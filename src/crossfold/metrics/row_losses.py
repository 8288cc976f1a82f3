"""The loss of each held-out row, for metrics that are a mean over rows or a function of one.

The mean of a metric's row losses orders predictions of the same rows as the metric does: it is the
metric itself, its square for a root, or 1 minus it for a share of right rows.  Metrics that only
mean something for many rows together (auc, f1, r2, ndcg, …) have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.metrics.definition import Metric
from crossfold.metrics.prediction import Prediction

Floats = NDArray[np.float64]
_Loss = Callable[[Floats, NDArray[Any]], Floats]


def has_row_losses(metric: Metric) -> bool:
    """Say whether `row_losses` knows the metric."""
    return _loss_of(metric) is not None


def row_losses(metric: Metric, target: Floats, prediction: Prediction) -> Floats | None:
    """Return each row's loss, lower is better; None where the metric has none.

    Parameters
    ----------
    metric : Metric
    target : ndarray of shape (n_rows,), float64
    prediction : Prediction
        Of the same rows in the same order.
    """
    loss = _loss_of(metric)
    part = getattr(prediction, metric.needs, None)
    return None if loss is None or part is None else loss(target, part)


def _loss_of(metric: Metric) -> _Loss | None:
    if metric.name.startswith("error@"):
        threshold = float(metric.name.removeprefix("error@"))
        return lambda target, shares: _wrong(target, shares[:, 1] > threshold)
    return _LOSSES.get(metric.name)


def _squared(target: Floats, values: Floats) -> Floats:
    return np.square(target - values)


def _absolute(target: Floats, values: Floats) -> Floats:
    return np.abs(target - values)


def _relative(target: Floats, values: Floats) -> Floats:
    return np.abs((target - values) / target)


def _squared_log(target: Floats, values: Floats) -> Floats:
    squared: Floats = np.square(np.log1p(target) - np.log1p(values))
    return squared


def _huber(target: Floats, values: Floats) -> Floats:
    size = np.abs(target - values)
    return np.where(size <= 1, size**2 / 2, size - 0.5)


def _pseudo_huber(target: Floats, values: Floats) -> Floats:
    losses: Floats = np.hypot(1.0, target - values) - 1.0
    return losses


def _log(target: Floats, probabilities: Floats) -> Floats:
    epsilon = np.finfo(np.float64).eps
    of_truth = probabilities[np.arange(len(target)), target.astype(np.intp)]
    losses: Floats = -np.log(np.clip(of_truth, epsilon, 1 - epsilon))
    return losses


def _wrong(target: Floats, labels: NDArray[Any]) -> Floats:
    wrong: Floats = (labels != target).astype(np.float64)
    return wrong


_LOSSES: Mapping[str, _Loss] = {
    "rmse": _squared,
    "mse": _squared,
    "mae": _absolute,
    "mape": _relative,
    "rmsle": _squared_log,
    "huber": _huber,
    "mphe": _pseudo_huber,
    "logloss": _log,
    "mlogloss": _log,
    "accuracy": _wrong,
    "error": _wrong,
    "merror": _wrong,
}
