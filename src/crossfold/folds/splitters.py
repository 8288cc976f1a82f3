"""The way from a request for folds to an `Assignment`: choose, check, draw, caution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.folds.assignment import Assignment, make_split
from crossfold.folds.cautions import cautions_about
from crossfold.folds.drawing import Drawn, draw_splits, fills_every_fold
from crossfold.folds.limits import count_folds
from crossfold.folds.options import FoldOptions, Strategy, choose_strategy
from crossfold.folds.row_roles import RowRoles, codes_of_groups, ranks


def assign_folds(  # noqa: PLR0913 - one argument for each role that a row can have
    options: FoldOptions,
    n_rows: int,
    *,
    target: NDArray[Any] | None,
    is_classification: bool,
    groups: NDArray[Any] | None = None,
    time: NDArray[Any] | None = None,
    fold_values: NDArray[Any] | None = None,
    class_names: Sequence[str] = (),
    fold_names: Sequence[str] = (),
) -> Assignment:
    """Decide before any fit which rows each fold holds out.

    Parameters
    ----------
    target : ndarray of shape (n_rows,), optional
        Class codes, at least 0, when `is_classification`; else not looked at.
    groups, fold_values : ndarray of shape (n_rows,), optional
        Codes in the order of their values (below 0 is missing), or texts.
    time : ndarray of shape (n_rows,), optional
        Numbers that grow with time.
    class_names, fold_names : sequence of str
        Names of class codes and values of the fold column, for warnings.

    Raises
    ------
    UserError
        The request is impossible; where a smaller number of folds would do, it is named.
    """
    roles = RowRoles(
        n_rows,
        classes=target.astype(np.int64) if is_classification and target is not None else None,
        class_names=class_names,
        groups=None if groups is None else codes_of_groups(groups, "group_column"),
        times=None if time is None else ranks(time, "time_column"),
        folds=None if fold_values is None else codes_of_groups(fold_values, "fold_column"),
        fold_names=fold_names,
    )
    strategy = choose_strategy(
        options.strategy,
        is_classification=roles.classes is not None,
        has_groups=groups is not None,
        has_time=time is not None,
        has_folds=fold_values is not None,
    )
    fills = partial(fills_every_fold, options, roles)
    n_folds = count_folds(options, strategy, roles, fills_every_fold=fills)
    drawn = draw_splits(strategy, options, n_folds, roles)
    return _assignment(options, strategy, n_folds, roles, drawn)


def _assignment(
    options: FoldOptions, strategy: Strategy, n_folds: int, roles: RowRoles, drawn: Drawn
) -> Assignment:
    splits = tuple(
        make_split(number % n_folds, number // n_folds, roles.n_rows, test, train=train)
        for number, (train, test) in enumerate(drawn.pairs)
    )
    return Assignment(
        splits=splits,
        strategy=strategy,
        splitter=drawn.splitter,
        n_folds=n_folds,
        n_repeats=options.n_repeats,
        seed=options.seed if drawn.is_random else None,
        warnings=cautions_about(options, strategy, roles, splits),
    )
