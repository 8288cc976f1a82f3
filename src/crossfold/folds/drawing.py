"""Splits from scikit-learn's splitters, each with the exact arguments that a user is shown.

One seed gives one assignment on every machine and in every process: NumPy promises that
`RandomState` keeps its streams, and nothing here depends on hashing.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import UserError
from crossfold.folds.limits import largest_n_folds, most_folds, unworkable
from crossfold.folds.options import DEFAULT_P, FoldOptions, Strategy
from crossfold.folds.row_roles import RowRoles, any_rows, can_stratify

Rows = NDArray[np.integer]
Pair = tuple[Rows | None, Rows]

# Relabelled groups often give a partition that another repeat had; so many times in a row they do
# so only where there is hardly another one.
_MOST_DRAWS = 20
# StratifiedGroupKFold takes seconds for more folds than this, and one refusal may try many numbers.
_MOST_FOLDS_TRIED = 30


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a splitter gives: its text, and (train, test) of every split, in order of repeats.

    Train is None where it is every row that is not held out.  The pairs are drawn while they are
    taken, once: row numbers of many splits at once would need more memory than the table.
    """

    splitter: str
    pairs: Iterable[Pair]
    is_random: bool = True


def draw_splits(strategy: Strategy, options: FoldOptions, n_folds: int, roles: RowRoles) -> Drawn:
    """Draw `n_folds` splits for each repeat; the request has passed `count_folds`.

    Raises
    ------
    UserError
        Here or while the pairs are taken: the rows do not allow what was asked.
    """
    return _DRAW[strategy](options, n_folds, roles)


def fills_every_fold(options: FoldOptions, roles: RowRoles, n_folds: int) -> bool:
    """Tell whether StratifiedGroupKFold leaves no fold of any repeat without rows."""
    return all(len(test) for _, test in _stratified_group_pairs(options, n_folds, roles))


def _splitter(name: str, **arguments: object) -> tuple[str, Any]:
    """Return the splitter of that name with the text that shows its arguments."""
    import sklearn.model_selection

    text = ", ".join(f"{argument}={value!r}" for argument, value in arguments.items())
    return f"{name}({text})", getattr(sklearn.model_selection, name)(**arguments)


def _held_out(splitter: Any, *inputs: Rows | None) -> Iterator[Pair]:
    """Yield the test rows of each split; training is on all others."""
    splits = splitter.split(*inputs)
    while True:
        with warnings.catch_warnings():
            # What these warnings say is said by `cautions_about` in the user's terms.
            warnings.simplefilter("ignore", UserWarning)
            split = next(splits, None)
        if split is None:
            return
        yield None, np.asarray(split[1])


def _draw_kfold(options: FoldOptions, n_folds: int, roles: RowRoles) -> Drawn:
    text, splitter = _shuffled("KFold", "RepeatedKFold", options, n_folds)
    return Drawn(text, _held_out(splitter, any_rows(roles.n_rows)))


def _draw_stratified(options: FoldOptions, n_folds: int, roles: RowRoles) -> Drawn:
    text, splitter = _shuffled("StratifiedKFold", "RepeatedStratifiedKFold", options, n_folds)
    return Drawn(text, _held_out(splitter, any_rows(roles.n_rows), roles.classes))


def _shuffled(once: str, repeated: str, options: FoldOptions, n_folds: int) -> tuple[str, Any]:
    if options.n_repeats == 1:
        return _splitter(once, n_splits=n_folds, shuffle=True, random_state=options.seed)
    return _splitter(
        repeated, n_splits=n_folds, n_repeats=options.n_repeats, random_state=options.seed
    )


def _draw_group(options: FoldOptions, n_folds: int, roles: RowRoles) -> Drawn:
    """Balance whole groups by size; repeats after the first see the groups in a seeded order.

    The order decides only between groups of equal size, so every repeat is as balanced as the
    first, which `GroupKFold(shuffle=True)` would not be.
    """
    assert roles.groups is not None
    text, splitter = _splitter("GroupKFold", n_splits=n_folds)
    if options.n_repeats > 1:
        text += (
            f", then {options.n_repeats - 1} times on groups relabelled by "
            f"RandomState({options.seed}), each time another partition"
        )
    pairs = _group_pairs(splitter, options, roles.groups)
    return Drawn(text, pairs, is_random=options.n_repeats > 1)


def _group_pairs(splitter: Any, options: FoldOptions, groups: NDArray[np.int64]) -> Iterator[Pair]:
    random = np.random.RandomState(options.seed)
    names = np.arange(int(groups.max()) + 1)
    seen: set[bytes] = set()
    for repeat in range(options.n_repeats):
        for _ in range(_MOST_DRAWS):
            pairs = list(_held_out(splitter, groups, None, names[groups]))
            partition = _partition(pairs, len(groups))
            names = random.permutation(len(names))
            if partition not in seen:
                break
        else:
            raise UserError(
                f"hyperparameter 'cv_repeats' is {options.n_repeats}, but balanced folds of these "
                f"groups only came out the same again after repeat {repeat}; the largest "
                f"cv_repeats that works is {repeat}"
            )
        seen.add(partition)
        yield from pairs


