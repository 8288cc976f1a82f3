"""What a user should know about a split before trusting its scores.

Each caution is one line for the log and the results; none stops a job.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossfold.folds.assignment import Split
from crossfold.folds.options import FoldOptions, Strategy
from crossfold.folds.row_roles import RowRoles

# Whole groups seldom divide evenly; beyond this the folds' scores differ by size alone.
_UNEQUAL_FOLDS = 2.0
_KEEPS_GROUPS: frozenset[Strategy] = frozenset({"group", "stratified_group", "shuffle_split"})


def cautions_about(
    options: FoldOptions, strategy: Strategy, roles: RowRoles, splits: Sequence[Split]
) -> tuple[str, ...]:
    """Return the cautions that apply, in the order of their weight."""
    return (
        *_ignored_roles(options, strategy, roles),
        *_rare_classes(strategy, roles, splits),
        *_classes_never_fitted(roles, splits),
        *_unequal_folds(strategy, splits),
    )


def _ignored_roles(options: FoldOptions, strategy: Strategy, roles: RowRoles) -> list[str]:
    cautions = []
    if strategy == "predefined":
        if options.strategy not in ("auto", "predefined"):
            cautions.append(f"cv_strategy {options.strategy!r} gives way to the ready folds")
        return cautions
    if roles.groups is not None and strategy not in _KEEPS_GROUPS:
        cautions.append(
            f"cv_strategy {strategy!r} does not look at the group column: rows of one group are "
            "both fitted on and held out, so the scores may be too good"
        )
    if roles.times is not None and strategy != "time_series":
        cautions.append(
            f"cv_strategy {strategy!r} does not look at the time column: folds are fitted on "
            "later rows than they are scored on, so the scores may be too good"
        )
    return cautions


def _rare_classes(strategy: Strategy, roles: RowRoles, splits: Sequence[Split]) -> list[str]:
    n_folds = 1 + max(split.fold for split in splits)
    if strategy in ("leave_one_out", "leave_p_out", "shuffle_split"):
        return []
    return [
        f"class {roles.name_of_class(code)!r} has {count} row(s), fewer than the {n_folds} folds: "
        "some folds hold none of it"
        for code, count in enumerate(roles.class_counts.tolist())
        if 0 < count < n_folds
    ]


def _classes_never_fitted(roles: RowRoles, splits: Sequence[Split]) -> list[str]:
    if roles.classes is None:
        return []
    counts = roles.class_counts
    missing = np.zeros(len(counts), dtype=np.int64)
    for split in splits:
        if split.fits_all_others:
            fitted = counts - np.bincount(roles.classes[split.test], minlength=len(counts))
        else:
            fitted = np.bincount(roles.classes[split.train], minlength=len(counts))
        missing += (fitted == 0) & (counts > 0)
    return [
        f"class {roles.name_of_class(code)!r} is missing from the rows to fit on in {n_missing} of "
        f"{len(splits)} folds: their models cannot predict it"
        for code, n_missing in enumerate(missing.tolist())
        if n_missing
    ]


def _unequal_folds(strategy: Strategy, splits: Sequence[Split]) -> list[str]:
    if strategy not in ("group", "stratified_group"):
        return []
    sizes = [split.n_test for split in splits]
    if max(sizes) <= _UNEQUAL_FOLDS * min(sizes):
        return []
    caution = (
        f"folds hold out from {min(sizes)} to {max(sizes)} rows, because groups stay whole and "
        "differ in size"
    )
    return [caution]
