"""Row losses against the metrics, and the paired test's rates of error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from crossfold.metrics.metric import metric_named, metric_names
from crossfold.metrics.paired_test import LEAST_DIFFERENT, p_value_of_worse
from crossfold.metrics.prediction import Prediction, Task
from crossfold.metrics.row_losses import has_row_losses, row_losses

_ROOTS = {"rmse", "rmsle"}
_WITHOUT = {"auc", "aucpr", "f1", "mcc", "r2", "ndcg", "auc_ovr", "balanced_accuracy", "precision"}
_LEVEL = 0.05


def _predicted(task: Task, rng: np.random.Generator, n_rows: int = 300) -> Prediction:
    if task == "regression":
        return Prediction(values=rng.uniform(0.5, 5, n_rows))
    n_classes = 2 if task == "binary" else 3
    probabilities = rng.dirichlet(np.ones(n_classes), n_rows)
    return Prediction(labels=probabilities.argmax(axis=1), probabilities=probabilities)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_mean_of_row_losses_is_the_metric(task: Task) -> None:
    rng = np.random.default_rng(1)
    prediction, weight = _predicted(task, rng), rng.uniform(0, 2, 300)
    target = (
        rng.uniform(0.5, 5, 300)
        if task == "regression"
        else rng.integers(0, 2 if task == "binary" else 3, 300).astype(np.float64)
    )
    names = [name for name in metric_names(task) if "<" not in name]
    if task == "binary":
        names.append("error@0.3")
    tested = 0
    for name in names:
        metric = metric_named(name, task)
        losses = row_losses(metric, target, prediction)
        assert has_row_losses(metric) == (losses is not None)
        if losses is None:
            continue
        tested += 1
        mean = float(np.average(losses, weights=weight))
        value = np.sqrt(mean) if name in _ROOTS else 1 - mean if name == "accuracy" else mean
        assert metric(target, prediction, weight) == pytest.approx(value, rel=1e-12), name
    assert tested >= 3


def test_metrics_of_many_rows_together_have_no_row_losses() -> None:
    tasks: tuple[Task, ...] = ("binary", "multiclass", "regression", "ranking")
    without = {
        name
        for task in tasks
        for name in metric_names(task)
        if "<" not in name and not has_row_losses(metric_named(name, task))
    }

    assert without >= _WITHOUT


def _rate(draw: Callable[[np.random.Generator], np.ndarray], n_rows_of_one: int = 1) -> float:
    rng, n_runs = np.random.default_rng(5), 3000
    found = [draw(rng) for _ in range(n_runs)]
    clusters = np.arange(len(found[0])) // n_rows_of_one
    return float(np.mean([p_value_of_worse(each, clusters) < _LEVEL for each in found]))


def _zero_one(rng: np.random.Generator) -> np.ndarray:
    return (rng.random(300) < 0.2).astype(float) - (rng.random(300) < 0.2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=40),
        lambda rng: rng.standard_t(4, size=100),
        _zero_one,
        lambda rng: rng.exponential(size=100) - rng.exponential(size=100),
    ],
    ids=["normal", "heavy tails", "right or wrong", "logloss"],
)
def test_without_a_difference_the_test_fires_as_often_as_its_level(
    draw: Callable[[np.random.Generator], np.ndarray],
) -> None:
    # Three standard errors of 3,000 draws are 0.012.
    assert _rate(draw) == pytest.approx(_LEVEL, abs=0.015)


def test_rows_that_belong_together_are_one_observation() -> None:
    def draw(rng: np.random.Generator) -> np.ndarray:
        return np.repeat(rng.normal(size=40), 10) + rng.normal(size=400) / 4

    assert _rate(draw, 10) == pytest.approx(_LEVEL, abs=0.015)
    assert _rate(draw) > 0.2, "so it would be without clusters"


def test_a_clear_difference_is_found() -> None:
    assert _rate(lambda rng: rng.normal(0.5, size=60)) > 0.95


def test_a_better_trial_is_hardly_ever_taken_for_a_worse_one() -> None:
    assert _rate(lambda rng: rng.normal(-0.2, size=60)) < 0.01


def test_weights_count_rows() -> None:
    rng = np.random.default_rng(2)
    difference, rows = rng.normal(0.2, size=50), np.arange(50)
    kept = rows < 30

    alone = p_value_of_worse(difference[kept], rows[kept])

    weighted = p_value_of_worse(difference, rows, kept.astype(np.float64))
    # Rows of weight 0 are no observations: neither the factor nor the degrees of freedom grow.
    assert weighted == pytest.approx(alone, rel=1e-12)
    assert p_value_of_worse(difference, rows, np.zeros(50)) == 1.0


def test_too_few_rows_that_differ_prove_nothing() -> None:
    difference = np.zeros(500)
    difference[: LEAST_DIFFERENT - 1] = 1.0

    assert p_value_of_worse(difference, np.arange(500)) == 1.0

    difference[:20] = 1.0
    assert p_value_of_worse(difference, np.arange(500)) < 1e-4
    assert p_value_of_worse(np.ones(20), np.arange(20)) == 0.0
    assert p_value_of_worse(-np.ones(20), np.arange(20)) == 1.0


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_losses_that_are_no_numbers_prove_nothing(odd: float) -> None:
    """A comparison with NaN is never true, whichever way it is written."""
    difference = np.ones(50)
    difference[7] = odd

    assert p_value_of_worse(difference, np.arange(50)) == 1.0