def _partition(pairs: Iterable[Pair], n_rows: int) -> bytes:
    """Return bytes that are equal for equal partitions, whatever the order of their folds."""
    first_of_fold = np.empty(n_rows, dtype=np.int64)
    for _, test in pairs:
        first_of_fold[test] = test[0]
    return hashlib.sha256(first_of_fold.tobytes()).digest()


def _draw_stratified_group(options: FoldOptions, n_folds: int, roles: RowRoles) -> Drawn:
    text, _ = _splitter(
        "StratifiedGroupKFold", n_splits=n_folds, shuffle=True, random_state=options.seed
    )
    if options.n_repeats > 1:
        text += f" repeated {options.n_repeats} times on one RandomState({options.seed})"
    return Drawn(text, _filled_pairs(options, n_folds, roles))


def _filled_pairs(options: FoldOptions, n_folds: int, roles: RowRoles) -> Iterator[Pair]:
    for pair in _stratified_group_pairs(options, n_folds, roles):
        if not len(pair[1]):
            reason = "StratifiedGroupKFold leaves a fold without rows, so unequal are the groups"
            most = most_folds(options, "stratified_group", roles)
            tried = min(most, max(n_folds, _MOST_FOLDS_TRIED))
            works = partial(fills_every_fold, options, roles)
            raise unworkable(options, n_folds, reason, largest_n_folds(tried, works))
        yield pair


def _stratified_group_pairs(options: FoldOptions, n_folds: int, roles: RowRoles) -> Iterator[Pair]:
    """Repeat as scikit-learn's Repeated splitters do: one random stream through all repeats."""
    random = np.random.RandomState(options.seed)
    _, splitter = _splitter(
        "StratifiedGroupKFold", n_splits=n_folds, shuffle=True, random_state=random
    )
    inputs = (any_rows(roles.n_rows), roles.classes, roles.groups)
    for _ in range(options.n_repeats):
        yield from _held_out(splitter, *inputs)


def _draw_time_series(options: FoldOptions, n_folds: int, roles: RowRoles) -> Drawn:
    """Split the sorted distinct times, so that rows of one time stay together."""
    assert roles.times is not None
    text, splitter = _splitter(
        "TimeSeriesSplit", n_splits=n_folds, max_train_size=options.window, gap=options.gap
    )
    n_times = int(roles.times.max()) + 1
    order = np.argsort(roles.times, kind="stable")
    # Rows of time t are order[starts[t]:starts[t + 1]].
    starts = np.searchsorted(roles.times[order], np.arange(n_times + 1))

    def rows_at(times: Rows) -> Rows:
        return order[starts[times[0]] : starts[times[-1] + 1]]

    pairs = ((rows_at(train), rows_at(test)) for train, test in splitter.split(any_rows(n_times)))
    return Drawn(f"{text} on the sorted distinct times", pairs, is_random=False)


def _draw_leave_one_out(
    options: FoldOptions,  # noqa: ARG001 - all draws have one signature
    n_folds: int,  # noqa: ARG001
    roles: RowRoles,
) -> Drawn:
    text, splitter = _splitter("LeaveOneOut")
    return Drawn(text, _held_out(splitter, any_rows(roles.n_rows)), is_random=False)


def _draw_leave_p_out(
    options: FoldOptions,
    n_folds: int,  # noqa: ARG001 - all draws have one signature
    roles: RowRoles,
) -> Drawn:
    text, splitter = _splitter("LeavePOut", p=DEFAULT_P if options.p is None else options.p)
    return Drawn(text, _held_out(splitter, any_rows(roles.n_rows)), is_random=False)


def _draw_shuffle_split(options: FoldOptions, n_folds: int, roles: RowRoles) -> Drawn:
    """Draw whole groups where there are groups, else by class where every class allows it."""
    name = "ShuffleSplit"
    if roles.groups is not None:
        name = "GroupShuffleSplit"
    elif can_stratify(roles.classes, ceil(options.test_fraction * roles.n_rows)):
        name = "StratifiedShuffleSplit"
    text, splitter = _splitter(
        name,
        n_splits=n_folds * options.n_repeats,
        test_size=options.test_fraction,
        random_state=options.seed,
    )
    pairs = _held_out(splitter, any_rows(roles.n_rows), roles.classes, roles.groups)
    return Drawn(text, _or_refuse(pairs))


def _or_refuse(pairs: Iterator[Pair]) -> Iterator[Pair]:
    try:
        yield from pairs
    except ValueError as error:
        raise UserError(f"cv_strategy 'shuffle_split' cannot split this data: {error}") from error


def _draw_predefined(
    options: FoldOptions,  # noqa: ARG001 - all draws have one signature
    n_folds: int,  # noqa: ARG001
    roles: RowRoles,
) -> Drawn:
    _, splitter = _splitter("PredefinedSplit", test_fold=roles.folds)
    # The argument itself would print every row.
    return Drawn("PredefinedSplit(test_fold=fold_column)", _held_out(splitter), is_random=False)


_DRAW: dict[Strategy, Callable[[FoldOptions, int, RowRoles], Drawn]] = {
    "kfold": _draw_kfold,
    "stratified": _draw_stratified,
    "group": _draw_group,
    "stratified_group": _draw_stratified_group,
    "time_series": _draw_time_series,
    "leave_one_out": _draw_leave_one_out,
    "leave_p_out": _draw_leave_p_out,
    "shuffle_split": _draw_shuffle_split,
    "predefined": _draw_predefined,
}
