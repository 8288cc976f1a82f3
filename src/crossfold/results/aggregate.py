"""Fold results → the scores of the whole cross-validation.

``mean`` averages the folds' own scores.  ``pooled`` scores all held-out rows of a repeat together
and averages over the repeats: the only right way where a fold is one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.problem import Problem
from crossfold.metrics.metric import Metric, metric_named
from crossfold.metrics.prediction import Prediction, concat
from crossfold.metrics.summary import Summary, summarize


@dataclass(frozen=True, slots=True)
class Score:
    """One metric over the whole cross-validation.

    Attributes
    ----------
    value : float
    std : float, optional
        Standard deviation (n - 1) over folds; over repeats when pooled; None for one value.
    summary : Summary, optional
        Standard error and interval over the folds' scores; None when pooled.
    """

    value: float
    std: float | None
    summary: Summary | None = None


@dataclass(frozen=True, slots=True)
class CvScores:
    """Scores by metric name.

    Attributes
    ----------
    train, validation : mapping of metric name to Score
        `train` lacks a metric that is undefined on some fold's training rows.
    accuracy : float, optional
        Accuracy over held-out rows, aggregated in the same way; None without classes, or where
        a fold's predictions are lost.
    """

    train: Mapping[str, Score]
    validation: Mapping[str, Score]
    accuracy: float | None


def aggregate(results: Sequence[FoldResult], problem: Problem, *, pooled: bool) -> CvScores:
    """Aggregate the folds' results, the same for every launcher and order of arrival."""
    ordered = sorted(results, key=lambda result: result.index)
    metrics = problem.spec.metrics
    train = {
        metric.name: _mean_of(ordered, "train", metric)
        for metric in metrics
        if all(metric.name in result.train for result in ordered)
    }
    if pooled:
        validation = {metric.name: _pooled(ordered, problem, metric) for metric in metrics}
    else:
        validation = {metric.name: _mean_of(ordered, "validation", metric) for metric in metrics}
    return CvScores(train, validation, _accuracy(ordered, problem, pooled=pooled))


def _mean_of(results: Sequence[FoldResult], split: str, metric: Metric) -> Score:
    values = [getattr(result, split)[metric.name] for result in results]
    n_train = [result.n_train for result in results]
    n_test = [result.n_test for result in results]
    summary = summarize(values, n_train, n_test)
    return Score(summary.mean, summary.std, summary)


def _pooled(results: Sequence[FoldResult], problem: Problem, metric: Metric) -> Score:
    values = []
    for repeat in sorted({result.repeat for result in results}):
        rows, prediction = _pool(results, repeat)
        values.append(problem.rows.score([metric], prediction, rows)[metric.name])
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Score(float(np.mean(values)), std)


def _pool(results: Sequence[FoldResult], repeat: int) -> tuple[NDArray[np.int64], Prediction]:
    own = [result for result in results if result.repeat == repeat]
    rows = np.concatenate([result.rows for result in own])
    predictions = [result.prediction for result in own if result.prediction is not None]
    assert len(predictions) == len(own), "scores alone are no result where rows are pooled"
    return rows, concat(predictions)


def _accuracy(results: Sequence[FoldResult], problem: Problem, *, pooled: bool) -> float | None:
    task = problem.coding.task
    if task not in ("binary", "multiclass"):
        return None
    accuracy = metric_named("accuracy", task)
    if pooled:
        return _pooled(results, problem, accuracy).value
    scores = [
        problem.rows.score([accuracy], result.prediction, result.rows)[accuracy.name]
        for result in results
        if result.prediction is not None
    ]
    # A mean over some of the folds would pass for that of all.
    return float(np.mean(scores)) if len(scores) == len(results) else None
