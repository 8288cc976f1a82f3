"""Decoded hyperparameters → the options of the rooms that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from crossfold.data.options import DataOptions
from crossfold.errors import UserError
from crossfold.folds.options import FoldOptions
from crossfold.request.job_request import DriverOptions, FoldResources, Mode

_ALL = "all"


def data_options(values: Mapping[str, Any]) -> DataOptions:
    """Return what was said about columns.

    Raises
    ------
    UserError
        Two names say different things about the weights.
    """
    options = DataOptions(**_named(DataOptions, values, ""))
    if not values.get("csv_weights"):
        return options
    if options.weight_column is not None:
        raise UserError(
            "hyperparameters 'csv_weights' and 'weight_column' both name the weights; keep one"
        )
    return DataOptions(**_named(DataOptions, {**values, "weight_column": "1"}, ""))


def fold_options(values: Mapping[str, Any], n_folds: int | None) -> FoldOptions:
    """Return what was said about the split; `n_folds` is None where nobody gave a number."""
    named = _named(FoldOptions, values, "cv_") | {"n_folds": n_folds}
    return FoldOptions(**{"n_repeats": values.get("cv_repeats", 1), **named})


def driver_options(values: Mapping[str, Any], *, mode: Mode, pools: bool) -> DriverOptions:
    """Return what was said about running folds.

    Parameters
    ----------
    values : mapping
    mode : Mode
    pools : bool
        Whether the validation channel joins the folded rows unless the user says otherwise.
    """
    named = _named(DriverOptions, values, "cv_") | _named(DriverOptions, values, "")
    if named.get("max_parallel") == _ALL:
        named["max_parallel"] = None
    named.setdefault("validation", "pool" if pools else "holdout")
    if mode != "fold":
        named.pop("fold_index", None)
    return DriverOptions(**named, resources=FoldResources(**_named(FoldResources, values, "fold_")))


def _named(options: type, values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        field.name: values[prefix + field.name]
        for field in fields(options)
        if prefix + field.name in values
    }
