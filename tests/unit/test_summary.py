from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.errors import UserError
from crossfold.metrics.summary import naive_interval, summarize

SCORES = [0.9, 0.8, 0.85, 0.95, 0.75]


def test_corrected_interval_by_hand() -> None:
    """Variance 0.00625, correction 1/5 + 20/80, quantile of Student's t with 4 degrees."""
    summary = summarize(SCORES, n_train=80, n_test=20)

    error = math.sqrt((1 / 5 + 1 / 4) * 0.00625)
    assert summary.mean == pytest.approx(0.85, abs=1e-15)
    assert summary.std == pytest.approx(math.sqrt(0.00625), abs=1e-15)
    assert summary.standard_error == pytest.approx(error, abs=1e-15)
    assert summary.interval_low == pytest.approx(0.85 - 2.7764451051977987 * error, abs=1e-12)
    assert summary.interval_high == pytest.approx(0.85 + 2.7764451051977987 * error, abs=1e-12)
    assert summary.n == 5


def test_naive_interval_equals_scipy() -> None:
    from scipy import stats

    expected = stats.t.interval(0.95, 4, loc=np.mean(SCORES), scale=stats.sem(SCORES))

    assert naive_interval(SCORES) == pytest.approx(expected, abs=1e-12)


def test_repeats_shrink_the_interval_only_to_the_share_of_the_test_rows() -> None:
    """Even endless repeats leave the variance n_test/n_train, so that repeats are no cheating."""
    few = summarize(SCORES, 80, 20)
    many = summarize(SCORES * 1000, 80, 20)

    assert few.standard_error is not None
    assert many.standard_error is not None
    assert many.standard_error < few.standard_error
    assert many.standard_error > math.sqrt(1 / 4) * 0.07


def test_unequal_folds_count_with_their_mean_ratio() -> None:
    summary = summarize([1.0, 3.0], n_train=[10, 40], n_test=[40, 10])

    assert summary.standard_error == pytest.approx(math.sqrt((1 / 2 + (4 + 0.25) / 2) * 2))


def test_one_score_has_no_spread() -> None:
    summary = summarize([0.7], 80, 20)

    assert (summary.mean, summary.n) == (0.7, 1)
    assert summary.std is None
    assert summary.standard_error is None
    assert summary.interval_low is None
    assert summary.interval_high is None


def test_the_interval_is_not_cut_at_the_range_of_the_metric() -> None:
    summary = summarize([1.0, 0.9, 1.0], 80, 20)

    assert summary.interval_high is not None
    assert summary.interval_high > 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused_by_number(bad: float) -> None:
    with pytest.raises(UserError, match=f"score 2 of 3 is {bad}"):
        summarize([0.5, bad, 0.6], 80, 20)


@pytest.mark.parametrize("scores", [[0.5, 1e200, 0.4], [1.7e308, 1.7e308], [1e154, -1e154]])
def test_scores_of_fits_that_diverged_are_refused_where_their_deviation_overflows(
    scores: list[float],
) -> None:
    with pytest.raises(UserError, match=r"a score is 1.* in size, too large .* has diverged"):
        summarize(scores, 80, 20)


def test_large_scores_whose_deviation_is_a_number_are_taken() -> None:
    assert summarize([1e150, 3e150], 80, 20).std == pytest.approx(math.sqrt(2) * 1e150)


def test_no_scores_are_refused() -> None:
    with pytest.raises(UserError, match="no scores"):
        summarize([], 80, 20)


@pytest.mark.parametrize(("n_train", "n_test"), [([80, 80], 20), (80, [20] * 4), (0, 20), (80, 0)])
def test_sizes_that_fit_no_folds_are_refused(
    n_train: list[int] | int, n_test: list[int] | int
) -> None:
    with pytest.raises(ValueError, match=r"sizes for 5 scores|expected at least 1"):
        summarize(SCORES, n_train, n_test)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30),
    st.floats(1, 1e6),
    st.floats(1, 1e6),
)
def test_the_corrected_interval_holds_the_naive_one(
    scores: list[float], n_train: float, n_test: float
) -> None:
    summary = summarize(scores, n_train, n_test)
    low, high = naive_interval(scores)

    assert summary.interval_low is not None
    assert summary.interval_high is not None
    assert summary.interval_low <= low <= high <= summary.interval_high
