"""What the scores of several folds say together.

Knows numbers only.  Sources: Nadeau and Bengio 2003, "Inference for the Generalization Error",
Machine Learning 52 (corrected resampled t); Bouckaert and Frank 2004 for repeated folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossfold.errors import UserError

INTERVAL_NAME = "corrected resampled t (Nadeau and Bengio 2003)"
INTERVAL_FORMULA = (
    "mean ± t(0.975, J - 1) · sqrt((1/J + n_test/n_train) · s²); J scores (folds × repeats), "
    "s² their variance with divisor J - 1, n_test/n_train the mean ratio of rows scored to rows "
    "fitted on"
)
INTERVAL_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean of the scores, their spread, and a 95 % interval for the expected score.

    Attributes
    ----------
    mean : float
    std : float, optional
        With divisor n - 1; None for a single score, as is all below.
    standard_error : float, optional
        ``sqrt((1/n + n_test/n_train) · std²)``: the error of `mean`, corrected for the rows that
        the training sets share.
    interval_low, interval_high : float, optional
        Bounds of the interval (`INTERVAL_NAME`, `INTERVAL_FORMULA`), not cut to the metric's
        range: a bound beyond it says that the folds are too few or too different.
    n : int
        Number of scores: folds × repeats.
    """

    mean: float
    std: float | None
    standard_error: float | None
    interval_low: float | None
    interval_high: float | None
    n: int


def summarize(
    scores: Sequence[float],
    n_train: Sequence[int] | float,
    n_test: Sequence[int] | float,
) -> Summary:
    """Summarize the scores of folds (of all repeats together).

    Parameters
    ----------
    scores : sequence of float
        One finite score for each fold.
    n_train, n_test : sequence of int, or number
        Rows fitted on and rows scored, one of each for every fold or one for all.

    Raises
    ------
    UserError
        There is no score, one is NaN or infinite, or they are too large for a deviation.
    ValueError
        Sizes are not positive, or their number differs from that of the scores.
    """
    values = _finite(scores)
    n = len(values)
    ratio = _mean_ratio(n_train, n_test, n)
    if n == 1:
        return Summary(float(values[0]), None, None, None, None, 1)
    # What overflows is refused below.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(values.mean()), float(values.std(ddof=1))
    standard_error = math.sqrt(1 / n + ratio) * std
    half = _t_quantile(n - 1) * standard_error
    if not math.isfinite(abs(mean) + half):
        message = (
            f"a score is {float(np.abs(values).max())!r} in size, too large for a standard "
            "deviation over the folds; a fit has diverged: change its hyperparameters"
        )
        raise UserError(message)
    return Summary(mean, std, standard_error, mean - half, mean + half, n)


def naive_interval(scores: Sequence[float]) -> tuple[float, float]:
    """Return the t interval that takes the folds for independent; it is too narrow.

    Only for comparison with the interval of `summarize`; needs two scores.
    """
    values = _finite(scores)
    half = _t_quantile(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return mean - half, mean + half


def _finite(scores: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0:
        message = "there are no scores to summarize"
        raise UserError(message)
    odd = np.flatnonzero(~np.isfinite(values))
    if len(odd):
        message = (
            f"score {int(odd[0]) + 1} of {len(values)} is {float(values[odd[0]])!r}; expected "
            "finite scores; choose a metric that is defined in every fold"
        )
        raise UserError(message)
    return values


def _mean_ratio(
    n_train: Sequence[int] | float, n_test: Sequence[int] | float, n_scores: int
) -> float:
    train, test = np.asarray(n_train, np.float64), np.asarray(n_test, np.float64)
    for sizes in (train, test):
        if sizes.ndim and len(sizes) != n_scores:
            message = f"{len(sizes)} sizes for {n_scores} scores"
            raise ValueError(message)
        if sizes.min() <= 0:
            message = f"a fold has {float(sizes.min())!r} rows; expected at least 1"
            raise ValueError(message)
    return float(np.mean(test / train))


def _t_quantile(degrees: int) -> float:
    # Every library that fits has loaded scipy.special already; scipy.stats takes 0.3 s more.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + INTERVAL_LEVEL) / 2))
