from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.model_selection
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneOut,
    LeavePOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from crossfold.folds.assignment import Assignment
from crossfold.folds.options import FoldOptions
from tests.unit.fold_cases import (
    folds_of,
    pairs_of,
    sorted_pairs,
    unequal_classes,
    unequal_groups,
)

_CLASSES = unequal_classes()
_GROUPS = unequal_groups()
_ROWS = np.zeros((103, 1))


def test_kfold_is_scikit_learns_shuffled_kfold() -> None:
    ours = folds_of(FoldOptions(n_folds=4, seed=7))

    expected = KFold(n_splits=4, shuffle=True, random_state=7).split(_ROWS)
    assert pairs_of(ours) == sorted_pairs(expected)
    assert ours.splitter == "KFold(n_splits=4, shuffle=True, random_state=7)"
    assert ours.strategy == "kfold"


def test_classes_are_stratified_by_scikit_learns_shuffled_stratified_kfold() -> None:
    ours = folds_of(FoldOptions(n_folds=4, seed=7), target=_CLASSES)

    expected = StratifiedKFold(n_splits=4, shuffle=True, random_state=7).split(_ROWS, _CLASSES)
    assert pairs_of(ours) == sorted_pairs(expected)
    assert ours.splitter == "StratifiedKFold(n_splits=4, shuffle=True, random_state=7)"
    assert ours.seed == 7


@pytest.mark.parametrize(
    ("target", "splitter"),
    [
        (None, RepeatedKFold(n_splits=3, n_repeats=4, random_state=2)),
        (_CLASSES, RepeatedStratifiedKFold(n_splits=3, n_repeats=4, random_state=2)),
    ],
)
def test_repeats_come_from_the_repeated_splitters(target: Any, splitter: Any) -> None:
    ours = folds_of(FoldOptions(n_folds=3, n_repeats=4, seed=2), target=target)

    assert pairs_of(ours) == sorted_pairs(splitter.split(_ROWS, target))
    assert [(split.repeat, split.fold) for split in ours.splits] == [
        (repeat, fold) for repeat in range(4) for fold in range(3)
    ]


@pytest.mark.parametrize("target", [None, _CLASSES])
def test_first_repeat_is_the_split_without_repeats(target: Any) -> None:
    once = folds_of(FoldOptions(n_folds=3, seed=2), target=target)
    twice = folds_of(FoldOptions(n_folds=3, n_repeats=2, seed=2), target=target)

    assert pairs_of(twice)[:3] == pairs_of(once)


def test_groups_are_balanced_by_group_kfold() -> None:
    ours = folds_of(FoldOptions(n_folds=4, seed=9), groups=_GROUPS)

    expected = GroupKFold(n_splits=4).split(_ROWS, groups=_GROUPS)
    assert pairs_of(ours) == sorted_pairs(expected)
    assert ours.splitter == "GroupKFold(n_splits=4)"
    assert (ours.strategy, ours.seed) == ("group", None)


def test_repeats_of_groups_differ_and_stay_as_balanced_as_the_first() -> None:
    groups = np.repeat(np.arange(12), 5)

    ours = folds_of(FoldOptions(n_folds=3, n_repeats=4, seed=1), n_rows=60, groups=groups)

    assert len(_partitions(ours)) == 4
    assert {split.n_test for split in ours.splits} == {20}
    for split in ours.splits:
        assert not set(groups[split.train]) & set(groups[split.test])


def test_repeats_of_groups_pass_over_partitions_already_had() -> None:
    """Six groups of one size make 15 partitions into three pairs; chance alone would repeat one."""
    groups = np.repeat(np.arange(6), 2)

    ours = folds_of(FoldOptions(n_folds=3, n_repeats=8), n_rows=12, groups=groups)

    assert len(_partitions(ours)) == 8
    assert pairs_of(ours)[:3] == sorted_pairs(GroupKFold(3).split(groups, groups=groups))


