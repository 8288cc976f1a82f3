"""What a splitter may know of the rows: their classes, groups, times and ready folds, as codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import UserError


@dataclass(frozen=True, slots=True, eq=False)
class RowRoles:
    """Codes of each row, all arrays of shape (n_rows,), int64; None where there is no such role.

    Attributes
    ----------
    classes : ndarray, optional
        Class codes as given, at least 0; None where the target has no classes.
    class_names : sequence of str
        Name of each class code; may be empty, then codes are shown.
    groups, times, folds : ndarray, optional
        Ranks 0 … n - 1 of the distinct values in sorted order.
    fold_names : sequence of str
        The values of the fold column; may be empty.
    """

    n_rows: int
    classes: NDArray[np.int64] | None = None
    class_names: Sequence[str] = ()
    groups: NDArray[np.int64] | None = None
    times: NDArray[np.int64] | None = None
    folds: NDArray[np.int64] | None = None
    fold_names: Sequence[str] = ()

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Rows of each class code; empty where the target has no classes."""
        if self.classes is None:
            return np.zeros(0, dtype=np.int64)
        return np.bincount(self.classes)

    def name_of_class(self, code: int) -> str:
        """Return the name to show a user for a class code."""
        return self.class_names[code] if code < len(self.class_names) else str(code)


def ranks(values: NDArray[Any], column: str) -> NDArray[np.int64]:
    """Return the rank of each row's value among the sorted distinct values.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Codes (below 0 for a missing cell), floats (NaN for a missing cell) or texts (the empty
        text for a missing cell).  Texts that are all numbers compare and sort as numbers.
    column : str
        The hyperparameter that named the column, for the message.

    Raises
    ------
    UserError
        A cell is missing.
    """
    if values.dtype.kind in "OUS":
        values = _as_numbers(values.astype(np.str_), column)
    elif values.dtype.kind == "f":
        _refuse_missing(np.isnan(values), column)
    _, inverse = np.unique(values, return_inverse=True)
    return np.asarray(inverse, dtype=np.int64).reshape(-1)


def codes_of_groups(values: NDArray[Any], column: str) -> NDArray[np.int64]:
    """Return `ranks` of codes or texts in which an integer below 0 is a missing cell."""
    if values.dtype.kind == "i":
        _refuse_missing(values < 0, column)
    return ranks(values, column)


def any_rows(n_rows: int) -> NDArray[np.int8]:
    """Return an array for splitters that want to know nothing but the number of rows."""
    return np.zeros(n_rows, dtype=np.int8)


def can_stratify(classes: NDArray[np.int64] | None, n_test: int) -> bool:
    """Tell whether StratifiedShuffleSplit accepts these classes with `n_test` rows held out."""
    if classes is None:
        return False
    counts = np.bincount(classes)
    counts = counts[counts > 0]
    fits_both = len(counts) <= min(n_test, len(classes) - n_test)
    return bool(counts.min() >= 2) and fits_both


def _as_numbers(texts: NDArray[np.str_], column: str) -> NDArray[Any]:
    _refuse_missing(texts == "", column)
    try:
        numbers = texts.astype(np.float64)
    except ValueError:
        return texts
    # Beyond 2**53 different whole numbers, such as long keys, become one float.
    is_exact = np.abs(numbers) < 2.0**53
    return numbers if is_exact.all() else texts


def _refuse_missing(missing: NDArray[np.bool_], column: str) -> None:
    if missing.any():
        raise UserError(
            f"the column of hyperparameter {column!r} has {int(missing.sum())} empty cell(s), the "
            f"first in row {int(np.argmax(missing))} (counted from 0); every row needs a value"
        )
