from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from crossfold.errors import UserError
from crossfold.folds.inner_holdout import inner_holdout
from tests.unit.fold_cases import Rows, unequal_classes, unequal_groups

_ROWS = np.arange(10, 103)


def _cut(rows: Rows = _ROWS, fraction: float = 0.1, **given: Any) -> tuple[Rows, Rows]:
    target = given.pop("target", None)
    return inner_holdout(
        rows,
        fraction,
        **{"strategy": None, "seed": 0, **given},
        target=target,
        is_classification=target is not None,
    )


def test_values_are_drawn_by_shuffle_split() -> None:
    fitted, watched = _cut(seed=3)

    _, expected = next(ShuffleSplit(1, test_size=10, random_state=3).split(_ROWS))
    assert watched.tolist() == np.sort(_ROWS[expected]).tolist()
    assert sorted([*fitted, *watched]) == _ROWS.tolist()


def test_classes_are_drawn_by_stratified_shuffle_split() -> None:
    target = unequal_classes()

    _, watched = _cut(seed=3, target=target, strategy="stratified")

    splitter = StratifiedShuffleSplit(1, test_size=10, random_state=3)
    _, expected = next(splitter.split(_ROWS, target[_ROWS]))
    assert watched.tolist() == np.sort(_ROWS[expected]).tolist()


def test_rows_outside_have_no_say() -> None:
    target, groups = unequal_classes(), unequal_groups()
    changed, moved = target.copy(), groups.copy()
    changed[:10], moved[:10] = 2.0, 99

    before = _cut(target=target, groups=groups)
    after = _cut(target=changed, groups=moved)

    assert before[0].tolist() == after[0].tolist()
    assert before[1].tolist() == after[1].tolist()


def test_class_with_one_row_is_fitted_on() -> None:
    target = np.array([0.0] * 10 + [1.0] * 9 + [2.0])

    for seed in range(20):
        fitted, watched = _cut(np.arange(20), 0.5, target=target, seed=seed)

        assert 19 in fitted
        assert len(watched) == 10


def test_last_times_are_watched_together() -> None:
    time = np.array([5, 1, 4, 4, 2, 3, 5, 1])

    fitted, watched = _cut(np.arange(8), 0.1, time=time)

    assert watched.tolist() == [0, 6]
    assert fitted.tolist() == [1, 2, 3, 4, 5, 7]


def test_gap_leaves_times_out() -> None:
    time = np.arange(20)

    fitted, watched = _cut(np.arange(20), 0.1, time=time, gap=3, strategy="time_series")

    assert watched.tolist() == [18, 19]
    assert fitted.tolist() == list(range(15))


def test_share_of_times_is_reached_with_the_fewest_times() -> None:
    time = np.repeat(np.arange(10), 10)

    for n_watched in (1, 10, 11, 25, 30):
        _, watched = _cut(np.arange(100), n_watched / 100, time=time)

        assert len(watched) == -(-n_watched // 10) * 10


def test_unequal_groups_are_watched_near_the_fraction() -> None:
    groups = np.repeat(np.arange(21), [400] + [5] * 20)

    fitted, watched = _cut(np.arange(500), 0.1, groups=groups)

    assert 25 <= len(watched) <= 100
    assert not set(groups[fitted]) & set(groups[watched])


@pytest.mark.parametrize("n_groups", [300, 3000])
def test_groups_of_classes_are_watched_whole_in_nearly_the_classes_shares(n_groups: int) -> None:
    random = np.random.RandomState(1)
    groups = random.randint(0, n_groups, 12_000)
    target = (random.rand(n_groups) < 0.3).astype(float)[groups]
    rows = np.arange(2_000, 12_000)

    fitted, watched = _cut(rows, groups=groups, target=target, strategy="stratified_group")

    assert sorted([*fitted.tolist(), *watched.tolist()]) == rows.tolist()
    assert not set(groups[fitted]) & set(groups[watched])
    assert abs(len(watched) / len(rows) - 0.1) < 0.02
    assert abs(target[watched].mean() - target[fitted].mean()) < 0.02


def test_groups_leave_every_class_something_to_fit() -> None:
    groups = np.arange(40) // 4
    target = np.array([2.0] * 4 + [0.0, 1.0] * 18)

    for seed in range(10):
        fitted, _ = _cut(np.arange(40), 0.1, groups=groups, target=target, seed=seed)

        assert set(target[fitted]) == {0.0, 1.0, 2.0}


def test_same_seed_cuts_alike_and_another_does_not() -> None:
    first, again, other = _cut(seed=1)[1], _cut(seed=1)[1], _cut(seed=2)[1]

    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": np.array([4])}, "1 row"),
        ({"rows": np.arange(0)}, "0 row"),
        ({"rows": np.arange(5), "fraction": 0.95}, "5 row"),
        ({"groups": np.zeros(103, int)}, "1 group"),
        ({"time": np.zeros(103)}, "1 distinct time"),
        ({"time": np.arange(103) // 40, "gap": 2}, "at least 4"),
    ],
)
def test_too_little_to_cut_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _cut(**given)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=2, max_size=50),
    fraction=st.floats(0.01, 0.5),
    seed=st.integers(0, 2**32 - 1),
    role=st.sampled_from(["none", "groups", "time"]),
    is_classification=st.booleans(),
)
def test_parts_divide_the_rows(
    *,
    rows: list[tuple[int, int]],
    fraction: float,
    seed: int,
    role: str,
    is_classification: bool,
) -> None:
    codes = np.array([code for code, _ in rows])
    target = np.array([code for _, code in rows], float) if is_classification else None
    roles = {} if role == "none" else {role: codes}

    try:
        fitted, watched = _cut(np.arange(len(rows)), fraction, seed=seed, target=target, **roles)
    except UserError:
        assert role != "none"
        assert len(set(codes.tolist())) < 2
        return

    assert sorted([*fitted.tolist(), *watched.tolist()]) == list(range(len(rows)))
    assert len(fitted)
    assert len(watched)
    if role != "none":
        assert not set(codes[fitted].tolist()) & set(codes[watched].tolist())
    if role == "time":
        assert codes[fitted].max() < codes[watched].min()
