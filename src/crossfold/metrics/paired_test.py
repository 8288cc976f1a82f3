"""Whether one model's rows are lost by more than another's: a one-sided paired t test on rows.

Rows that belong together (of one group, or one row held out in several repeats) count as one
observation: the variance is that of sums over clusters (Liang and Zeger 1986, with the factor
C / (C - 1)), and the degrees of freedom are C - 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Below, neither the normal approximation nor the variance means much: three rows that one of two
# classifiers alone gets wrong are no reason to end anything.
LEAST_DIFFERENT = 10


def p_value_of_worse(
    difference: NDArray[np.float64],
    cluster: NDArray[np.int64],
    weight: NDArray[np.float64] | None = None,
) -> float:
    """Return the probability of so great a mean difference where the true one is 0.

    Parameters
    ----------
    difference : ndarray of shape (n_rows,), float64
        Own loss minus the other's, by row.
    cluster : ndarray of shape (n_rows,), int64
        Rows of the same number belong together.
    weight : ndarray of shape (n_rows,), float64, optional
        At least 0.

    Returns
    -------
    float
        1 where fewer than `LEAST_DIFFERENT` clusters differ at all, or a difference is no finite
        number.
    """
    if weight is not None:
        # Rows that do not count are no observations either.
        counted = weight > 0
        difference, cluster, weight = difference[counted], cluster[counted], weight[counted]
    if not np.isfinite(difference).all():
        return 1.0
    weights = np.ones(len(difference)) if weight is None else weight
    total = float(weights.sum())
    _, code = np.unique(cluster, return_inverse=True)
    sums = np.bincount(code, weights * difference)
    if total <= 0 or np.count_nonzero(sums) < LEAST_DIFFERENT:
        return 1.0
    mean = float(sums.sum()) / total
    residuals = sums - np.bincount(code, weights) * mean
    n_clusters = len(sums)
    variance = n_clusters / (n_clusters - 1) * float(residuals @ residuals) / total**2
    if variance <= 0:
        return 0.0 if mean > 0 else 1.0
    # scipy.stats takes 0.3 s more.
    from scipy.special import stdtr

    return float(stdtr(n_clusters - 1, -mean / math.sqrt(variance)))