def test_classes_with_groups_come_from_stratified_group_kfold() -> None:
    ours = folds_of(FoldOptions(n_folds=3, seed=4), target=_CLASSES, groups=_GROUPS)

    splitter = StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=4)
    assert pairs_of(ours) == sorted_pairs(splitter.split(_ROWS, _CLASSES, _GROUPS))
    assert ours.splitter == "StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=4)"


def test_repeats_of_stratified_groups_share_one_random_stream() -> None:
    ours = folds_of(FoldOptions(n_folds=3, n_repeats=3, seed=4), target=_CLASSES, groups=_GROUPS)

    stream = np.random.RandomState(4)
    splitter = StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=stream)
    expected = [pair for _ in range(3) for pair in splitter.split(_ROWS, _CLASSES, _GROUPS)]
    assert pairs_of(ours) == sorted_pairs(expected)


def test_stratified_groups_hold_each_class_in_nearly_its_share() -> None:
    random = np.random.RandomState(0)
    groups = random.randint(0, 120, 1200)
    target = (random.rand(1200) < 0.2).astype(float)

    ours = folds_of(FoldOptions(n_folds=5), target=target, groups=groups)

    shares = [target[split.test].mean() for split in ours.splits]
    assert max(shares) - min(shares) < 0.05
    assert max(s.n_test for s in ours.splits) < 1.2 * min(s.n_test for s in ours.splits)


def test_time_series_on_distinct_times_is_scikit_learns() -> None:
    time = np.random.RandomState(3).permutation(40)

    ours = folds_of(FoldOptions(n_folds=4, gap=2, window=9), n_rows=40, time=time)

    by_time = np.argsort(time)
    expected = [
        (by_time[train], by_time[test])
        for train, test in TimeSeriesSplit(4, gap=2, max_train_size=9).split(by_time)
    ]
    assert pairs_of(ours) == sorted_pairs(expected)
    assert (
        ours.splitter == "TimeSeriesSplit(n_splits=4, max_train_size=9, gap=2) "
        "on the sorted distinct times"
    )


def test_rows_of_one_time_stay_together_by_hand() -> None:
    time = np.array([2.5, 1.0, 2.5, 3.0, 1.0, 9.0])

    ours = folds_of(FoldOptions(n_folds=2), n_rows=6, time=time)

    # Four distinct times in blocks of 4 // 3 = 1 from the end: 3.0, then 9.0.
    assert pairs_of(ours) == [([0, 1, 2, 4], [3]), ([0, 1, 2, 3, 4], [5])]


def test_leave_one_out_is_scikit_learns() -> None:
    ours = folds_of(FoldOptions(strategy="leave_one_out"), n_rows=9)

    assert pairs_of(ours) == sorted_pairs(LeaveOneOut().split(np.zeros(9)))
    assert (ours.n_folds, ours.pools_rows) == (9, True)


def test_leave_p_out_is_scikit_learns() -> None:
    ours = folds_of(FoldOptions(strategy="leave_p_out", p=3), n_rows=7)

    assert pairs_of(ours) == sorted_pairs(LeavePOut(3).split(np.zeros(7)))
    assert (ours.n_folds, ours.pools_rows, ours.splitter) == (35, True, "LeavePOut(p=3)")


@pytest.mark.parametrize(
    ("target", "groups", "splitter"),
    [
        (None, None, ShuffleSplit(6, test_size=0.2, random_state=8)),
        (_CLASSES, None, StratifiedShuffleSplit(6, test_size=0.2, random_state=8)),
        (None, _GROUPS, GroupShuffleSplit(6, test_size=0.2, random_state=8)),
        (_CLASSES, _GROUPS, GroupShuffleSplit(6, test_size=0.2, random_state=8)),
    ],
)
def test_shuffle_split_is_scikit_learns(target: Any, groups: Any, splitter: Any) -> None:
    options = FoldOptions(strategy="shuffle_split", n_folds=3, n_repeats=2, seed=8)

    ours = folds_of(options, target=target, groups=groups)

    assert pairs_of(ours) == sorted_pairs(splitter.split(_ROWS, target, groups))
    assert ours.splits[5].repeat == 1


