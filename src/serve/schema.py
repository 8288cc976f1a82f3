"""What a request has to hold: the model's columns, with every look-up that decoding needs.

Knows the manifest and no format; made once for each model, so that a request computes nothing here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.registry import absent_value, feature_dtype
from crossfold.data.cells import is_number
from crossfold.data.table import Column
from crossfold.persistence.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Schema:
    """The features of a model, in order.

    Attributes
    ----------
    columns : tuple of Column
    dtype : numpy.dtype
        float32 or float64: what the features are decoded into.
    absent : float
        Value of an entry that a LIBSVM line leaves out: NaN or 0.
    names : tuple of str
        Of the columns, in order.
    positions : mapping of str to int
        The place of each name.
    codes : tuple of mapping of str to int, or None
        By position: the code of each category; None where the column holds numbers.
    is_numeric : bool
        Whether no column is categorical.
    may_have_header : bool
        Whether a CSV line can be told from a row by its names: not if all of them are numbers.
    indices : mapping of int to int, or None
        LIBSVM index to position, where every name is a whole number; None: the index is the
        position.
    index_table : tuple of two ndarrays of shape (n_features,), int64
        The keys of `indices`, ascending, and the position of each; empty where it is None.
    """

    columns: tuple[Column, ...]
    dtype: np.dtype[Any]
    absent: float
    names: tuple[str, ...]
    positions: Mapping[str, int]
    codes: tuple[Mapping[str, int] | None, ...]
    is_numeric: bool
    may_have_header: bool
    indices: Mapping[int, int] | None
    index_table: tuple[NDArray[np.int64], NDArray[np.int64]] = field(compare=False)

    @property
    def n_features(self) -> int:
        """Count the columns."""
        return len(self.columns)


def schema_of(manifest: Manifest) -> Schema:
    """Prepare the look-ups of one model's columns."""
    columns = manifest.columns
    names = tuple(column.name for column in columns)
    codes = tuple(_codes(column) for column in columns)
    indices = _indices(names)
    known = np.array(sorted((indices or {}).items()), np.int64).reshape(-1, 2)
    return Schema(
        columns=columns,
        dtype=np.dtype(feature_dtype(manifest.algorithm)),
        absent=absent_value(manifest.algorithm),
        names=names,
        positions={name: position for position, name in enumerate(names)},
        codes=codes,
        is_numeric=all(code is None for code in codes),
        may_have_header=not all(is_number(name) for name in names),
        indices=indices,
        index_table=(known[:, 0].copy(), known[:, 1].copy()),
    )


def schema_of_numbers(n_features: int) -> Schema:
    """Prepare the look-ups of columns of which nothing is known but how many they are."""
    names = tuple(str(position + 1) for position in range(n_features))
    return Schema(
        columns=tuple(Column(name, "number") for name in names),
        dtype=np.dtype(np.float64),
        absent=math.nan,
        names=names,
        positions={name: position for position, name in enumerate(names)},
        codes=(None,) * n_features,
        is_numeric=True,
        may_have_header=False,
        indices=None,
        index_table=(np.empty(0, np.int64), np.empty(0, np.int64)),
    )


def _codes(column: Column) -> Mapping[str, int] | None:
    if column.kind == "number":
        return None
    return {text: code for code, text in enumerate(column.categories)}


def _indices(names: tuple[str, ...]) -> Mapping[int, int] | None:
    """Read the names as indices: those of LIBSVM files, or of files without a header."""
    if not all(name.isascii() and name.isdigit() and len(name) < 16 for name in names):
        return None
    if any(str(int(name)) != name for name in names):
        return None
    return {int(name): position for position, name in enumerate(names)}
