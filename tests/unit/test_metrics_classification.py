from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfold.errors import AlgorithmError, UserError
from crossfold.metrics.metric import metric_named, metric_names
from crossfold.metrics.prediction import Prediction, Task

SEEDS = range(4)
Reference = Callable[..., float]


def _sk(name: str, **options: Any) -> Reference:
    """Return scikit-learn's function by name, imported late."""
    import sklearn.metrics

    return partial(getattr(sklearn.metrics, name), **options)


def _rows(
    seed: int, n_classes: int, n_rows: int = 300
) -> tuple[NDArray[np.float64], Prediction, NDArray[np.float64]]:
    """Unbalanced rows with tied scores, labels that are not the likeliest class, and weights."""
    rng = np.random.default_rng(seed)
    share = np.linspace(1, 4, n_classes) ** 2
    target = rng.choice(n_classes, n_rows, p=share / share.sum()).astype(np.float64)
    target[:n_classes] = np.arange(n_classes)
    raw = rng.exponential(size=(n_rows, n_classes)).round(1) + 0.05
    raw[np.arange(n_rows), target.astype(int)] += rng.exponential(size=n_rows).round(1)
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    labels = np.argmax(probabilities * np.linspace(2, 1, n_classes), axis=1).astype(np.int64)
    weight = rng.exponential(size=n_rows)
    weight[::7] = 0
    return target, Prediction(labels=labels, probabilities=probabilities), weight


BINARY_LABELS = {
    "accuracy": _sk("accuracy_score"),
    "error": _sk("zero_one_loss"),
    "balanced_accuracy": _sk("balanced_accuracy_score"),
    "f1": _sk("f1_score"),
    "f2": _sk("fbeta_score", beta=2),
    "f0.5": _sk("fbeta_score", beta=0.5),
    "precision": _sk("precision_score"),
    "recall": _sk("recall_score"),
    "specificity": _sk("recall_score", pos_label=0),
    "mcc": _sk("matthews_corrcoef"),
    "kappa": _sk("cohen_kappa_score"),
}
BINARY_SCORES = {"auc": _sk("roc_auc_score"), "aucpr": _sk("average_precision_score")}
MULTICLASS_LABELS = {
    "accuracy": _sk("accuracy_score"),
    "merror": _sk("zero_one_loss"),
    "balanced_accuracy": _sk("balanced_accuracy_score"),
    "f1_macro": _sk("f1_score", average="macro"),
    "f1_weighted": _sk("f1_score", average="weighted"),
    "precision_macro": _sk("precision_score", average="macro"),
    "precision_weighted": _sk("precision_score", average="weighted"),
    "recall_macro": _sk("recall_score", average="macro"),
    "recall_weighted": _sk("recall_score", average="weighted"),
    "mcc": _sk("matthews_corrcoef"),
    "kappa": _sk("cohen_kappa_score"),
}


def test_every_metric_of_classes_is_compared_here() -> None:
    binary = {*BINARY_LABELS, *BINARY_SCORES, "logloss", "f<beta>", "error@<t>"} - {"f2", "f0.5"}
    multiclass = {*MULTICLASS_LABELS, "mlogloss", "auc_ovr"}

    assert set(metric_names("binary")) == binary
    assert set(metric_names("multiclass")) == multiclass


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", BINARY_LABELS)
def test_binary_label_metrics_equal_scikit_learn(name: str, seed: int, *, weighted: bool) -> None:
    target, prediction, weight = _rows(seed, 2)
    weights = weight if weighted else None

    value = metric_named(name, "binary")(target, prediction, weights)

    expected = BINARY_LABELS[name](target, prediction.labels, sample_weight=weights)
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", BINARY_SCORES)
def test_binary_score_metrics_equal_scikit_learn(name: str, seed: int, *, weighted: bool) -> None:
    target, prediction, weight = _rows(seed, 2)
    weights = weight if weighted else None
    assert prediction.probabilities is not None

    value = metric_named(name, "binary")(target, prediction, weights)

    positive = prediction.probabilities[:, 1]
    expected = BINARY_SCORES[name](target, positive, sample_weight=weights)
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", MULTICLASS_LABELS)
def test_multiclass_label_metrics_equal_scikit_learn(
    name: str, seed: int, *, weighted: bool
) -> None:
    target, prediction, weight = _rows(seed, 4)
    weights = weight if weighted else None

    value = metric_named(name, "multiclass")(target, prediction, weights)

    expected = MULTICLASS_LABELS[name](target, prediction.labels, sample_weight=weights)
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_auc_ovr_equals_scikit_learn(seed: int, *, weighted: bool) -> None:
    target, prediction, weight = _rows(seed, 4)
    weights = weight if weighted else None

    value = metric_named("auc_ovr", "multiclass")(target, prediction, weights)

    reference = _sk("roc_auc_score", multi_class="ovr")
    expected = reference(target, prediction.probabilities, sample_weight=weights)
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "n_classes"), [("logloss", 2), ("mlogloss", 4)])
def test_log_losses_equal_scikit_learn(name: str, n_classes: int, *, weighted: bool) -> None:
    from sklearn.metrics import log_loss

    target, prediction, weight = _rows(5, n_classes)
    weights = weight if weighted else None

    value = metric_named(name, "binary" if n_classes == 2 else "multiclass")(
        target, prediction, weights
    )

    expected = log_loss(target, prediction.probabilities, sample_weight=weights)
    assert value == pytest.approx(expected, abs=1e-12)


