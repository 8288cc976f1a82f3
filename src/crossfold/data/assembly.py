"""Make tables of the rows read: settle texts, check labels and weights, name the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.blocks import NO_TIME
from crossfold.data.layout import Layout
from crossfold.data.meaning import Meaning, meaning_of
from crossfold.data.row_set import RowSet
from crossfold.data.table import Column, Table, TextColumn
from crossfold.data.vocabulary import Vocabulary
from crossfold.errors import UserError

_FEWEST_INDEXED = 5
"""Fewer labels than this may be consecutive or distinct by chance."""


def make_tables(
    layout: Layout,
    row_sets: Mapping[str, RowSet],
    vocabularies: Mapping[int, Vocabulary],
) -> dict[str, Table]:
    """Turn row sets that share a layout into tables that share their columns.

    Raises
    ------
    UserError
        A label is missing or infinite, a weight negative, a column's texts make no sense.
    """
    sets = list(row_sets.values())
    meanings = {
        position: meaning_of(position, vocabulary.texts, layout, sets)
        for position, vocabulary in vocabularies.items()
    }
    columns = tuple(_column(layout, position, meanings) for position in layout.features)
    for row_set in sets:
        _settle_features(row_set, meanings)
    tables = {name: _table(rows, columns, meanings) for name, rows in row_sets.items()}
    if "label" in layout.roles and layout.is_named and not layout.label_is_given:
        _refuse_index_label(layout, next(iter(tables.values())))
    return tables


def _column(layout: Layout, position: int, meanings: Mapping[int, Meaning]) -> Column:
    name, meaning = layout.names[position], meanings.get(position)
    if meaning is None or meaning.categories is None:
        return Column(name, "number")
    return Column(name, "category", meaning.categories)


def _settle_features(row_set: RowSet, meanings: Mapping[int, Meaning]) -> None:
    settled = [position for position in row_set.layout.features if position in meanings]
    with np.errstate(over="ignore"):
        for position in settled:
            column = row_set.column(position)
            column[:] = _looked_up(column, meanings[position])
    if any(meanings[position].categories is None for position in settled):
        row_set.check_finite(0, row_set.n_rows)


def _looked_up(numbers: NDArray[Any], meaning: Meaning) -> NDArray[Any]:
    missing = np.nan if meaning.values.dtype == np.float64 else NO_TIME
    table = np.append(meaning.values, missing)
    return table[np.where(np.isnan(numbers), len(meaning.values), numbers).astype(np.int64)]


def _table(row_set: RowSet, columns: tuple[Column, ...], meanings: Mapping[int, Meaning]) -> Table:
    roles = row_set.layout.roles
    values: dict[str, Any] = {}
    for role, position in roles.items():
        column = row_set.column(position)
        meaning = meanings.get(position)
        settled = column if meaning is None else _looked_up(column, meaning)
        if role != "id":
            _check_role(role, settled, row_set, position)
        values[role] = (
            TextColumn(settled.astype(np.int32), meaning.categories)
            if meaning is not None and meaning.categories is not None
            else settled
        )
    return Table(
        features=row_set.features,
        columns=columns,
        label=values.get("label"),
        label_name=row_set.layout.names[roles["label"]] if "label" in roles else None,
        weight=values.get("weight"),
        group=values.get("group"),
        time=values.get("time"),
        fold=values.get("fold"),
        ids=values.get("id"),
        sources=row_set.sources(),
    )


def _check_role(role: str, values: NDArray[Any], row_set: RowSet, position: int) -> None:
    is_missing = values == NO_TIME if values.dtype == np.int64 else np.isnan(values)
    if is_missing.any():
        raise UserError(
            f"{row_set.place(int(np.argmax(is_missing)), position)}: the {role} is missing "
            f"({np.count_nonzero(is_missing)} of {len(values)} rows); give every row one"
        )
    wrong = np.isinf(values) if values.dtype != np.int64 else np.zeros(0, dtype=bool)
    if role == "weight":
        wrong = wrong | (values < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = "a finite number of at least 0" if role == "weight" else "a finite number"
        raise UserError(
            f"{row_set.place(row, position)}: the {role} is {float(values[row])!r}; "
            f"expected {expected}"
        )
    if role == "weight" and not values.any():
        raise UserError(
            f"{row_set.place(0, position)}: every weight is 0; give some row a weight above 0"
        )


def _refuse_index_label(layout: Layout, table: Table) -> None:
    label = table.label
    if label is None or table.n_rows < _FEWEST_INDEXED:
        return
    if isinstance(label, TextColumn):
        if len(np.unique(label.codes)) < table.n_rows:
            return
        looks = "its texts are all distinct"
    else:
        if not _counts_up(label, [source.first_row for source in table.sources]):
            return
        looks = "it holds consecutive integers"
    name, source = layout.names[layout.roles["label"]], table.sources[0]
    raise UserError(
        f"channel {source.channel!r}, file {source.path}: the first column {name!r} would be the "
        f"label but looks like an index ({looks}); set hyperparameter 'label' to the name of the "
        f"label column: {', '.join(repr(n) for n in layout.names[:20])}"
    )


def _counts_up(label: NDArray[np.float64], first_rows: Sequence[int]) -> bool:
    steps = np.diff(label)
    steps = np.delete(steps, [first - 1 for first in first_rows[1:]])
    return bool(len(steps)) and bool((steps == 1).all()) and float(label[0]).is_integer()
