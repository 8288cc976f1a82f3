from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.errors import UserError
from crossfold.folds.assignment import Assignment
from crossfold.folds.options import FoldOptions
from tests.unit.fold_cases import folds_of

_FEW = settings(max_examples=50, deadline=None)


def _assert_partitions(made: Assignment, n_rows: int) -> None:
    for repeat in range(made.n_repeats):
        held_out = Counter(
            row for split in made.splits if split.repeat == repeat for row in split.test.tolist()
        )
        assert held_out == Counter(range(n_rows))
    for split in made.splits:
        assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(n_rows))
        assert (split.n_train, split.n_test) == (len(split.train), len(split.test))


@_FEW
@given(
    codes=st.lists(st.integers(0, 3), min_size=2, max_size=60),
    n_folds=st.integers(2, 8),
    n_repeats=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
    is_classification=st.booleans(),
)
def test_each_row_is_held_out_once_per_repeat(
    *, codes: list[int], n_folds: int, n_repeats: int, seed: int, is_classification: bool
) -> None:
    options = FoldOptions(n_folds=n_folds, n_repeats=n_repeats, seed=seed)
    target = np.array(codes, float) if is_classification else None
    possible = max(Counter(codes).values()) if is_classification else len(codes)

    try:
        made = folds_of(options, target=target, n_rows=len(codes))
    except UserError:
        assert n_folds > possible
    else:
        assert n_folds <= possible
        _assert_partitions(made, len(codes))


@_FEW
@given(
    rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=2, max_size=60),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
    is_classification=st.booleans(),
)
def test_groups_never_straddle(
    *, rows: list[tuple[int, int]], n_folds: int, seed: int, is_classification: bool
) -> None:
    groups = np.array([group for group, _ in rows])
    target = np.array([code for _, code in rows], float) if is_classification else None

    try:
        made = folds_of(
            FoldOptions(n_folds=n_folds, seed=seed), target=target, n_rows=len(rows), groups=groups
        )
    except UserError:
        assert is_classification or n_folds > len(set(groups.tolist()))
        return

    _assert_partitions(made, len(rows))
    for split in made.splits:
        assert not set(groups[split.train].tolist()) & set(groups[split.test].tolist())


@_FEW
@given(
    times=st.lists(st.integers(-5, 20), min_size=2, max_size=60),
    n_folds=st.integers(2, 5),
    gap=st.integers(0, 3),
    window=st.none() | st.integers(1, 5),
)
def test_time_never_runs_backwards(
    times: list[int], n_folds: int, gap: int, window: int | None
) -> None:
    time = np.array(times)
    distinct = np.unique(time)

    try:
        made = folds_of(
            FoldOptions(n_folds=n_folds, gap=gap, window=window), n_rows=len(times), time=time
        )
    except UserError:
        n_times = len(distinct)
        assert n_folds >= n_times or n_times - gap <= n_folds * (n_times // (n_folds + 1))
        return

    for split in made.splits:
        fitted, scored = time[split.train], time[split.test]
        between = np.searchsorted(distinct, scored.min()) - np.searchsorted(distinct, fitted.max())
        assert between == gap + 1
        assert window is None or len(np.unique(fitted)) <= window
        assert np.isin(time, fitted).sum() == len(fitted)
        assert np.isin(time, scored).sum() == len(scored)