def test_a_sure_mistake_costs_what_scikit_learn_charges() -> None:
    from sklearn.metrics import log_loss

    target = np.array([1.0, 0.0, 1.0])
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])

    value = metric_named("logloss", "binary")(target, Prediction(probabilities=probabilities))

    assert value == pytest.approx(log_loss(target, probabilities), abs=1e-12)
    assert value == pytest.approx((-math.log(2**-52) + math.log(2)) / 3, abs=1e-9)


def test_log_loss_of_a_fold_without_one_class_uses_the_right_column() -> None:
    target = np.array([2.0, 0.0])
    probabilities = np.array([[0.2, 0.3, 0.5], [0.4, 0.5, 0.1]])

    value = metric_named("mlogloss", "multiclass")(target, Prediction(probabilities=probabilities))

    assert value == pytest.approx(-(math.log(0.5) + math.log(0.4)) / 2, abs=1e-15)


def test_binary_metrics_by_hand() -> None:
    """Three hits, two misses, one false alarm, four true negatives."""
    target = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], dtype=np.float64)
    prediction = Prediction(labels=np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0]))

    values = {n: metric_named(n, "binary")(target, prediction) for n in BINARY_LABELS}

    assert values == pytest.approx(
        {
            "accuracy": 7 / 10,
            "error": 3 / 10,
            "balanced_accuracy": (3 / 5 + 4 / 5) / 2,
            "f1": 6 / 9,
            "f2": 15 / (15 + 8 + 1),
            "f0.5": 3.75 / (3.75 + 0.5 + 1),
            "precision": 3 / 4,
            "recall": 3 / 5,
            "specificity": 4 / 5,
            "mcc": (3 * 4 - 1 * 2) / math.sqrt(4 * 5 * 5 * 6),
            "kappa": (0.7 - 0.5) / 0.5,
        },
        abs=1e-12,
    )


def test_auc_by_hand_counts_pairs_and_half_of_ties() -> None:
    """Of six pairs three are right, two tied, one wrong."""
    target = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    scores = np.array([0.8, 0.4, 0.4, 0.8, 0.1])

    value = metric_named("auc", "binary")(target, Prediction(scores=scores))

    assert value == pytest.approx((3 + 2 / 2) / 6, abs=1e-15)


def test_label_metrics_take_the_labels_of_the_model_and_never_threshold_scores() -> None:
    """Probabilities and labels that disagree show which of them is scored."""
    target = np.array([1.0, 1.0, 0.0, 0.0])
    prediction = Prediction(
        labels=np.array([1, 1, 0, 0]),
        probabilities=np.array([[0.9, 0.1], [0.8, 0.2], [0.99, 0.01], [0.95, 0.05]]),
    )

    assert metric_named("accuracy", "binary")(target, prediction) == 1.0
    assert metric_named("f1", "binary")(target, prediction) == 1.0
    assert metric_named("error@0.5", "binary")(target, prediction) == 0.5


def test_error_at_counts_as_positive_what_lies_above_the_threshold() -> None:
    target = np.array([1.0, 1.0, 0.0])
    positive = np.array([0.7, 0.71, 0.1])
    prediction = Prediction(probabilities=np.column_stack([1 - positive, positive]))

    assert metric_named("error@0.7", "binary")(target, prediction) == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["auc", "aucpr"])
