from __future__ import annotations

import hashlib
import json
import pickle
import tracemalloc

import numpy as np
import pytest

from crossfold.errors import UserError
from crossfold.folds.assignment import Assignment, make_split
from crossfold.folds.options import FoldOptions
from tests.unit.fold_cases import folds_of, pairs_of


def test_rows_come_back_ascending_whatever_their_order() -> None:
    split = make_split(2, 1, 11, np.array([10, 0, 3]), train=np.array([8, 1]))

    assert split.test.tolist() == [0, 3, 10]
    assert split.train.tolist() == [1, 8]
    assert {split.test.dtype, split.train.dtype} == {np.dtype(np.int64)}
    assert (split.fold, split.repeat, split.n_train, split.n_test) == (2, 1, 2, 3)


def test_without_rows_to_fit_on_all_others_are() -> None:
    split = make_split(0, 0, 9, np.array([8, 1]))

    assert split.train.tolist() == [0, 2, 3, 4, 5, 6, 7]
    assert split.fits_all_others


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([], [1], "fold 0 has no rows to fit on"),
        ([1], [], "fold 0 has no held-out rows"),
        ([0, 1], [1, 2], "fold 0 fits on 1 of its own 2 held-out rows"),
    ],
)
def test_unsound_fold_is_refused(train: list[int], test: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_split(0, 0, 3, np.array(test, int), train=np.array(train, int))


def test_ready_folds_are_taken_as_they_are() -> None:
    pairs = [(np.array([3, 4]), np.array([0])), (np.array([4, 5, 0]), np.array([1, 2]))]

    ready = Assignment.from_ready(pairs, 6)

    assert pairs_of(ready) == [([3, 4], [0]), ([0, 4, 5], [1, 2])]
    assert (ready.strategy, ready.n_folds, ready.n_repeats) == ("predefined", 2, 1)
    assert json.loads(json.dumps(ready.sizes)) == [
        {"repeat": 0, "fold": 0, "n_train": 2, "n_test": 1},
        {"repeat": 0, "fold": 1, "n_train": 3, "n_test": 2},
    ]


def test_one_ready_fold_is_refused() -> None:
    with pytest.raises(UserError, match="at least 2"):
        Assignment.from_ready([(np.array([0]), np.array([1]))], 2)


def test_fingerprint_is_the_hash_of_the_rows_bits_by_hand() -> None:
    pairs = [(np.array([0, 9]), np.array([1])), (np.array([1]), np.array([0, 9]))]

    ready = Assignment.from_ready(pairs, 10)

    # Row 0 is the top bit of the first byte, row 9 the second bit of the second.
    text = (
        b"crossfold split 1\n"
        b"0 0 10\n"
        + bytes([0b01000000, 0, 0b10000000, 0b01000000])
        + b"0 1 10\n"
        + bytes([0b10000000, 0b01000000, 0b01000000, 0])
    )
    assert ready.fingerprint() == hashlib.sha256(text).hexdigest()


def test_fingerprint_tells_rows_not_their_origin() -> None:
    made = folds_of(FoldOptions(n_folds=3, seed=1))
    ready = Assignment.from_ready([(s.train, s.test) for s in made.splits], 103)
    other = folds_of(FoldOptions(n_folds=3, seed=2))

    assert ready.fingerprint() == made.fingerprint()
    assert other.fingerprint() != made.fingerprint()


def test_memory_does_not_hold_every_folds_rows() -> None:
    made = folds_of(FoldOptions(n_folds=20), n_rows=80_000)

    # 20 folds of an eighth of a byte a row; row numbers would take 12 MB.
    assert len(pickle.dumps(made)) < 20 * (80_000 // 8 + 1_000)


@pytest.mark.parametrize(
    "options",
    [FoldOptions(n_repeats=20), FoldOptions(strategy="shuffle_split", n_folds=100)],
)
def test_drawing_does_not_hold_every_folds_rows(options: FoldOptions) -> None:
    folds_of(options, n_rows=10)  # Imports are not rows.
    tracemalloc.start()
    try:
        folds_of(options, n_rows=50_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Bits of 100 splits are 0.6 MB; the row numbers of all their held-out parts are 8 MB.
    assert peak < 4_000_000
