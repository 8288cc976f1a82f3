from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Prediction

NAMES = ["ndcg", "ndcg@1", "ndcg@3", "ndcg@50", "map", "map@1", "map@3", "map@50"]


def _rows(seed: int, highest: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any]]:
    """Draw groups of 1 to 12 rows with distinct scores; some groups have nothing relevant."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(40), rng.integers(1, 13, 40))
    target = np.minimum(rng.poisson(0.7, len(group)), highest).astype(np.float64)
    scores = rng.permutation(len(group)) / len(group) + target / 8
    return target, scores.astype(np.float32).astype(np.float64), group


def _xgboost(
    name: str, target: NDArray[Any], scores: NDArray[Any], group: NDArray[Any], weight: Any
) -> float:
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(
        np.zeros((len(target), 1)), target, qid=group, base_margin=scores, nthread=1
    )
    if weight is not None:
        data.set_weight(weight)
    params = {"objective": "rank:ndcg", "eval_metric": name, "base_score": 0, "nthread": 1}
    return float(xgboost.train(params, data, 0).eval(data).split(":")[-1])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_ranking_metrics_without_ties_equal_xgboost(
    name: str, seed: int, *, weighted: bool
) -> None:
    """Weighted NDCG on relevant groups only: XGBoost counts the others' 1 without their weight."""
    target, scores, group = _rows(seed, 1 if name.startswith("map") else 4)
    if weighted:
        target[np.unique(group, return_index=True)[1]] = 1.0
    weight = np.random.default_rng(seed).integers(1, 9, 40) / 4 if weighted else None

    value = metric_named(name, "ranking")(
        target,
        Prediction(values=scores),
        None if weight is None else weight[group],
        group.astype(np.int32),
    )

    assert value == pytest.approx(_xgboost(name, target, scores, group, weight), abs=1e-12)


@pytest.mark.parametrize("k", [None, 3])
def test_ndcg_with_ties_equals_scikit_learn_where_a_row_is_relevant(k: int | None) -> None:
    """Scikit-learn takes gains; a group without any counts 0 there and 1 here."""
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(30), 8)
    target = rng.integers(0, 4, 240).astype(np.float64)
    scores = rng.integers(0, 4, 240).astype(np.float64)

    value = metric_named("ndcg" if k is None else f"ndcg@{k}", "ranking")(
        target, Prediction(values=scores), None, group
    )

    gains = (2**target - 1).reshape(30, 8)
    assert (gains.sum(axis=1) > 0).all()
    assert value == pytest.approx(ndcg_score(gains, scores.reshape(30, 8), k=k), abs=1e-12)


def _in_file_order(name: str, target: NDArray[Any], order: tuple[int, ...]) -> float:
    scores = -np.argsort(np.array(order)).astype(np.float64)
    group = np.zeros(len(target), np.int32)
    return metric_named(name, "ranking")(target, Prediction(values=scores), None, group)


@pytest.mark.parametrize("name", ["ndcg", "ndcg@2", "map", "map@2", "map@4"])
def test_equal_scores_count_as_if_shuffled(name: str) -> None:
    """The mean over all orders that the ties allow, by brute force."""
    target = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    scores = np.array([5.0, 5.0, 5.0, 2.0, 2.0, 1.0])

    value = metric_named(name, "ranking")(
        target, Prediction(values=scores), None, np.zeros(6, np.int32)
    )

    orders = [
        (*top, *middle, 5)
        for top in itertools.permutations((0, 1, 2))
        for middle in itertools.permutations((3, 4))
    ]
    expected = np.mean([_in_file_order(name, target, order) for order in orders])
    assert value == pytest.approx(expected, abs=1e-12)


def test_a_constant_model_is_not_perfect_on_a_sorted_file() -> None:
    target = np.array([3.0, 2.0, 1.0, 0.0])

    value = metric_named("ndcg", "ranking")(
        target, Prediction(values=np.ones(4)), None, np.zeros(4, np.int32)
    )

    assert value < 0.8


def test_a_group_without_a_relevant_row_scores_one_with_its_weight() -> None:
    target = np.array([0.0, 0.0, 0.0, 1.0])
    prediction = Prediction(values=np.array([2.0, 1.0, 2.0, 1.0]))
    weight = np.array([3.0, 3.0, 1.0, 1.0])
    group = np.array([0, 0, 1, 1])

    assert metric_named("ndcg", "ranking")(target, prediction, weight, group) == pytest.approx(
        (3 * 1 + 1 / math.log2(3)) / 4, abs=1e-15
    )
    assert metric_named("map", "ranking")(target, prediction, weight, group) == pytest.approx(
        (3 * 1 + 1 / 2) / 4, abs=1e-15
    )


def test_map_by_hand() -> None:
    """Hits at ranks 1 and 3 of one query, at rank 2 of the other, of which the first weighs 3."""
    target = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    scores = np.array([9.0, 8.0, 7.0, 2.0, 1.0])
    group = np.array([7, 7, 7, 4, 4])
    weight = np.array([3.0, 3.0, 3.0, 1.0, 1.0])

    value = metric_named("map", "ranking")(target, Prediction(values=scores), weight, group)

    assert value == pytest.approx((3 * (1 + 2 / 3) / 2 + 1 * (1 / 2)) / 4, abs=1e-15)


def test_ndcg_by_hand_with_exponential_gain() -> None:
    target = np.array([0.0, 2.0, 1.0])
    scores = np.array([3.0, 2.0, 1.0])

    value = metric_named("ndcg", "ranking")(
        target, Prediction(values=scores), None, np.zeros(3, np.int32)
    )

    expected = (3 / math.log2(3) + 1 / 2) / (3 + 1 / math.log2(3))
    assert value == pytest.approx(expected, abs=1e-15)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_of_rows_names_of_groups_and_scale_of_scores_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, 25).astype(np.float64)
    scores = rng.integers(0, 5, 25).astype(np.float64)
    group = rng.integers(0, 4, 25)
    rows = rng.permutation(25)

    for name in NAMES:
        metric = metric_named(name, "ranking")
        value = metric(target, Prediction(values=scores), None, group)
        moved = metric(
            target[rows], Prediction(values=np.exp(scores[rows])), None, 90 - 3 * group[rows]
        )
        assert moved == pytest.approx(value, abs=1e-12, nan_ok=True)
        assert math.isnan(value) or 0 <= value <= 1