def test_estimators_without_probabilities_are_scored_by_their_decision_function(
    name: str,
) -> None:
    target, prediction, weight = _rows(3, 2)
    assert prediction.probabilities is not None
    margin = np.log(prediction.probabilities[:, 1]) * 5 + 2
    metric = metric_named(name, "binary")

    value = metric(target, Prediction(labels=prediction.labels, scores=margin), weight)

    assert value == pytest.approx(
        BINARY_SCORES[name](target, margin, sample_weight=weight), abs=1e-12
    )


def test_auc_ovr_takes_a_decision_function_of_one_column_per_class() -> None:
    target, prediction, _ = _rows(3, 3)
    assert prediction.probabilities is not None
    scores = 10 * prediction.probabilities - 4

    value = metric_named("auc_ovr", "multiclass")(target, Prediction(scores=scores))

    one_by_one = [_sk("roc_auc_score")(target == c, scores[:, c]) for c in range(3)]
    assert value == pytest.approx(np.mean(one_by_one), abs=1e-12)


@pytest.mark.parametrize("name", ["logloss", "error@0.3"])
def test_probability_metrics_of_an_estimator_without_them_are_an_error_of_the_user(
    name: str,
) -> None:
    prediction = Prediction(labels=np.array([0, 1]), scores=np.array([-1.0, 2.0]))

    with pytest.raises(UserError, match="estimator has no probabilities"):
        metric_named(name, "binary")(np.array([0.0, 1.0]), prediction)


def test_a_prediction_that_is_not_finite_is_named_by_row() -> None:
    scores = np.array([0.1, np.nan, 0.3])

    with pytest.raises(AlgorithmError, match="predicted nan for row 1 of the 3 rows"):
        metric_named("auc", "binary")(np.array([0.0, 1.0, 1.0]), Prediction(scores=scores))


def test_predictions_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 predictions for 3 targets"):
        metric_named("accuracy", "binary")(np.zeros(3), Prediction(labels=np.zeros(2, np.int64)))


def test_a_model_that_never_says_positive_has_precision_and_mcc_zero() -> None:
    target = np.array([1.0, 0.0, 0.0])
    prediction = Prediction(labels=np.zeros(3, np.int64))

    for name in ("precision", "recall", "f1", "f2", "mcc", "kappa"):
        assert metric_named(name, "binary")(target, prediction) == 0.0


def test_an_integer_weight_counts_like_repeated_rows() -> None:
    target, prediction, _ = _rows(1, 2, n_rows=60)
    times = np.random.default_rng(0).integers(1, 4, 60)
    repeated = np.repeat(np.arange(60), times)

    for name in [*BINARY_LABELS, *BINARY_SCORES, "logloss"]:
        metric = metric_named(name, "binary")
        weighted = metric(target, prediction, times.astype(np.float64))
        assert weighted == pytest.approx(
            metric(target[repeated], prediction.take(repeated)), abs=1e-12
        )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(-1000, 1000), st.integers(0, 4)),
        min_size=2,
        max_size=40,
    )
)
def test_auc_does_not_change_under_a_monotone_transform_and_mirrors_under_reversal(
    rows: list[tuple[bool, int, int]],
) -> None:
    target = np.array([float(row[0]) for row in rows])
    scores = np.array([float(row[1]) for row in rows])
    weight = np.array([float(row[2]) for row in rows])
    metric = metric_named("auc", "binary")
    value = metric(target, Prediction(scores=scores), weight)

    if metric.undefined_reason(target, weight) is not None:
        assert math.isnan(value)
        return
    stretched = metric(target, Prediction(scores=np.exp(scores / 200) * 3 - 7), weight)
    reversed_ = metric(target, Prediction(scores=-scores), weight)
    assert stretched == pytest.approx(value, abs=1e-12)
    assert reversed_ == pytest.approx(1 - value, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.sampled_from([2, 3, 5]))
def test_every_defined_metric_lies_in_its_range(seed: int, n_rows: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, n_classes, n_rows).astype(np.float64)
    raw = rng.exponential(size=(n_rows, n_classes)) ** 3 + 1e-9
    prediction = Prediction(
        labels=rng.integers(0, n_classes, n_rows),
        probabilities=raw / raw.sum(axis=1, keepdims=True),
    )
    weight = rng.integers(0, 3, n_rows).astype(np.float64)

    task: Task = "binary" if n_classes == 2 else "multiclass"
    for name in metric_names(task):
        metric = metric_named(name.replace("<beta>", "0.7").replace("<t>", "0.4"), task)
        value = metric(target, prediction, weight)
        if metric.undefined_reason(target, weight, n_classes=n_classes) is None:
            assert metric.low <= value <= metric.high
        else:
            assert math.isnan(value)
