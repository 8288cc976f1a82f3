"""Formulas of the classification metrics, on plain arrays.

Each equals the scikit-learn function that `catalogue` names as its source.  They are written in
NumPy because importing `sklearn.metrics` takes longer than scoring a hundred thousand rows.
A class that is nowhere among the rows counts in no mean over classes, as in scikit-learn.

Shapes: `target` (n_rows,) float64 class codes, `labels` (n_rows,) int64 class codes, `weight`
(n_rows,) float64 or None.  Callers refuse rows on which a metric is undefined (see `undefined`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Weight = NDArray[np.float64] | None


def auc(target: Floats, scores: Floats, weight: Weight = None) -> float:
    """Area under the ROC curve; tied scores count half."""
    hits, misses = _counts_by_threshold(target == 1, _positive_column(scores), weight)
    steps = np.diff(misses, prepend=0.0)
    area = np.sum(steps * (hits - np.diff(hits, prepend=0.0) / 2))
    return float(area / (hits[-1] * misses[-1]))


def aucpr(target: Floats, scores: Floats, weight: Weight = None) -> float:
    """Average precision: the precision at each threshold, weighted by the recall it adds."""
    hits, misses = _counts_by_threshold(target == 1, _positive_column(scores), weight)
    precision = _ratio(hits, hits + misses)
    return float(np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1])


def auc_ovr(target: Floats, scores: Floats, weight: Weight = None) -> float:
    """Plain mean over the classes of the AUC of one class against the rest."""
    areas = [auc(target == code, scores[:, code], weight) for code in range(scores.shape[1])]
    return float(np.mean(areas))


def logloss(target: Floats, probabilities: Floats, weight: Weight = None) -> float:
    """Mean negative natural logarithm of the true class's probability, clipped by one epsilon."""
    epsilon = np.finfo(np.float64).eps
    of_truth = probabilities[np.arange(len(target)), target.astype(np.intp)]
    return float(np.average(-np.log(np.clip(of_truth, epsilon, 1 - epsilon)), weights=weight))


def accuracy(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Share of rows whose label is right."""
    return float(np.average(labels == target, weights=weight))


def error(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Share of rows whose label is wrong."""
    return float(np.average(labels != target, weights=weight))


def error_at(
    target: Floats, probabilities: Floats, weight: Weight = None, *, threshold: float
) -> float:
    """Share of wrong rows when a probability above `threshold` means the positive class."""
    labels = (probabilities[:, 1] > threshold).astype(np.int64)
    return error(target, labels, weight)


def balanced_accuracy(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Plain mean of the recall of the classes that are in `target`."""
    counts = _confusion(target, labels, weight)
    of_class = counts.sum(axis=1)
    seen = of_class > 0
    return float(np.mean(np.diag(counts)[seen] / of_class[seen]))


def precision(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Share of true positives among the rows labelled positive; 0 if none is labelled so."""
    counts = _confusion(target, labels, weight, 2)
    return float(_ratio(counts[1, 1], counts[:, 1].sum()))


def recall(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Share of the positive rows that are labelled positive."""
    counts = _confusion(target, labels, weight, 2)
    return float(_ratio(counts[1, 1], counts[1].sum()))


def specificity(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Share of the negative rows that are labelled negative."""
    counts = _confusion(target, labels, weight, 2)
    return float(_ratio(counts[0, 0], counts[0].sum()))


def f_beta(target: Floats, labels: Labels, weight: Weight = None, *, beta: float = 1.0) -> float:
    """Harmonic mean of precision and recall, recall counting `beta` times as much."""
    counts = _confusion(target, labels, weight, 2)
    rights = (1 + beta**2) * counts[1, 1]
    return float(_ratio(rights, rights + beta**2 * counts[1, 0] + counts[0, 1]))


def mcc(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Matthews correlation coefficient; 0 if all labels are the same."""
    counts = _confusion(target, labels, weight)
    truth, said, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    covariance = np.trace(counts) * total - truth @ said
    spread = (total**2 - truth @ truth) * (total**2 - said @ said)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


def kappa(target: Floats, labels: Labels, weight: Weight = None) -> float:
    """Cohen's kappa: agreement beyond what the class shares alone give."""
    counts = _confusion(target, labels, weight)
    total = counts.sum()
    by_chance = counts.sum(axis=1) @ counts.sum(axis=0) / total
    return float(1 - (total - np.trace(counts)) / (total - by_chance))


def f1_by_class(counts: Floats) -> Floats:
    """F1 of each class from a confusion matrix (rows truth, columns labels)."""
    return _ratio(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1))


def precision_by_class(counts: Floats) -> Floats:
    """Precision of each class; 0 for a class that no label names."""
    return _ratio(np.diag(counts), counts.sum(axis=0))


def recall_by_class(counts: Floats) -> Floats:
    """Recall of each class; 0 for a class that no row has."""
    return _ratio(np.diag(counts), counts.sum(axis=1))


def macro(
    target: Floats,
    labels: Labels,
    weight: Weight = None,
    *,
    by_class: Callable[[Floats], Floats],
) -> float:
    """Plain mean of `by_class` over the classes among targets and labels."""
    seen = _confusion(target, labels, None)
    present = (seen.sum(axis=0) + seen.sum(axis=1)) > 0
    return float(np.mean(by_class(_confusion(target, labels, weight))[present]))


def weighted(
    target: Floats,
    labels: Labels,
    weight: Weight = None,
    *,
    by_class: Callable[[Floats], Floats],
) -> float:
    """Mean of `by_class` over the classes, weighted by each class's share of the rows."""
    counts = _confusion(target, labels, weight)
    return float(np.average(by_class(counts), weights=counts.sum(axis=1)))


def _positive_column(scores: Floats) -> Floats:
    return scores[:, 1] if scores.ndim == 2 else scores


def _counts_by_threshold(
    is_positive: NDArray[np.bool_], scores: Floats, weight: Weight
) -> tuple[Floats, Floats]:
    """Weight of positive and negative rows at or above each distinct score, from the top."""
    order = np.argsort(-scores)
    ranked = scores[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    rows = np.ones(len(ranked)) if weight is None else weight[order]
    hits = np.cumsum(np.where(is_positive[order], rows, 0.0))[last_of_tie]
    misses = np.cumsum(np.where(is_positive[order], 0.0, rows))[last_of_tie]
    return hits, misses


def _confusion(
    target: Floats, labels: Labels, weight: Weight, n_classes: int | None = None
) -> Floats:
    """Weight of the rows by true class (row) and label (column)."""
    truth = target.astype(np.int64)
    n = n_classes or int(max(truth.max(), labels.max())) + 1
    counts = np.bincount(truth * n + labels, weights=weight, minlength=n * n)
    return counts.reshape(n, n).astype(np.float64)


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    """Divide element by element; 0 where `whole` is 0."""
    above = np.asarray(part, dtype=np.float64)
    below = np.asarray(whole, dtype=np.float64)
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
