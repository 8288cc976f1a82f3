"""Rows with unequal classes, groups and times, and short ways to ask for folds of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.folds.assignment import Assignment
from crossfold.folds.options import FoldOptions
from crossfold.folds.splitters import assign_folds

Rows = NDArray[np.int64]


def unequal_classes() -> NDArray[np.float64]:
    """Return 103 codes of three classes (61, 29 and 13 rows) in mixed order."""
    codes = np.repeat([0.0, 1.0, 2.0], [61, 29, 13])
    return np.random.RandomState(5).permutation(codes)


def unequal_groups() -> Rows:
    """Return the codes of 17 groups of 103 rows, from 1 to 12 rows each, in mixed order."""
    sizes = [1, 1, 2, 3, 3, 4, 5, 5, 6, 6, 7, 8, 9, 10, 10, 11, 12]
    return np.random.RandomState(6).permutation(np.repeat(np.arange(17), sizes))


def folds_of(
    options: FoldOptions, *, target: NDArray[Any] | None = None, n_rows: int = 103, **roles: Any
) -> Assignment:
    """Assign folds; a target means classification."""
    n_rows = len(target) if target is not None else n_rows
    return assign_folds(
        options, n_rows, target=target, is_classification=target is not None, **roles
    )


def pairs_of(assignment: Assignment) -> list[tuple[list[int], list[int]]]:
    """Return the rows of every split as lists, to be compared."""
    return [(split.train.tolist(), split.test.tolist()) for split in assignment.splits]


def sorted_pairs(pairs: Any) -> list[tuple[list[int], list[int]]]:
    """Return a scikit-learn splitter's output, with ascending rows, as lists."""
    return [(np.sort(train).tolist(), np.sort(test).tolist()) for train, test in pairs]
