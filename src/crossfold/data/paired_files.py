"""Features and labels in two files, ``train_x.csv`` and ``train_y.csv``, without a header.

So AWS's published sample of K-fold cross-validation writes them, for folds and the final fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from crossfold.data.channel_files import DataFile
from crossfold.data.file_sets import read_file_sets
from crossfold.data.options import DataOptions
from crossfold.data.table import Table
from crossfold.errors import UserError

_FEATURES, _LABELS = "_x.csv", "_y.csv"


def are_pairs(files: Sequence[DataFile]) -> bool:
    """Say whether files are pairs of features and labels, and nothing else."""
    stems = {suffix: set[str]() for suffix in (_FEATURES, _LABELS)}
    for file in files:
        suffix = next((s for s in stems if file.path.name == f"{_prefix(file)}{s}"), None)
        if suffix is None or _prefix(file) not in ("train", "validation", "test"):
            return False
        stems[suffix].add(file.relative.removesuffix(suffix))
    return bool(files) and stems[_FEATURES] == stems[_LABELS]


def read_pairs(
    sets: Mapping[str, Sequence[DataFile]], options: DataOptions, *, dtype: Any, absent: float
) -> dict[str, Table]:
    """Read sets of paired files; see `read_channels`.

    Raises
    ------
    UserError
        A file has no partner, a pair has unequal numbers of rows, or `label` is given.
    """
    for name, files in sets.items():
        if not are_pairs(files):
            raise UserError(
                f"channel {files[0].channel!r} ({name or 'folds'}): expected pairs of "
                "<channel>_x.csv and <channel>_y.csv as in the other channels, and nothing else"
            )
    if options.label is not None:
        raise UserError(
            f"hyperparameter 'label' is {options.label!r}, but the labels lie in files of their "
            "own (…_y.csv); remove it"
        )
    options = replace(options, header="false") if options.header == "auto" else options
    own = replace(DataOptions(), header=options.header)
    features = read_file_sets(
        _only(sets, _FEATURES), options, dtype=dtype, absent=absent, wanted="features"
    )
    labels = read_file_sets(_only(sets, _LABELS), own, dtype=dtype, absent=absent, wanted="label")
    return {name: _joined(table, labels[name]) for name, table in features.items()}


def _prefix(file: DataFile) -> str:
    return file.path.name.rpartition("_")[0]


def _only(sets: Mapping[str, Sequence[DataFile]], suffix: str) -> dict[str, Sequence[DataFile]]:
    return {
        name: [file for file in files if file.path.name.endswith(suffix)]
        for name, files in sets.items()
    }


def _joined(features: Table, labels: Table) -> Table:
    for x, y in zip(features.sources, labels.sources, strict=True):
        if x.n_rows != y.n_rows:
            raise UserError(
                f"channel {x.channel!r}: file {x.path} has {x.n_rows} rows, its labels in "
                f"{y.path} have {y.n_rows}; give both the same rows"
            )
    return replace(features, label=labels.label, label_name=labels.label_name)
