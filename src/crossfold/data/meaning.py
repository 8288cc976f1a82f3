"""Decide what the texts of a column mean once all of them are known: numbers or categories.

The rules are those of the README: a column without any number is text.
Numbers with stray text, dates and near-unique texts are errors that name a way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import (
    has_decimal_comma,
    is_date,
    is_number,
    number_text,
    quoted,
    sort_texts,
)
from crossfold.data.layout import Layout
from crossfold.data.row_set import RowSet
from crossfold.data.times import nanoseconds
from crossfold.errors import UserError

_MANY_TEXTS = 1000
"""Above so many distinct texts, a column of mostly distinct ones is taken for an identifier."""

_MOST_TEXTS = 1 << 24
"""float32 holds every whole number up to here."""

_WAYS_OUT = "name the column in drop_columns, or in categorical_columns to keep it"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What each text of a column stands for.

    Attributes
    ----------
    values : ndarray of shape (n_texts,), float64 or int64
        A number or the code of a category, by the text's place in the vocabulary.
    categories : tuple of str or None
        None when the column holds numbers.
    """

    values: NDArray[np.float64] | NDArray[np.int64]
    categories: tuple[str, ...] | None


def meaning_of(
    position: int, texts: Sequence[str], layout: Layout, row_sets: Sequence[RowSet]
) -> Meaning:
    """Decide about one column.

    Raises
    ------
    UserError
        Numbers with stray text, dates, near-unique text; names file, row and column.
    """
    role = next((role for role, at in layout.roles.items() if at == position), None)
    if position in layout.categorical or role in ("group", "fold"):
        return _categories(texts)
    if role == "time":
        return _times(position, texts, row_sets)
    numeric = [is_number(text) for text in texts]
    if all(numeric):
        return Meaning(np.array([float(text) for text in texts], np.float64), None)
    if any(numeric) or role == "weight":
        raise _stray_text(position, texts, numeric, row_sets)
    if role is None:
        _check_categories(position, texts, layout, row_sets)
    return _categories(texts)


def first_row_of(
    position: int, texts: NDArray[np.bool_], row_sets: Sequence[RowSet]
) -> tuple[RowSet, int, int]:
    """Find the first row that holds one of the texts marked: its set, its row and the text."""
    for row_set in row_sets:
        numbers = row_set.column(position)
        present = np.flatnonzero(~np.isnan(numbers))
        marked = texts[numbers[present].astype(np.int64)]
        if marked.any():
            row = int(present[np.argmax(marked)])
            return row_set, row, int(numbers[row])
    raise AssertionError("a text of the vocabulary is in no row")


def _categories(texts: Sequence[str]) -> Meaning:
    written = [number_text(text) if is_number(text) else text for text in texts]
    categories = sort_texts(set(written))
    codes = {text: code for code, text in enumerate(categories)}
    return Meaning(np.array([codes[text] for text in written], np.float64), tuple(categories))


def _times(position: int, texts: Sequence[str], row_sets: Sequence[RowSet]) -> Meaning:
    if all(is_number(text) for text in texts):
        return Meaning(np.array([float(text) for text in texts], np.float64), None)
    values = np.zeros(len(texts), np.int64)
    for index, text in enumerate(texts):
        try:
            values[index] = nanoseconds(text)
        except ValueError as error:
            marked = np.arange(len(texts)) == index
            row_set, row, _ = first_row_of(position, marked, row_sets)
            raise UserError(
                f"{row_set.place(row, position)}: {quoted(text)} is not a time ({error}); expected "
                "numbers in the whole column, or ISO 8601 dates such as 2024-05-31T18:30:00Z"
            ) from error
    return Meaning(values, None)


def _stray_text(
    position: int, texts: Sequence[str], numeric: Sequence[bool], row_sets: Sequence[RowSet]
) -> UserError:
    row_set, row, text = first_row_of(position, ~np.array(numeric, dtype=bool), row_sets)
    layout = row_set.layout
    others = ", but other cells of the column are" if any(numeric) else ""
    if not layout.is_named and row_set.is_first_record(row):
        way_out = "set hyperparameter 'header' to 'true' if this row holds names"
    elif position in layout.features:
        way_out = "clean it or name the column in drop_columns or categorical_columns"
    elif position == layout.roles.get("label"):
        way_out = "clean it or name the column in categorical_columns"
    else:
        way_out = "clean it"
    return UserError(
        f"{row_set.place(row, position)}: {quoted(texts[text])} is not a number{others}; {way_out}"
    )


def _check_categories(
    position: int, texts: Sequence[str], layout: Layout, row_sets: Sequence[RowSet]
) -> None:
    row_set, row, _ = first_row_of(position, np.ones(len(texts), dtype=bool), row_sets)
    column = row_set.file_of(row).place(column=layout.names[position])
    if all(is_date(text) for text in texts):
        raise UserError(
            f"{column} holds dates such as {quoted(texts[0])}, which no algorithm here takes as "
            f"they are; turn them into numbers, {_WAYS_OUT}"
        )
    if all(has_decimal_comma(text) for text in texts):
        raise UserError(
            f"{column} holds numbers with decimal commas such as {quoted(texts[0])}; write decimal "
            f"points, {_WAYS_OUT}"
        )
    n_present = sum(int(np.count_nonzero(~np.isnan(s.column(position)))) for s in row_sets)
    if len(texts) > _MOST_TEXTS or (len(texts) > _MANY_TEXTS and 2 * len(texts) > n_present):
        raise UserError(
            f"{column} holds {len(texts)} distinct texts in {n_present} rows, such as "
            f"{quoted(texts[0])}, so it looks like an identifier; {_WAYS_OUT}"
        )
