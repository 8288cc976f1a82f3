"""Which numbers of folds can work, known before any fit; every refusal names the largest that can.

Facts: scikit-learn user guide, "Cross-validation iterators", and the checks of its splitters.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

from crossfold.errors import UserError
from crossfold.folds.options import DEFAULT_FOLDS, DEFAULT_P, FoldOptions, Strategy
from crossfold.folds.row_roles import RowRoles


def count_folds(options: FoldOptions, strategy: Strategy, roles: RowRoles) -> int:
    """Return the number of folds of one repeat, after every check that needs no split.

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
    if fixed is None:
        n_folds = DEFAULT_FOLDS if options.n_folds is None else options.n_folds
        _refuse_above(options, strategy, roles, n_folds)
    else:
        n_folds = fixed
        _refuse_other_number(options, strategy, n_folds)
    _refuse_too_many_fits(options, strategy, n_folds)
    return n_folds


def largest_n_folds(below: int, works: Callable[[int], bool]) -> int | None:
    """Return the largest number of folds, at least 2 and less than `below`, that works, if any."""
    return next((n_folds for n_folds in range(below - 1, 1, -1) if works(n_folds)), None)


def refuse_n_folds(options: FoldOptions, n_folds: int, reason: str, largest: int | None) -> None:
    """Raise the `UserError` for a number of folds that cannot work, naming one that can."""
    default = " (the default)" if options.n_folds is None else ""
    advice = (
        "no number of folds works: choose another cv_strategy or add data"
        if largest is None or largest < 2
        else f"the largest cv_folds that works is {largest}"
    )
    raise UserError(f"hyperparameter 'cv_folds' is {n_folds}{default}, but {reason}; {advice}")


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
        return _count_leave_p_out(DEFAULT_P if options.p is None else options.p, roles.n_rows)
    if strategy == "predefined" and roles.folds is not None:
        n_folds = int(roles.folds.max()) + 1
        if n_folds < 2:
            raise UserError(
                "hyperparameter 'fold_column' names a column with one value only; "
                "cross-validation needs at least 2 folds"
            )
        return n_folds
    return None


def _count_leave_p_out(p: int, n_rows: int) -> int:
    if p >= n_rows:
        raise UserError(
            f"hyperparameter 'cv_p' is {p}, but the data has {n_rows} rows; expected at most "
            f"{n_rows - 1}, so that a row is left to fit on"
        )
    return comb(n_rows, p)


def _refuse_above(options: FoldOptions, strategy: Strategy, roles: RowRoles, n_folds: int) -> None:
    if n_folds < 2:
        raise UserError(f"hyperparameter 'cv_folds' is {n_folds}; expected a number of at least 2")
    if strategy == "shuffle_split":
        return
    if strategy == "time_series" and roles.times is not None:
        _refuse_too_few_times(options, int(roles.times.max()) + 1, n_folds)
        return
    for limit, reason in _ceilings(strategy, roles):
        if n_folds > limit:
            refuse_n_folds(options, n_folds, reason, min(x for x, _ in _ceilings(strategy, roles)))


def _ceilings(strategy: Strategy, roles: RowRoles) -> list[tuple[int, str]]:
    ceilings = [(roles.n_rows, f"the data has only {roles.n_rows} rows")]
    if strategy in ("group", "stratified_group") and roles.groups is not None:
        n_groups = int(roles.groups.max()) + 1
        ceilings.append((n_groups, f"the group column has only {n_groups} group(s)"))
    if strategy in ("stratified", "stratified_group"):
        commonest = int(roles.class_counts.max())
        ceilings.append((commonest, f"even the commonest class has only {commonest} row(s)"))
    return ceilings


def _refuse_too_few_times(options: FoldOptions, n_times: int, n_folds: int) -> None:
    def works(k: int) -> bool:
        # TimeSeriesSplit: K blocks of n // (K + 1) times are held out, from the end backwards.
        return n_times > k and n_times - options.gap - k * (n_times // (k + 1)) > 0

    if not works(n_folds):
        gap = f" with cv_gap {options.gap}" if options.gap else ""
        largest = largest_n_folds(min(n_folds, n_times), works)
        refuse_n_folds(
            options, n_folds, f"the time column has only {n_times} distinct time(s){gap}", largest
        )


def _refuse_other_number(options: FoldOptions, strategy: Strategy, n_folds: int) -> None:
    if options.n_folds is not None and options.n_folds != n_folds:
        raise UserError(
            f"hyperparameter 'cv_folds' is {options.n_folds}, but cv_strategy {strategy!r} makes "
            f"{n_folds} folds of this data; leave cv_folds out or set it to {n_folds}"
        )


def _refuse_too_many_fits(options: FoldOptions, strategy: Strategy, n_folds: int) -> None:
    n_fits = n_folds * options.n_repeats
    if n_fits <= options.max_fits:
        return
    if strategy in _UNREPEATABLE and strategy != "time_series":
        advice = "choose cv_strategy 'kfold' or 'shuffle_split' with cv_folds"
    else:
        largest = options.max_fits // options.n_repeats
        advice = (
            f"the largest cv_folds that works is {largest}"
            if largest >= 2
            else f"the largest cv_repeats that works is {options.max_fits // n_folds}"
        )
    raise UserError(
        f"cv_strategy {strategy!r} would need {n_fits} fits of this data; at most "
        f"{options.max_fits} are allowed: {advice}"
    )
