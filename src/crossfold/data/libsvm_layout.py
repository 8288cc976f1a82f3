"""The columns of LIBSVM files: all indices up to the greatest in any file, and the rows' heads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossfold.data.blocks import Kind
from crossfold.data.cells import quoted
from crossfold.data.layout import Layout, Role
from crossfold.data.libsvm_codec import LibsvmFile
from crossfold.data.options import DataOptions
from crossfold.errors import UserError

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)

_COLUMN_BYTES = 1_100
"""What a column costs beside its cells: its name, its place and its description, measured."""

_MOST_FEATURES = 1_000_000
"""No dense matrix of so many columns is of use; an index of this size is a hash or a mistake."""


def plan_libsvm_layout(
    files: Sequence[LibsvmFile], options: DataOptions, dtype: Any
) -> tuple[int, Layout]:
    """Return how many features the files share, and their layout.

    Raises
    ------
    UserError
        A role is given that LIBSVM files carry themselves, an index is unknown, or the dense matrix
        would have too many columns or not fit in memory.
    """
    n_features = max(file.n_features for file in files)
    _refuse_roles(options)
    _check_size(files, n_features, np.dtype(dtype).itemsize)
    dropped = {_index("drop_columns", name, n_features) for name in options.drop_columns}
    categorical = frozenset(
        _index("categorical_columns", name, n_features) for name in options.categorical_columns
    )
    features = tuple(index for index in range(n_features) if index not in dropped)
    if not features:
        raise UserError(f"{files[0].file.place()} leaves no feature; keep at least one index")
    roles: dict[Role, int] = {"label": n_features}
    if any(file.has_weights for file in files):
        roles["weight"] = n_features + 1
    if any(file.has_groups for file in files):
        roles["group"] = n_features + 2
    kinds: list[Kind] = ["text" if i in categorical else "number" for i in range(n_features)]
    return n_features, Layout(
        names=(*(str(index) for index in range(n_features)), "label", "weight", "qid"),
        is_named=False,
        kinds=(*kinds, "number", "number", "text"),
        roles=roles,
        features=features,
        categorical=categorical,
        label_is_given=True,
    )


def _refuse_roles(options: DataOptions) -> None:
    for option in (
        "label",
        "id_column",
        "weight_column",
        "group_column",
        "time_column",
        "fold_column",
    ):
        value = getattr(options, option)
        if value is not None:
            raise UserError(
                f"hyperparameter {option!r} is {quoted(value)}, but LIBSVM rows carry label, "
                "weight and qid themselves and no other role; remove it, or use CSV, Parquet or "
                "JSON Lines"
            )


def _index(option: str, name: str, n_features: int) -> int:
    if name.isascii() and name.isdigit() and int(name[:18]) < n_features:
        return int(name)
    raise UserError(
        f"hyperparameter {option!r} names {quoted(name)}; the LIBSVM files have the indices 0 to "
        f"{n_features - 1}"
    )


def _check_size(files: Sequence[LibsvmFile], n_features: int, itemsize: int) -> None:
    n_rows = sum(file.n_rows_hint for file in files)
    needed, available = n_features * (n_rows * itemsize + _COLUMN_BYTES), _memory_bytes()
    place = max(files, key=lambda file: file.n_features).file.place()
    if needed > available:
        raise UserError(
            f"{place} has indices up to {n_features - 1}: {n_rows} rows as a dense "
            f"matrix need {needed / 2**30:.1f} GiB of {available / 2**30:.1f} GiB memory; use "
            "fewer or smaller indices, or a larger instance"
        )
    if n_features > _MOST_FEATURES:
        raise UserError(
            f"{place} has indices up to {n_features - 1}; rows become a dense matrix, which may "
            f"have indices up to {_MOST_FEATURES - 1}; number the features from 0 without gaps, "
            "or hash them to fewer"
        )


def _memory_bytes() -> int:
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return min(limits)
