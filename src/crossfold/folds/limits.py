"""Which numbers of folds can work, known before any fit; every refusal names the largest that can.

Facts: scikit-learn user guide, "Cross-validation iterators", and the checks of its splitters.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

from crossfold.errors import UserError
from crossfold.folds.options import DEFAULT_FOLDS, DEFAULT_P, FoldOptions, Strategy
from crossfold.folds.row_roles import RowRoles

# Choosing this many of the rows already takes too many fits, unless the rows are a handful.
_P_COUNTED = 4


def count_folds(
    options: FoldOptions,
    strategy: Strategy,
    roles: RowRoles,
    *,
    fills_every_fold: Callable[[int], bool],
) -> int:
    """Return the number of folds of one repeat, after every check that needs no split.

    Parameters
    ----------
    fills_every_fold : callable
        Whether a number of folds leaves none empty under ``stratified_group``; asked only in
        search of a number that works.

    Raises
    ------
    UserError
        The request contradicts itself or the rows, or asks for more than ``max_fits`` fits.
    """
    if roles.n_rows < 2:
        raise UserError(f"the data has {roles.n_rows} row(s); cross-validation needs at least 2")
    _refuse_foreign_options(options, strategy)
    _require_roles(strategy, roles)
    fixed = _fixed_number(options, strategy, roles)
    if fixed is not None:
        _refuse_other_number(options, strategy, fixed)
        return fixed
    n_folds = DEFAULT_FOLDS if options.n_folds is None else options.n_folds
    if n_folds < 2:
        raise UserError(f"hyperparameter 'cv_folds' is {n_folds}; expected a number of at least 2")
    limit, reason = min(_ceilings(options, strategy, roles, n_folds))
    if n_folds <= limit and _leaves_time_to_fit(options, strategy, roles, n_folds):
        return n_folds
    if n_folds <= limit:
        reason = f"cv_gap {options.gap} leaves no time to fit on"

    def works(k: int) -> bool:
        return _leaves_time_to_fit(options, strategy, roles, k) and (
            strategy != "stratified_group" or fills_every_fold(k)
        )

    # From the top: more folds can leave time to fit on where fewer, with longer blocks, do not.
    raise unworkable(options, n_folds, reason, largest_n_folds(limit, works))


def most_folds(options: FoldOptions, strategy: Strategy, roles: RowRoles) -> int:
    """Return the number of folds that rows, groups, times, classes and ``max_fits`` allow."""
    return min(_ceilings(options, strategy, roles, 0))[0]


def largest_n_folds(most: int, works: Callable[[int], bool]) -> int | None:
    """Return the largest number of folds, at least 2 and at most `most`, that works, if any."""
    return next((n_folds for n_folds in range(most, 1, -1) if works(n_folds)), None)


def unworkable(options: FoldOptions, n_folds: int, reason: str, largest: int | None) -> UserError:
    """Return the error for a number of folds that cannot work, naming one that can."""
    default = " (the default)" if options.n_folds is None else ""
    advice = (
        "no number of folds works: choose another cv_strategy, fewer cv_repeats or more data"
        if largest is None or largest < 2
        else f"the largest cv_folds that works is {largest}"
    )
    return UserError(f"hyperparameter 'cv_folds' is {n_folds}{default}, but {reason}; {advice}")


def _refuse_foreign_options(options: FoldOptions, strategy: Strategy) -> None:
    foreign = (
        ("cv_gap", options.gap, options.gap != 0, "time_series"),
        ("cv_window", options.window, options.window is not None, "time_series"),
        ("cv_p", options.p, options.p is not None, "leave_p_out"),
    )
    for name, value, is_given, owner in foreign:
        if is_given and strategy != owner:
            raise UserError(
                f"hyperparameter {name!r} is {value!r}, but cv_strategy is {strategy!r}; {name} "
                f"belongs to {owner!r}: leave it out or choose that strategy"
            )
    if options.n_repeats > 1 and strategy in _UNREPEATABLE:
        raise UserError(
            f"hyperparameter 'cv_repeats' is {options.n_repeats}, but cv_strategy {strategy!r} "
            "draws nothing by chance, so every repeat would be the same; leave cv_repeats out"
        )


_UNREPEATABLE: frozenset[Strategy] = frozenset(
    {"time_series", "leave_one_out", "leave_p_out", "predefined"}
)


def _require_roles(strategy: Strategy, roles: RowRoles) -> None:
    needs: tuple[tuple[str, bool, str], ...] = (
        ("stratified", roles.classes is not None, "a target of classes (set task, or use kfold)"),
        ("stratified_group", roles.classes is not None, "a target of classes (or use group)"),
        ("stratified_group", roles.groups is not None, "hyperparameter 'group_column'"),
        ("group", roles.groups is not None, "hyperparameter 'group_column'"),
        ("time_series", roles.times is not None, "hyperparameter 'time_column'"),
        ("predefined", roles.folds is not None, "hyperparameter 'fold_column' or ready folders"),
    )
    for owner, is_there, what in needs:
        if strategy == owner and not is_there:
            raise UserError(f"hyperparameter 'cv_strategy' is {strategy!r}, which needs {what}")


def _fixed_number(options: FoldOptions, strategy: Strategy, roles: RowRoles) -> int | None:
    if strategy == "leave_one_out":
        return roles.n_rows
    if strategy == "leave_p_out":
        return _count_leave_p_out(options, roles.n_rows)
    if strategy == "predefined" and roles.folds is not None:
        n_folds = int(roles.folds.max()) + 1
        if n_folds < 2:
            raise UserError(
                "hyperparameter 'fold_column' names a column with one value only; "
                "cross-validation needs at least 2 folds"
            )
        return n_folds
    return None


def _count_leave_p_out(options: FoldOptions, n_rows: int) -> int:
    p = DEFAULT_P if options.p is None else options.p
    if p >= n_rows:
        raise UserError(
            f"hyperparameter 'cv_p' is {p}, but the data has {n_rows} rows; expected at most "
            f"{n_rows - 1}, so that a row is left to fit on"
        )
    # The number itself may have a million digits; up to the middle it only grows with p.
    fewest = comb(n_rows, min(p, n_rows - p, _P_COUNTED))
    return fewest if fewest > options.max_fits else comb(n_rows, p)


def _ceilings(
    options: FoldOptions, strategy: Strategy, roles: RowRoles, n_folds: int
) -> list[tuple[int, str]]:
    n_fits = n_folds * options.n_repeats
    most = options.max_fits
    ceilings = [
        (most // options.n_repeats, f"that is {n_fits} fits, and at most {most} are allowed")
    ]
    if strategy != "shuffle_split":
        ceilings.append((roles.n_rows, f"the data has only {roles.n_rows} rows"))
    if strategy in ("group", "stratified_group") and roles.groups is not None:
        n_groups = int(roles.groups.max()) + 1
        ceilings.append((n_groups, f"the group column has only {n_groups} group(s)"))
    if strategy in ("stratified", "stratified_group"):
        commonest = int(roles.class_counts.max())
        ceilings.append((commonest, f"even the commonest class has only {commonest} row(s)"))
    if strategy == "time_series" and roles.times is not None:
        n_times = int(roles.times.max()) + 1
        ceilings.append((n_times - 1, f"the time column has only {n_times} distinct time(s)"))
    return ceilings


def _leaves_time_to_fit(
    options: FoldOptions, strategy: Strategy, roles: RowRoles, n_folds: int
) -> bool:
    """Tell whether TimeSeriesSplit accepts this: it holds out K blocks of n // (K + 1) times."""
    if strategy != "time_series" or roles.times is None:
        return True
    n_times = int(roles.times.max()) + 1
    return n_times - options.gap - n_folds * (n_times // (n_folds + 1)) > 0


def _refuse_other_number(options: FoldOptions, strategy: Strategy, n_folds: int) -> None:
    if n_folds > options.max_fits:
        more = "at least " if strategy == "leave_p_out" else ""
        raise UserError(
            f"cv_strategy {strategy!r} would need {more}{n_folds} fits of this data; at most "
            f"{options.max_fits} are allowed: choose 'kfold' or 'shuffle_split' with cv_folds"
        )
    if options.n_folds is not None and options.n_folds != n_folds:
        raise UserError(
            f"hyperparameter 'cv_folds' is {options.n_folds}, but cv_strategy {strategy!r} makes "
            f"{n_folds} folds of this data; leave cv_folds out or set it to {n_folds}"
        )
