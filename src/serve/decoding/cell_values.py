"""What a cell is worth to the model: its number, or the code of its category.

The rules are those of training (`crossfold.data.cells` and `crossfold.data.meaning`): blanks around
a text do not count, some texts are missing, and a category that is a number is written in one way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import MISSING, cell_text, is_number, number_text, quoted
from serve.decoding.records import BadBodyError
from serve.schema import Schema

TOO_LARGE = 2.0**128 - 2.0**103
"""From here on, a number rounds to infinity in float32, which training refuses as well."""

_NUMBERS = frozenset({float, int, bool, type(None)})
_FREQUENT = frozenset({str, bool})
"""Types of which a column has few distinct cells."""


def value_of_text(text: str, codes: Mapping[str, int] | None) -> float:
    """Return what a text is worth; NaN is missing.

    Parameters
    ----------
    text : str
        As it is in the body.
    codes : mapping of str to int, optional
        The column's categories; an unknown one gets the first code that none of them has.

    Raises
    ------
    BadBodyError
        The column holds numbers, and this is none, or one beyond float32.
    """
    text = text.strip()
    if text.lower() in MISSING:
        return math.nan
    if codes is None:
        if not is_number(text):
            raise BadBodyError(f"{quoted(text)} is not a number; give a number, or leave it empty")
        return _in_range(float(text), text)
    found = codes.get(text)
    if found is None:
        found = codes.get(number_text(text), len(codes)) if is_number(text) else len(codes)
    return found


def value_of_cell(cell: object, codes: Mapping[str, int] | None) -> float:
    """Return what a typed cell is worth, of JSON or Parquet; None and NaN are missing.

    Raises
    ------
    BadBodyError
        As `value_of_text`; also for a list or an object.
    """
    if isinstance(cell, list | dict):
        kind = "a list" if isinstance(cell, list) else "an object"
        raise BadBodyError(f"is {kind}; expected a number, a text, true, false or null")
    if codes is not None and isinstance(cell, bool):
        return value_of_text(_boolean_text(codes, is_true=cell), codes)
    if codes is not None or isinstance(cell, str):
        return value_of_text(cell_text(cell), codes)
    if cell is None:
        return math.nan
    try:
        return _in_range(float(cell), cell)  # type: ignore[arg-type]  # else refused just below
    except (OverflowError, TypeError, ValueError):
        raise BadBodyError(f"{quoted(str(cell))} is not a number that a float can hold") from None


def column_values(
    cells: Sequence[Any], codes: Mapping[str, int] | None, name: str
) -> NDArray[np.float64]:
    """Return what the typed cells of a column are worth.

    Raises
    ------
    BadBodyError
        As `value_of_cell`; names the column and the record.
    """
    numbers = numbers_of(cells) if codes is None else None
    if numbers is not None:
        check_range(numbers[:, np.newaxis], (name,))
        return numbers
    # By type as well, because True and 1 are one key.
    known: dict[tuple[type, object], float] = {}
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        value = known.get((type(cell), cell)) if type(cell) in _FREQUENT else None
        if value is None:
            try:
                value = value_of_cell(cell, codes)
            except BadBodyError as error:
                raise BadBodyError(error.reason, row + 1, name) from None
            if type(cell) in _FREQUENT:
                known[type(cell), cell] = value
        values[row] = value
    return values


def numbers_of(cells: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return cells as floats where all of them are numbers, booleans or None, else None."""
    if not _NUMBERS.issuperset(map(type, cells)):
        return None
    try:
        return np.array(cells, np.float64)
    except OverflowError:
        return None


def features_of_numbers(numbers: NDArray[Any], schema: Schema) -> NDArray[Any]:
    """Turn a matrix of numbers of any kind, in the order of the columns, into features.

    Raises
    ------
    BadBodyError
        A number is beyond float32; names the record and the column.
    """
    features = np.empty(numbers.shape, schema.dtype)
    # What is beyond float32 becomes infinite here, and is found just after; a NaN may be one that
    # signals.
    with np.errstate(over="ignore", invalid="ignore"):
        # By way of float64, as every other format, so that rounding is the same.
        features[:] = numbers if numbers.dtype.kind == "f" else numbers.astype(np.float64)
        for position, codes in enumerate(schema.codes):
            if codes is not None:
                distinct, where = np.unique(numbers[:, position], return_inverse=True)
                values = [value_of_cell(cell, codes) for cell in distinct.tolist()]
                features[:, position] = np.array(values)[where]
        check_range(features, schema.names)
    return features


def is_in_range(row: Sequence[float]) -> bool:
    """Say whether every number of one row is in the range of float32; quick where there are few.

    False as well where the first is NaN, beside which Python finds neither greatest nor least.

    >>> is_in_range([1.0, 1e300]), is_in_range([math.nan, 1e300]), is_in_range([1.0, math.nan])
    (False, False, True)
    """
    return max(row) < TOO_LARGE and min(row) > -TOO_LARGE


def check_range(values: NDArray[Any], names: Sequence[str], *, first: int = 1) -> None:
    """Refuse values that float32 cannot hold; `values` has shape (n_rows, n_features).

    Raises
    ------
    BadBodyError
        Names the record, counted from `first`, and the column.
    """
    if not values.size or not _has_too_large(values):
        return
    wrong = np.isinf(values) if values.dtype == np.float32 else np.abs(values) >= TOO_LARGE
    row, column = (int(i[0]) for i in np.nonzero(wrong))
    raise BadBodyError(beyond(values[row, column].item()), row + first, names[column])


def beyond(shown: object) -> str:
    """Say that a number is too large."""
    return (
        f"{quoted(str(shown))} is infinite or beyond {np.finfo(np.float32).max:.2g}, the largest "
        "number of float32; correct it, or leave it empty"
    )


def _boolean_text(codes: Mapping[str, int], *, is_true: bool) -> str:
    """Write a boolean as the column's categories do: ``true`` in any case, or else ``1``."""
    word = "true" if is_true else "false"
    if word in codes:
        return word
    return next((text for text in codes if text.lower() == word), cell_text(is_true))


def _has_too_large(values: NDArray[Any]) -> bool:
    # float32 has become infinite by now; float64 is compared without a copy, past NaN.
    if values.dtype == np.float32:
        return bool(np.isinf(values).any())
    return bool(
        np.fmax.reduce(values, None) >= TOO_LARGE or np.fmin.reduce(values, None) <= -TOO_LARGE
    )


def _in_range(value: float, shown: object) -> float:
    if abs(value) >= TOO_LARGE:
        raise BadBodyError(beyond(shown))
    return value
