"""Weights of the rows fitted on, class weights included.

Source: scikit-learn's `compute_sample_weight`, whose numbers these are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, ModelSpec


def fit_weights(spec: ModelSpec, train: Examples) -> NDArray[np.float64] | None:
    """Return the weights to fit with, of shape (n_rows,); None when all rows weigh the same.

    ``balanced`` is n_rows / (number of classes present × rows of the class), from `train` alone.
    """
    if spec.class_weight is None:
        return train.weight
    factors = _class_factors(spec, train.target.astype(np.int64))[train.target.astype(np.int64)]
    return factors if train.weight is None else train.weight * factors


def _class_factors(spec: ModelSpec, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    factors = np.ones(spec.n_classes)
    if spec.class_weight == "balanced":
        counts = np.bincount(codes, minlength=spec.n_classes)
        present = counts > 0
        factors[present] = len(codes) / (present.sum() * counts[present])
    elif spec.class_weight is not None:
        for code, weight in spec.class_weight.items():
            factors[code] = weight
    return factors
