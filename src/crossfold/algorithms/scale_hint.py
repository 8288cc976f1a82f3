"""A hint for estimators that measure distances, when columns differ much in scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import ModelSpec
from crossfold.data.table import Column

RATIO = 100.0
"""How many times the largest standard deviation may be the smallest before the hint is given."""

_MAX_ROWS = 20_000
_SENSITIVE_NAMES = frozenset(
    {"svm", "knn", "mlp", "logistic_regression", "ridge", "lasso", "elastic_net"}
)
_SENSITIVE_MODULES = (
    "sklearn.svm.",
    "sklearn.neighbors.",
    "sklearn.neural_network.",
    "sklearn.linear_model.",
    "sklearn.gaussian_process.",
    "sklearn.kernel_ridge.",
)


def scale_hint(spec: ModelSpec, columns: Sequence[Column], features: NDArray[Any]) -> str | None:
    """Say that numeric columns differ much in scale, with the figures; None if all is well.

    Parameters
    ----------
    spec : ModelSpec
    columns : sequence of Column
    features : ndarray of shape (n_rows, n_features)
        At most 20,000 of the rows, evenly spread, are looked at.
    """
    is_sensitive = spec.algorithm in _SENSITIVE_NAMES or spec.algorithm.startswith(
        _SENSITIVE_MODULES
    )
    numbers = [i for i, column in enumerate(columns) if column.kind == "number"]
    if spec.standardize or not is_sensitive or len(numbers) < 2:
        return None
    deviations = _deviations(features[:: max(1, len(features) // _MAX_ROWS), numbers])
    if np.count_nonzero(~np.isnan(deviations)) < 2:
        return None
    least, most = int(np.nanargmin(deviations)), int(np.nanargmax(deviations))
    ratio = deviations[most] / deviations[least]
    if ratio < RATIO:
        return None
    return (
        f"the columns differ in scale: column {columns[numbers[most]].name!r} has a standard "
        f"deviation of {deviations[most]:.4g}, column {columns[numbers[least]].name!r} of "
        f"{deviations[least]:.4g} ({ratio:.0f} times less); {spec.algorithm} depends on scale, so "
        "try standardize=true"
    )


def _deviations(sample: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation of each column; NaN where it has none above 0."""
    deviations = np.full(sample.shape[1], np.nan)
    # Without a value `nanstd` warns, and Python's warning filters are not this thread's alone.
    has_values = ~np.isnan(sample).all(axis=0)
    with np.errstate(all="ignore"):
        deviations[has_values] = np.nanstd(sample[:, has_values].astype(np.float64), axis=0)
    deviations[~(deviations > 0)] = np.nan
    return deviations
