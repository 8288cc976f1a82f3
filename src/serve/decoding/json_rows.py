"""JSON bodies: rows as lists, as objects by column name, or whole columns, in any known wrapping.

Sources: Amazon SageMaker AI, "Common data formats for inference"; TensorFlow Serving's row and
column formats; MLflow, "Deploy MLflow Model as a Local Inference Server" (the dataframe shapes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np
import orjson
from numpy.typing import NDArray

from crossfold.data.cells import quoted
from serve.decoding.cell_values import (
    check_range,
    column_values,
    is_in_range,
    numbers_of,
    value_of_cell,
)
from serve.decoding.records import BadBodyError, refuse_count, refuse_names
from serve.schema import Schema

_WHOLE_BYTES = 1 << 20
"""Above this, lists of rows are read in pieces."""

_PLAIN = frozenset({float, int})
_WRAPPERS = ("instances", "inputs", "data")
_IGNORED = frozenset({"params", "parameters", "signature_name"})
_MOST_SHOWN = 60
_LONG_NUMBER = re.compile(rb"[0-9]{20}")
_EXPECTED = (
    'expected {"instances": [...]} with a list or an object for each row (also "inputs", "data", '
    '"dataframe_split", "dataframe_records", or a bare list)'
)


def decode_json(body: bytes, schema: Schema) -> NDArray[Any]:
    """Read a JSON document.

    Raises
    ------
    BadBodyError
        It is no JSON, of no known shape, or a row does not fit the columns.
    """
    if len(body) > _WHOLE_BYTES:
        from serve.decoding.json_pieces import decode_json_rows

        features = decode_json_rows(body, schema)
        if features is not None:
            return features
    document = parse_json(body, schema)
    rows = document.get("instances") if type(document) is dict and len(document) == 1 else document
    if type(rows) is list and len(rows) == 1:
        row = _plain_row(rows[0], schema)
        if row is not None:
            return row
    return _features(document, schema)


def parse_json(body: bytes, schema: Schema, expected: str = _EXPECTED) -> Any:
    """Read JSON text; NaN is allowed, because Python's own writer puts it.

    Raises
    ------
    BadBodyError
        It is no JSON.
    """
    try:
        if schema.is_numeric or not has_long_number(body):
            return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in body and b"Infinity" not in body:
            raise BadBodyError(f"not JSON ({_reason(error)}); {expected}") from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBodyError(f"not JSON ({_reason(error)}); {expected}") from None


def has_long_number(body: bytes) -> bool:
    """Say whether JSON text may hold an integer that orjson would round, and a category must not.

    >>> has_long_number(b"[18446744073709551616]"), has_long_number(b"[1844674407370955161]")
    (True, False)
    """
    return _LONG_NUMBER.search(body) is not None


def features_of_rows(rows: Sequence[Any], schema: Schema) -> NDArray[Any]:
    """Turn rows, lists or objects, into features.

    Raises
    ------
    BadBodyError
        A row does not fit the columns.
    """
    if not rows:
        raise BadBodyError(f"no rows; {_EXPECTED}")
    cells = _all_cells(rows, schema)
    numbers = numbers_of(list(chain.from_iterable(cells))) if schema.is_numeric else None
    if numbers is not None:
        values = numbers.reshape(len(cells), schema.n_features)
        check_range(values, schema.names)
        return values.astype(schema.dtype, copy=False)
    return _by_column(list(zip(*cells, strict=True)), schema)


def check_row(row: Any, schema: Schema) -> None:
    """Look for what is wrong with one row, as `features_of_rows` would.

    Raises
    ------
    BadBodyError
        The row does not fit the columns.
    """
    for cell, codes in zip(_cells(row, schema, 1), schema.codes, strict=True):
        value_of_cell(cell, codes)


def _plain_row(row: Any, schema: Schema) -> NDArray[Any] | None:
    """Read a list of numbers alone, the most frequent request; None when it is another."""
    if type(row) is not list or len(row) != schema.n_features or not schema.is_numeric:
        return None
    if not _PLAIN.issuperset(map(type, row)) or not is_in_range(row):
        return None
    return np.array([row], schema.dtype)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _features(document: Any, schema: Schema) -> NDArray[Any]:
    if isinstance(document, list):
        return _listed_features(document, schema)
    if not isinstance(document, dict):
        raise BadBodyError(f"the document is {_shown(document)}; {_EXPECTED}")
    key, value = _wrapped(document)
    if key == "dataframe_split" or (key == "data" and "columns" in document):
        return _split_features(document if key == "data" else value, schema)
    if key is None:
        return features_of_rows([document], schema)
    if isinstance(value, dict) and key != "dataframe_records":
        if _is_row(value, schema):
            return features_of_rows([value], schema)
        return _column_features(value, schema)
    if not isinstance(value, list):
        raise BadBodyError(f"{key!r} is {_shown(value)}; {_EXPECTED}")
    return _listed_features(value, schema)


def _is_row(value: Mapping[str, Any], schema: Schema) -> bool:
    """Say whether an object is one row rather than columns."""
    if value.keys() == {"features"} and "features" not in schema.positions:
        return True
    return not any(isinstance(cells, list) for cells in value.values())


def _wrapped(document: dict[str, Any]) -> tuple[str | None, Any]:
    """Find what the rows are wrapped in; a key with a plain value may be a column of this name."""
    for key in (*_WRAPPERS, "dataframe_split", "dataframe_records"):
        if isinstance(document.get(key), list | dict):
            beside = {"columns", "index"} if key == "data" and "columns" in document else set()
            others = sorted(document.keys() - {key} - _IGNORED - beside)
            if others:
                raise BadBodyError(
                    f"the document has {quoted(others[0])} beside {key!r}; give the rows alone"
                )
            return key, document[key]
    return None, None


def _listed_features(rows: list[Any], schema: Schema) -> NDArray[Any]:
    if rows and not any(isinstance(row, list | dict) for row in rows):
        return features_of_rows([rows], schema)
    return features_of_rows(rows, schema)


def _split_features(frame: Any, schema: Schema) -> NDArray[Any]:
    columns, rows = (frame.get(k) if isinstance(frame, dict) else None for k in ("columns", "data"))
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise BadBodyError(
            'a split data frame is {"columns": [names], "data": [rows]}; give both as lists'
        )
    names = [name if isinstance(name, str) else str(name) for name in columns]
    if columns == list(range(schema.n_features)) and names[0] not in schema.positions:
        names = list(schema.names)  # a frame whose columns have numbers only has no names
    places = order_of(names, schema)
    if not rows:
        raise BadBodyError("no rows; give at least one in 'data'")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            _refuse_row(row, schema, number)
    by_place = list(zip(*rows, strict=True))
    return _by_column([by_place[place] for place in places], schema)


def order_of(names: Sequence[str], schema: Schema) -> list[int]:
    """Return where each of the model's columns is among the names.

    Raises
    ------
    BadBodyError
        A name is unknown, missing, or there twice.
    """
    where = {name: place for place, name in enumerate(names)}
    if where.keys() != schema.positions.keys() or len(names) != len(where):
        refuse_names(names, schema)
    return [where[name] for name in schema.names]


def _column_features(columns: Mapping[str, Any], schema: Schema) -> NDArray[Any]:
    """Read whole columns by name."""
    order_of(list(columns), schema)
    for name in schema.names:
        if not isinstance(columns[name], list):
            raise BadBodyError("is not a list; give the values of all rows", column=name)
    lengths = {len(columns[name]) for name in schema.names}
    if lengths == {0}:
        raise BadBodyError(f"no rows; {_EXPECTED}")
    if len(lengths) > 1:
        raise BadBodyError(
            f"columns have {min(lengths)} to {max(lengths)} values; give all as many"
        )
    return _by_column([columns[name] for name in schema.names], schema)


def _by_column(columns: Sequence[Sequence[Any]], schema: Schema) -> NDArray[Any]:
    features = np.empty((len(columns[0]), schema.n_features), schema.dtype)
    for position, cells in enumerate(columns):
        name = schema.names[position]
        features[:, position] = column_values(cells, schema.codes[position], name)
    return features


def _all_cells(rows: Sequence[Any], schema: Schema) -> Sequence[Sequence[Any]]:
    """Return the cells of each row in the order of the columns."""
    kinds = set(map(type, rows))
    if kinds in ({list}, {dict}) and set(map(len, rows)) == {schema.n_features}:
        if kinds == {list}:
            return rows
        if schema.n_features > 1:
            try:
                return list(map(itemgetter(*schema.names), rows))
            except KeyError:
                pass
    return [_cells(row, schema, number) for number, row in enumerate(rows, 1)]


def _cells(row: Any, schema: Schema, number: int) -> Sequence[Any]:
    if isinstance(row, dict):
        inner = row.get("features")
        if len(row) == 1 and isinstance(inner, list):
            row = inner
        else:
            if row.keys() != schema.positions.keys():
                refuse_names(list(row), schema, number)
            return [row[name] for name in schema.names]
    if not isinstance(row, list) or len(row) != schema.n_features:
        _refuse_row(row, schema, number)
    return row


def _refuse_row(row: Any, schema: Schema, number: int) -> NoReturn:
    if isinstance(row, list):
        refuse_count(len(row), schema, number)
    raise BadBodyError(f"is {_shown(row)}; expected a list or an object for each row", number)


def _shown(value: Any) -> str:
    """Write a value as JSON does, as far as a message needs it."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, str):
        return quoted(value)
    return json.dumps(value)[:_MOST_SHOWN]
