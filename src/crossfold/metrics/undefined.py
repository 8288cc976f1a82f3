"""When a metric says nothing about held-out rows, whatever is predicted for them.

Each rule returns a clause that fits behind "because", or None.  The rules look at targets and
groups only, so that a plan of folds can be refused before any fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HIGHEST_RELEVANCE = 31  # XGBoost's limit for the gain 2^relevance - 1


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What is known about held-out rows before any fit; rows of weight 0 are left out.

    `n_classes` None means: no more classes than `target` shows.
    """

    target: NDArray[np.float64]
    group: NDArray[Any] | None
    n_classes: int | None


def never(_: HeldOut) -> str | None:
    """Accept all rows."""
    return None


def with_one_class(rows: HeldOut) -> str | None:
    """Need two classes."""
    if rows.target.min() == rows.target.max():
        return f"all {len(rows.target)} rows are of one class"
    return None


def with_a_class_missing(rows: HeldOut) -> str | None:
    """Need each class, and two at least."""
    n_classes = rows.n_classes or int(rows.target.max()) + 1
    counts = np.bincount(rows.target.astype(np.int64), minlength=n_classes)
    missing = np.flatnonzero(counts == 0)
    if len(missing):
        return (
            f"{len(missing)} of the {n_classes} classes have no row among these {counts.sum()} "
            f"(class codes {', '.join(map(str, missing[:5]))})"
        )
    return with_one_class(rows)


def without_positive(rows: HeldOut) -> str | None:
    """Need a row of the positive class."""
    if rows.target.max() < 1:
        return f"none of the {len(rows.target)} rows is of the positive class"
    return None


def without_negative(rows: HeldOut) -> str | None:
    """Need a row of the negative class."""
    if rows.target.min() > 0:
        return f"none of the {len(rows.target)} rows is of the negative class"
    return None


def with_constant_target(rows: HeldOut) -> str | None:
    """Need two different targets."""
    if len(rows.target) == 1:
        return "there is one row, and the metric compares rows"
    if rows.target.min() == rows.target.max():
        return f"all {len(rows.target)} rows have the target {float(rows.target[0])!r}"
    if np.var(rows.target) == 0:
        return "the targets are too close together for their variance to be told from 0"
    return None


def with_zero_target(rows: HeldOut) -> str | None:
    """Need targets that can be divided by (scikit-learn divides by epsilon: about 1e15)."""
    n_zero = int(np.count_nonzero(rows.target == 0))
    return f"the target is 0 in {n_zero} of the {len(rows.target)} rows" if n_zero else None


def with_target_up_to_minus_one(rows: HeldOut) -> str | None:
    """Need targets above -1, where ``log(1 + x)`` exists."""
    lowest = float(rows.target.min())
    return f"a target is {lowest!r}; expected values above -1" if lowest <= -1 else None


def without_graded_groups(rows: HeldOut) -> str | None:
    """Need relevance 0 … 31 in whole numbers and a group whose order matters."""
    target = rows.target
    odd = target[(target < 0) | (target > _HIGHEST_RELEVANCE) | (target != np.floor(target))]
    if len(odd):
        return f"a relevance is {float(odd[0])!r}; expected whole numbers from 0 to 31"
    return _without_order(rows)


def without_binary_groups(rows: HeldOut) -> str | None:
    """Need relevance 0 or 1 and a group whose order matters."""
    odd = rows.target[(rows.target != 0) & (rows.target != 1)]
    if len(odd):
        return f"a relevance is {float(odd[0])!r}; expected 0 or 1"
    return _without_order(rows)


def _without_order(rows: HeldOut) -> str | None:
    if rows.group is None:
        return "the rows have no groups; name their column in group_column"
    order = np.lexsort((rows.target, rows.group))
    group, target = rows.group[order], rows.target[order]
    if not np.any((group[1:] == group[:-1]) & (target[1:] != target[:-1])):
        n_groups = len(np.unique(group))
        return f"in all {n_groups} groups the rows are of one relevance, so that any order is best"
    return None