@pytest.mark.parametrize(
    "values",
    [
        np.array(["10", "9", "10", "2", "9", "2"]),
        np.array([2, 1, 2, 0, 1, 0], dtype=np.int32),
    ],
)
def test_ready_folds_are_the_columns_values_in_order(values: Any) -> None:
    ours = folds_of(FoldOptions(), n_rows=6, fold_values=values)

    assert [split.test.tolist() for split in ours.splits] == [[3, 5], [1, 4], [0, 2]]
    assert pairs_of(ours) == sorted_pairs(PredefinedSplit([2, 1, 2, 0, 1, 0]).split())


def test_long_keys_that_no_float_can_tell_apart_stay_apart() -> None:
    keys = np.array(["9007199254740992", "9007199254740993", "9007199254740994"])

    ours = folds_of(FoldOptions(n_folds=3), n_rows=3, groups=keys)

    assert sorted(split.test.tolist() for split in ours.splits) == [[0], [1], [2]]


def test_published_split_of_iris_as_ready_folds() -> None:
    """The published sample draws KFold with seed 23 and writes a folder for each fold."""
    published = list(KFold(n_splits=5, shuffle=True, random_state=23).split(np.zeros(150)))
    fold_column = np.empty(150, dtype=int)
    for fold, (_, test) in enumerate(published):
        fold_column[test] = fold
    target = load_iris().target.astype(float)

    as_folders = Assignment.from_ready(published, 150)
    as_column = folds_of(FoldOptions(n_folds=5), target=target, fold_values=fold_column)
    drawn = folds_of(FoldOptions(strategy="kfold", n_folds=5, seed=23), target=target)

    assert pairs_of(as_folders) == sorted_pairs(published)
    assert len({made.fingerprint() for made in (as_folders, as_column, drawn)}) == 1
    assert as_column.strategy == "predefined"
    assert drawn.splits[0].test.tolist() == published[0][1].tolist()


@pytest.mark.parametrize("strategy", ["kfold", "stratified", "shuffle_split", "leave_one_out"])
def test_shown_splitter_can_be_typed_into_python(strategy: Any) -> None:
    ours = folds_of(FoldOptions(strategy=strategy), target=_CLASSES)

    splitter = eval(ours.splitter, vars(sklearn.model_selection).copy())  # noqa: S307
    assert pairs_of(ours) == sorted_pairs(splitter.split(_ROWS, _CLASSES))


_FINGERPRINTS = """
from crossfold.folds.options import FoldOptions
from tests.unit.fold_cases import folds_of, unequal_classes, unequal_groups
y, g = unequal_classes(), unequal_groups()
found = [
    folds_of(options, **roles).fingerprint()
    for options, roles in [
        (FoldOptions(n_folds=4, seed=3, n_repeats=2), {}),
        (FoldOptions(n_folds=4, seed=3), {"target": y}),
        (FoldOptions(n_folds=3, seed=3), {"target": y, "groups": g}),
        (FoldOptions(n_folds=3, seed=3, n_repeats=2), {"groups": g}),
        (FoldOptions(strategy="shuffle_split", seed=3), {"target": y}),
        (FoldOptions(n_folds=3, gap=1), {"time": g}),
    ]
]
"""
# Noted once: another machine, or another release of a library, must find the same.
_FIRST_DIGITS = ["2cd85c69", "ce796fe2", "4665f1bf", "fb7513b6", "3264cdfa", "ecc3d9d8"]


def test_other_processes_with_other_hash_seeds_make_the_same_folds() -> None:
    root = Path(__file__).parents[2]
    here: dict[str, Any] = {}
    exec(_FINGERPRINTS, here)  # noqa: S102

    there = subprocess.run(
        [sys.executable, "-c", _FINGERPRINTS + "print(*found)"],
        env={**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": f"{root / 'src'}:{root}"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert there == here["found"]
    assert [fingerprint[:8] for fingerprint in there] == _FIRST_DIGITS


def _partitions(made: Assignment) -> set[tuple[tuple[int, ...], ...]]:
    return {
        tuple(sorted(tuple(s.test.tolist()) for s in made.splits if s.repeat == repeat))
        for repeat in range(made.n_repeats)
    }
