"""What a user should know about a split before trusting its scores.

Each caution is one line for the log and the results; none stops a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from crossfold.folds.assignment import Split
from crossfold.folds.options import FoldOptions, Strategy
from crossfold.folds.row_roles import RowRoles

# Whole groups seldom divide evenly; beyond this the folds' scores differ by size alone.
_UNEQUAL_FOLDS = 2.0
# A label of texts can have hundreds of classes with a row or two each.
_MOST_CLASSES_NAMED = 10
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
        return cautions + _folds_never_held_out_elsewhere(roles) + _torn_groups(roles)
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


def _folds_never_held_out_elsewhere(roles: RowRoles) -> list[str]:
    if "-1" not in roles.fold_names:
        return []
    caution = (
        "fold_column has the value -1, whose rows scikit-learn's PredefinedSplit would only fit "
        "on; here they are held out once, as a fold like the others"
    )
    return [caution]


def _torn_groups(roles: RowRoles) -> list[str]:
    if roles.groups is None or roles.folds is None:
        return []
    n_folds = int(roles.folds.max()) + 1
    met = np.unique(roles.groups * n_folds + roles.folds) // n_folds
    n_torn = int(np.count_nonzero(np.bincount(met) > 1))
    if not n_torn:
        return []
    caution = (
        f"fold_column puts rows of one group into different folds for {n_torn} group(s): they are "
        "both fitted on and held out, so the scores may be too good"
    )
    return [caution]


def _rare_classes(strategy: Strategy, roles: RowRoles, splits: Sequence[Split]) -> list[str]:
    n_folds = 1 + max(split.fold for split in splits)
    if strategy in ("leave_one_out", "leave_p_out", "shuffle_split"):
        return []
    return _first_few(
        f"class {roles.name_of_class(code)!r} has {count} row(s), fewer than the {n_folds} folds: "
        "some folds hold none of it"
        for code, count in enumerate(roles.class_counts.tolist())
        if 0 < count < n_folds
    )


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
    return _first_few(
        f"class {roles.name_of_class(code)!r} is missing from the rows to fit on in {n_missing} of "
        f"{len(splits)} folds: their models cannot predict it"
        for code, n_missing in enumerate(missing.tolist())
        if n_missing
    )


def _first_few(of_classes: Iterable[str]) -> list[str]:
    """Return at most `_MOST_CLASSES_NAMED` of the cautions, and how many more there are."""
    cautions = list(of_classes)
    n_more = len(cautions) - _MOST_CLASSES_NAMED
    if n_more <= 0:
        return cautions
    return [*cautions[:_MOST_CLASSES_NAMED], f"the same holds for {n_more} more class(es)"]


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
