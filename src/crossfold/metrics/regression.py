"""Formulas of the regression metrics, on plain arrays.

Shapes: `target` and `values` (n_rows,) float64, `weight` (n_rows,) float64 or None.  Callers
refuse rows on which a metric is undefined (see `undefined`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import UserError

Floats = NDArray[np.float64]
Weight = NDArray[np.float64] | None


def mse(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Mean squared error."""
    return float(np.average(np.square(target - values), weights=weight))


def rmse(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(target, values, weight)))


def mae(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Mean absolute error."""
    return float(np.average(np.abs(target - values), weights=weight))


def mape(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Mean absolute error relative to the target; 1 means 100 %."""
    return float(np.average(np.abs((target - values) / target), weights=weight))


def rmsle(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Root of the mean squared difference of ``log(1 + x)``.

    Raises
    ------
    UserError
        A predicted value is at or below -1.
    """
    lowest = float(values.min())
    if lowest <= -1:
        message = (
            f"metric 'rmsle' is undefined: the model predicted {lowest!r}; expected values "
            "above -1; choose another metric or an objective that predicts no such values"
        )
        raise UserError(message)
    return rmse(np.log1p(target), np.log1p(values), weight)


def r2(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Share of the target's variance that the values explain; below 0 if worse than its mean."""
    mean = np.average(target, weights=weight)
    return 1 - mse(target, values, weight) / mse(target, np.full_like(target, mean), weight)


def huber(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Mean Huber loss with delta 1: half the square up to an error of 1, linear beyond."""
    size = np.abs(target - values)
    return float(np.average(np.where(size <= 1, size**2 / 2, size - 0.5), weights=weight))


def mphe(target: Floats, values: Floats, weight: Weight = None) -> float:
    """Mean pseudo-Huber error with slope 1."""
    # hypot: the square of a huge error must not overflow.
    return float(np.average(np.hypot(1.0, target - values) - 1.0, weights=weight))
