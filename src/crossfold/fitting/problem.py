"""The rows, the target and the model to fit, all decided: what every fold shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, ModelSpec
from crossfold.data.table import Table
from crossfold.fitting.target import TargetCoding
from crossfold.folds.assignment import Assignment
from crossfold.folds.options import FoldOptions
from crossfold.metrics.metric import Metric
from crossfold.metrics.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Rows:
    """A table with its target: shape (n_rows, n_features) and (n_rows,).

    With `by_query`, as ranking needs it, the rows of each query are brought together.
    """

    table: Table
    target: NDArray[np.float64]
    n_classes: int = 0
    by_query: bool = False

    def examples(self, rows: NDArray[np.int64] | None = None) -> Examples:
        """Return the examples of `rows` (ascending indices; all rows when None)."""
        if self.by_query and self.table.group is not None:
            codes = self.table.group.codes
            chosen = np.arange(len(codes)) if rows is None else rows
            rows = chosen[np.argsort(codes[chosen], kind="stable")]
        return Examples(
            _taken(self.table.features, rows),
            _taken(self.target, rows),
            None if self.table.weight is None else _taken(self.table.weight, rows),
            None if self.table.group is None else _taken(self.table.group.codes, rows),
        )

    def score(
        self,
        metrics: Sequence[Metric],
        prediction: Prediction,
        rows: NDArray[np.int64] | None = None,
    ) -> dict[str, float]:
        """Score a prediction of `rows` (all rows when None) by each metric."""
        target, weight, group = self._scored(rows)
        return {metric.name: float(metric(target, prediction, weight, group)) for metric in metrics}

    def undefined_reason(self, metric: Metric, rows: NDArray[np.int64] | None = None) -> str | None:
        """Say why `rows` alone cannot have this metric; None when they can."""
        return metric.undefined_reason(*self._scored(rows), n_classes=self.n_classes or None)

    def _scored(
        self, rows: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.int32] | None]:
        weight, group = self.table.weight, self.table.group
        return (
            _taken(self.target, rows),
            None if weight is None else _taken(weight, rows),
            None if group is None else _taken(group.codes, rows),
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that a fit needs but the choice of its rows.

    Attributes
    ----------
    rows : Rows
        The rows that are folded, or fitted on whole.
    coding : TargetCoding
    spec : ModelSpec
    early_stopping_fraction : float
        Part of a fold's training rows that early stopping watches, above 0 and at most 0.5.
    fold_options : FoldOptions
        Its seed and gap also cut the rows that early stopping watches.
    holdouts : mapping of channel name to Rows
        ``validation`` and ``test`` where they are scored by the final model only.
    refit_rows : ndarray of int64, optional
        Rows that the final model is fitted on; None for all.
    row_numbers : ndarray of shape (n_rows,), int64, optional
        The number by which results call each row; None for its position.
    """

    rows: Rows
    coding: TargetCoding
    spec: ModelSpec
    early_stopping_fraction: float = 0.1
    fold_options: FoldOptions = field(default_factory=FoldOptions)
    holdouts: Mapping[str, Rows] = field(default_factory=dict)
    refit_rows: NDArray[np.int64] | None = None
    row_numbers: NDArray[np.int64] | None = None

    @property
    def n_rows(self) -> int:
        """Rows that results speak of: each row of ready folders once, where it is held out."""
        if self.row_numbers is None:
            return self.rows.table.n_rows
        return int(np.count_nonzero(self.row_numbers >= 0))


@dataclass(frozen=True, slots=True)
class FoldedProblem:
    """A problem with its split."""

    problem: Problem
    assignment: Assignment


def _taken(array: NDArray[Any], rows: NDArray[np.int64] | None) -> NDArray[Any]:
    return array if rows is None else array[rows]
