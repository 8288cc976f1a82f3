"""A metric that means nothing on held-out rows is refused before any fit, with the reason."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Prediction, Task


def _reason(
    name: str, task: Task, target: list[float], group: list[int] | None = None
) -> str | None:
    groups = None if group is None else np.array(group)
    return metric_named(name, task).undefined_reason(np.array(target, np.float64), None, groups)


@pytest.mark.parametrize("name", ["auc", "aucpr", "balanced_accuracy", "mcc", "kappa"])
def test_metrics_that_compare_classes_need_two(name: str) -> None:
    assert _reason(name, "binary", [1, 1, 1]) == "all 3 rows are of one class"
    assert _reason(name, "binary", [0, 1, 1]) is None


@pytest.mark.parametrize("name", ["recall", "precision", "f1", "f2"])
def test_metrics_of_the_positive_class_need_a_positive_row(name: str) -> None:
    assert _reason(name, "binary", [0, 0]) == "none of the 2 rows is of the positive class"
    assert _reason(name, "binary", [1, 1]) is None


def test_specificity_needs_a_negative_row() -> None:
    reason = _reason("specificity", "binary", [1, 1])

    assert reason == "none of the 2 rows is of the negative class"


@pytest.mark.parametrize("name", ["logloss", "accuracy", "error", "error@0.2"])
def test_other_binary_metrics_are_defined_on_one_class(name: str) -> None:
    assert _reason(name, "binary", [1, 1]) is None


def test_auc_ovr_needs_every_class_of_the_data() -> None:
    metric = metric_named("auc_ovr", "multiclass")
    target = np.array([0.0, 1.0, 1.0])

    reason = metric.undefined_reason(target, n_classes=4)

    assert reason == "2 of the 4 classes have no row among these 3 (class codes 2, 3)"
    assert metric.undefined_reason(target, n_classes=2) is None
    assert metric.undefined_reason(np.array([0.0, 2.0])) is not None


def test_auc_ovr_of_probabilities_knows_the_number_of_classes() -> None:
    prediction = Prediction(probabilities=np.full((3, 3), 1 / 3))

    value = metric_named("auc_ovr", "multiclass")(np.array([0.0, 1.0, 1.0]), prediction)

    assert math.isnan(value)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ([2.5], "one row"),
        ([0.1, 0.1, 0.1], "all 3 rows have the target 0.1"),
        ([0.0, 1e-308], "too close together"),
    ],
)
def test_r2_needs_targets_that_differ(target: list[float], words: str) -> None:
    reason = _reason("r2", "regression", target)

    assert reason is not None
    assert words in reason


def test_rmse_of_one_row_is_defined() -> None:
    assert _reason("rmse", "regression", [2.5]) is None


def test_mape_is_refused_for_a_target_of_zero() -> None:
    assert _reason("mape", "regression", [1, 0, -2]) == "the target is 0 in 1 of the 3 rows"
    assert _reason("mape", "regression", [1, -2]) is None


def test_rmsle_is_refused_at_minus_one_as_in_scikit_learn() -> None:
    assert _reason("rmsle", "regression", [1, -1]) == "a target is -1.0; expected values above -1"
    assert _reason("rmsle", "regression", [1, -0.5]) is None


@pytest.mark.parametrize("name", ["ndcg", "ndcg@3", "map", "map@3"])
def test_ranking_needs_a_group_whose_order_matters(name: str) -> None:
    assert _reason(name, "ranking", [1, 0, 1], [0, 1, 2]) == (
        "in all 3 groups the rows are of one relevance, so that any order is best"
    )
    assert _reason(name, "ranking", [1, 1, 0, 0], [5, 5, 2, 2]) is not None
    assert _reason(name, "ranking", [1, 1, 0, 0], [5, 2, 5, 2]) is None


def test_ranking_without_groups_asks_for_the_column() -> None:
    reason = _reason("ndcg", "ranking", [1, 0])

    assert reason is not None
    assert "group_column" in reason


@pytest.mark.parametrize("bad", [-1.0, 1.5, 32.0])
def test_ndcg_takes_the_relevances_that_xgboost_takes(bad: float) -> None:
    assert _reason("ndcg", "ranking", [31, 0], [0, 0]) is None
    assert _reason("ndcg", "ranking", [bad, 0], [0, 0]) == (
        f"a relevance is {bad}; expected whole numbers from 0 to 31"
    )


def test_map_takes_relevance_zero_and_one_only() -> None:
    assert _reason("map", "ranking", [2, 0], [0, 0]) == "a relevance is 2.0; expected 0 or 1"


def test_rows_of_weight_zero_do_not_count() -> None:
    metric = metric_named("auc", "binary")
    target = np.array([0.0, 1.0, 1.0])

    assert metric.undefined_reason(target, np.array([0.0, 1.0, 2.0])) is not None
    assert metric.undefined_reason(target, np.zeros(3)) == "no row has a weight above 0"
    assert metric.undefined_reason(target, np.array([1.0, 0.0, 2.0])) is None


def test_no_rows_are_a_reason_for_every_metric() -> None:
    assert _reason("accuracy", "binary", []) == "there are no rows"


def test_an_undefined_metric_is_nan_without_a_warning() -> None:
    value = metric_named("auc", "binary")(np.ones(2), Prediction(scores=np.array([1.0, 2.0])))

    assert math.isnan(value)
