"""The rows that early stopping watches, cut from the rows that a fold fits on.

They are cut by the strategy of the folds themselves, so that stopping is judged as the fold will
be.  Only the given rows are looked at: a fold's held-out rows have no say.
"""

from __future__ import annotations

from math import ceil
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import UserError
from crossfold.folds.options import Strategy, choose_strategy
from crossfold.folds.row_roles import any_rows, can_stratify, codes_of_groups, ranks

_Rows = NDArray[np.int64]

# A hold-out may miss the fraction by this part of it before another cut is tried.
_FAR_OFF = 0.5
# StratifiedGroupKFold takes 0.1 ms a group and fold; joined to this many, groups cost no more than
# reading their rows, and ten folds of them are as alike.
_MOST_GROUPS = 1000


def inner_holdout(  # noqa: PLR0913 - one argument for each role that a row can have
    rows: NDArray[np.integer],
    fraction: float,
    *,
    strategy: str | None,
    seed: int,
    target: NDArray[Any] | None,
    is_classification: bool,
    groups: NDArray[Any] | None = None,
    time: NDArray[Any] | None = None,
    gap: int = 0,
) -> tuple[_Rows, _Rows]:
    """Divide rows into those to fit on and those to watch.

    Time series watch the last times; groups stay whole; else rows are drawn, by class where there
    are classes; then a class with one row is fitted on, if the others leave enough to watch.

    Parameters
    ----------
    rows : ndarray of shape (n,), int
        Row numbers into the arrays below, which cover the whole table.
    fraction : float
        Part of `rows` to watch, 0 < fraction < 1; with whole groups or times as near as they
        allow, and at most about half with groups.
    strategy : str, optional
        The folds' strategy; None (no folds), ``auto`` and ``predefined`` choose by the roles given.
    gap : int
        Distinct times to leave out between the two parts of a time series.

    Returns
    -------
    fit_rows, watch_rows : ndarray of int64
        Both ascending, without a common row, neither empty.

    Raises
    ------
    UserError
        There are too few rows, groups or times for two parts.
    """
    numbers: _Rows = np.sort(rows).astype(np.int64)
    chosen = choose_strategy(
        None if strategy == "predefined" else cast(Strategy | None, strategy),
        is_classification=is_classification,
        has_groups=groups is not None,
        has_time=time is not None,
    )
    classes = target[numbers].astype(np.int64) if is_classification and target is not None else None
    if chosen == "time_series" and time is not None:
        watched, fitted = _last_times(ranks(time[numbers], "time_column"), fraction, gap)
    elif groups is not None and chosen in ("group", "stratified_group", "shuffle_split"):
        watched = _whole_groups(
            codes_of_groups(groups[numbers], "group_column"), classes, fraction, seed
        )
        fitted = ~watched
    else:
        watched = _drawn_rows(len(numbers), classes, fraction, seed)
        fitted = ~watched
    return numbers[fitted], numbers[watched]


def _last_times(
    times: _Rows, fraction: float, gap: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    n_times = int(times.max()) + 1 if len(times) else 0
    if n_times < gap + 2:
        raise _too_few(f"{n_times} distinct time(s)", f"at least {gap + 2} (with cv_gap {gap})")
    rows_up_to = np.cumsum(np.bincount(times))
    target_size = ceil(fraction * len(times))
    # The latest first watched time that leaves enough rows to watch, and times before it to fit.
    first = int(np.searchsorted(rows_up_to, len(times) - target_size, side="right"))
    first = min(max(first, gap + 1), n_times - 1)
    return times >= first, times < first - gap


def _whole_groups(
    groups: _Rows, classes: _Rows | None, fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Hold out the fold of a balanced group split that comes nearest to the fraction.

    With classes, first come the folds without which every class is still fitted on.  Where a
    large group leaves every other fold far too small, splits into fewer folds are tried as well.
    """
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    if n_groups < 2:
        raise _too_few(f"{n_groups} group(s)", "at least 2")
    target_size = fraction * len(groups)

    def cost(watched: NDArray[np.bool_]) -> tuple[int, float]:
        lost = 0 if classes is None else len(np.setdiff1d(classes, classes[~watched]))
        return lost, abs(int(watched.sum()) - target_size)

    candidates: list[NDArray[np.bool_]] = []
    for n_folds in range(min(max(round(1 / fraction), 2), n_groups), 1, -1):
        candidates += _group_folds(groups, classes, n_folds, seed)
        if min(cost(watched)[1] for watched in candidates) <= _FAR_OFF * target_size:
            break
    return min(candidates, key=cost)


def _group_folds(
    groups: _Rows, classes: _Rows | None, n_folds: int, seed: int
) -> list[NDArray[np.bool_]]:
    # A seeded order of names decides between groups of one size; GroupKFold has no seed itself.
    names = np.random.RandomState(seed).permutation(int(groups.max()) + 1)[groups]
    folds = [] if classes is None else _stratified_folds(groups, names, classes, n_folds, seed)
    if not folds:
        from sklearn.model_selection import GroupKFold

        folds = [test for _, test in GroupKFold(n_folds).split(groups, None, names)]
    return [_mask(test, len(groups)) for test in folds]


def _stratified_folds(
    groups: _Rows, names: _Rows, classes: _Rows, n_folds: int, seed: int
) -> list[NDArray[np.integer]]:
    from sklearn.model_selection import StratifiedGroupKFold

    wholes = groups if groups.max() < _MOST_GROUPS else names % _MOST_GROUPS
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    drawn = splitter.split(groups, _rare_joined(classes, n_folds), wholes)
    return [test for _, test in drawn if 0 < len(test) < len(groups)]


def _rare_joined(classes: _Rows, n_folds: int) -> _Rows:
    """Join classes rarer than the folds to the commonest one: no stratum can hold them."""
    counts = np.bincount(classes)
    return np.where(counts[classes] < n_folds, int(np.argmax(counts)), classes)


def _drawn_rows(
    n_rows: int, classes: _Rows | None, fraction: float, seed: int
) -> NDArray[np.bool_]:
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    n_watched = ceil(fraction * n_rows)
    if not 0 < n_watched < n_rows:
        raise _too_few(f"{n_rows} row(s)", f"at least 1 to watch and 1 to fit on, not {n_watched}")
    drawable = _rows_with_company(n_rows, classes, n_watched)
    strata = None if classes is None else classes[drawable]
    splitter = (
        StratifiedShuffleSplit(1, test_size=n_watched, random_state=seed)
        if can_stratify(strata, n_watched)
        else ShuffleSplit(1, test_size=n_watched, random_state=seed)
    )
    _, test = next(splitter.split(any_rows(len(drawable)), strata))
    return _mask(drawable[test], n_rows)


def _rows_with_company(n_rows: int, classes: _Rows | None, n_watched: int) -> _Rows:
    """Return the rows whose class has another row, or all where those are too few to draw from."""
    if classes is not None:
        drawable = np.flatnonzero(np.bincount(classes)[classes] > 1)
        if n_watched < len(drawable):
            return drawable
    return np.arange(n_rows)


def _mask(rows: NDArray[np.integer], n_rows: int) -> NDArray[np.bool_]:
    mask = np.zeros(n_rows, dtype=np.bool_)
    mask[rows] = True
    return mask


def _too_few(seen: str, needed: str) -> UserError:
    return UserError(
        f"early stopping cuts rows to watch from the rows to fit on, but these have {seen}; "
        f"needed: {needed}; give more data, another early_stopping_fraction, or leave out "
        "early_stopping_rounds"
    )
