"""Finished folds against the same folds of the tuning job's best trial.

Two things must hold before folds are left out: the test on the held-out rows is significant, and
the paired difference of the scores themselves says the same.  The level is shared out evenly over
the looks of a trial (Bonferroni), so that it holds for the trial as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.problem import FoldedProblem
from crossfold.metrics.metric import Metric, metric_named
from crossfold.metrics.paired_test import p_value_of_worse
from crossfold.metrics.row_losses import row_losses
from crossfold.results.aggregate import CvScores, Score, aggregate
from cv_driver.pruning.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Best:
    """The tuning job's best trial: its training job and its results of all folds, in order."""

    name: str
    results: Sequence[FoldResult]


def judge(
    own: Sequence[FoldResult],
    best: Best,
    folded: FoldedProblem,
    *,
    pooled: bool,
    level: float,
) -> Verdict | None:
    """Return why the trial cannot win; None where it still may.

    Parameters
    ----------
    own : sequence of FoldResult
        The finished folds.
    best : Best
    folded : FoldedProblem
    pooled : bool
        Whether held-out rows are scored together.
    level : float
        Of this look.
    """
    problem = folded.problem
    metric = problem.spec.metrics[0]
    p_value, n_rows = _test(own, best, folded, metric)
    if p_value >= level:
        return None
    all_of_best = aggregate(best.results, problem, pooled=pooled)
    same_of_best = aggregate([best.results[r.index] for r in own], problem, pooled=pooled)
    own_scores = aggregate(own, problem, pooled=pooled)
    estimate = _estimate(own_scores, all_of_best, same_of_best, problem.spec.metrics)
    value = all_of_best.validation[metric.name].value
    told = estimate.validation.get(metric.name)
    if told is None or not _is_told_as_better(metric, value, told.value):
        return None
    finished = sorted(result.index for result in own)
    return Verdict(best.name, metric.name, value, p_value, level, n_rows, finished, estimate)


def _is_told_as_better(metric: Metric, value: float, other: float) -> bool:
    """Say whether a value is better than another also in single precision, which a tuner sees."""
    with np.errstate(over="ignore"):
        return metric.is_better(float(np.float32(value)), float(np.float32(other)))


def _test(
    own: Sequence[FoldResult], best: Best, folded: FoldedProblem, metric: Metric
) -> tuple[float, int]:
    rows, table = folded.problem.rows, folded.problem.rows.table
    differences: list[NDArray[np.float64]] = []
    compared: list[NDArray[np.int64]] = []
    for result in own:
        other = best.results[result.index].prediction
        if result.prediction is None or other is None:
            continue
        target = rows.target[result.rows]
        ours = row_losses(metric, target, result.prediction)
        theirs = row_losses(metric, target, other)
        if ours is not None and theirs is not None:
            differences.append(ours - theirs)
            compared.append(result.rows)
    if not compared:
        return 1.0, 0
    at = np.concatenate(compared)
    cluster = at if table.group is None else table.group.codes[at].astype(np.int64)
    weight = None if table.weight is None else table.weight[at]
    return p_value_of_worse(np.concatenate(differences), cluster, weight), len(at)


def _estimate(
    own: CvScores, whole: CvScores, same: CvScores, metrics: Sequence[Metric]
) -> CvScores:
    by_name = {metric.name: metric for metric in metrics}
    accuracy: float | None = None
    if own.accuracy is not None and whole.accuracy is not None and same.accuracy is not None:
        right = metric_named("accuracy", "binary")
        accuracy = _within(right, whole.accuracy + own.accuracy - same.accuracy)
    return CvScores(
        _plus(own.train, whole.train, same.train, by_name),
        _plus(own.validation, whole.validation, same.validation, by_name),
        accuracy,
    )


def _plus(
    own: Mapping[str, Score],
    whole: Mapping[str, Score],
    same: Mapping[str, Score],
    metrics: Mapping[str, Metric],
) -> dict[str, Score]:
    values = {
        name: whole[name].value + own[name].value - same[name].value
        for name in own
        if name in whole and name in same
    }
    return {
        name: Score(_within(metrics[name], value), None)
        for name, value in values.items()
        if np.isfinite(value)
    }


def _within(metric: Metric, value: float) -> float:
    return min(max(value, metric.low), metric.high)
