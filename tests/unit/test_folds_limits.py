from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from crossfold.errors import UserError
from crossfold.folds.options import FoldOptions
from tests.unit.fold_cases import folds_of, unequal_classes, unequal_groups

_TWO_CLASSES = np.array([0.0] * 9 + [1.0] * 4)
_TIMES = np.repeat(np.arange(8), 3)
_LOPSIDED = np.repeat(np.arange(5), [40, 2, 2, 2, 2])


@pytest.mark.parametrize(
    ("options", "roles", "largest"),
    [
        (FoldOptions(n_folds=12), {"n_rows": 11}, 11),
        (FoldOptions(n_folds=10), {"target": _TWO_CLASSES}, 9),
        (FoldOptions(n_folds=18), {"groups": unequal_groups()}, 17),
        (FoldOptions(n_folds=200), {"groups": unequal_groups()}, 17),
        (FoldOptions(n_folds=8), {"n_rows": 24, "time": _TIMES}, 7),
        (FoldOptions(n_folds=7, gap=1), {"n_rows": 24, "time": _TIMES}, 6),
        (FoldOptions(n_folds=20, gap=3), {"n_rows": 24, "time": _TIMES}, 4),
        # Three blocks of two times leave none before the gap, four blocks of one time do.
        (FoldOptions(n_folds=3, gap=3), {"n_rows": 24, "time": _TIMES}, 4),
        (FoldOptions(n_folds=60, n_repeats=20), {"n_rows": 100}, 50),
        (FoldOptions(n_folds=60, n_repeats=200), {"n_rows": 4}, 4),
        (FoldOptions(strategy="shuffle_split", n_folds=1001), {"n_rows": 10}, 1000),
    ],
)
def test_impossible_number_of_folds_names_the_largest_that_works(
    options: FoldOptions, roles: dict[str, Any], largest: int
) -> None:
    with pytest.raises(UserError, match=f"'cv_folds' is {options.n_folds}, but") as caught:
        folds_of(options, **roles)

    assert str(caught.value).endswith(f"the largest cv_folds that works is {largest}")
    assert folds_of(replace(options, n_folds=largest), **roles).n_folds == largest
    with pytest.raises(UserError):
        folds_of(replace(options, n_folds=largest + 1), **roles)


def test_largest_number_for_stratified_groups_was_tried() -> None:
    random = np.random.RandomState(1)
    groups = np.concatenate([np.zeros(60, int), random.randint(1, 6, 40)])
    target = (random.rand(100) < 0.5).astype(float)

    with pytest.raises(UserError) as caught:
        folds_of(FoldOptions(n_folds=40), target=target, groups=groups)

    found = re.search(r"works is (\d+)$", str(caught.value))
    assert found is not None
    largest = int(found[1])
    assert folds_of(FoldOptions(n_folds=largest), target=target, groups=groups).splits
    with pytest.raises(UserError):
        folds_of(FoldOptions(n_folds=largest + 1), target=target, groups=groups)


def test_folds_left_empty_by_stratified_groups_are_refused() -> None:
    """Five groups do not always fill five folds: this seed puts two of them into one."""
    groups = np.repeat(np.arange(5), [3, 60, 60, 3, 1])
    target = np.repeat([0.0, 1.0], [123, 4])
    roles: dict[str, Any] = {"target": target, "groups": groups}
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=16508)
    with pytest.warns(UserWarning, match="only 4 members"):
        theirs = [len(test) for _, test in splitter.split(target, target, groups)]
    assert min(theirs) == 0

    with pytest.raises(UserError, match="leaves a fold without rows.* that works is 4$"):
        folds_of(FoldOptions(n_folds=5, seed=16508), **roles)

    assert folds_of(FoldOptions(n_folds=4, seed=16508), **roles).n_folds == 4


def test_default_number_is_said_to_be_the_default() -> None:
    with pytest.raises(UserError, match=r"'cv_folds' is 5 \(the default\), but .* works is 3$"):
        folds_of(FoldOptions(), n_rows=3)


@pytest.mark.parametrize(
    ("options", "roles", "message"),
    [
        (FoldOptions(), {"n_rows": 1}, "at least 2"),
        (FoldOptions(n_folds=1), {}, "expected a number of at least 2"),
        (FoldOptions(), {"groups": np.zeros(103, int)}, "no number of folds works"),
        (FoldOptions(gap=2), {}, "'cv_gap' is 2, but cv_strategy is 'kfold'"),
        (FoldOptions(window=2), {}, "'cv_window' is 2"),
        (FoldOptions(p=2), {}, "'cv_p' is 2"),
        (FoldOptions(strategy="stratified"), {}, "a target of classes"),
        (FoldOptions(strategy="group"), {}, "'group_column'"),
        (FoldOptions(strategy="time_series"), {}, "'time_column'"),
        (FoldOptions(strategy="predefined"), {}, "'fold_column'"),
        (FoldOptions(strategy="leave_one_out", n_folds=5), {}, "makes 103 folds"),
        (FoldOptions(strategy="leave_one_out", n_repeats=2), {}, "leave cv_repeats out"),
        (FoldOptions(strategy="leave_one_out"), {"n_rows": 1001}, "1001 fits"),
        (FoldOptions(strategy="leave_p_out", p=3), {}, "176851 fits"),
        (FoldOptions(strategy="leave_p_out", p=103), {}, "at most 102"),
        (FoldOptions(strategy="leave_p_out", p=50_000), {"n_rows": 100_000}, "would need at least"),
        (FoldOptions(n_folds=3), {"n_rows": 4, "fold_values": np.array([0, 1, 0, 1])}, "2 folds"),
        (FoldOptions(), {"n_rows": 3, "fold_values": np.array([0, 0, 0])}, "one value only"),
        (FoldOptions(), {"n_rows": 3, "fold_values": np.array([0, -1, 1])}, "row 1"),
        (FoldOptions(), {"n_rows": 3, "groups": np.array(["a", "b", ""])}, "row 2"),
        (FoldOptions(), {"n_rows": 3, "time": np.array([1.0, np.nan, 2.0])}, "row 1"),
        (
            FoldOptions(),
            {"groups": unequal_groups(), "time": np.arange(103)},
            "'time_column' and 'group_column'",
        ),
        (
            FoldOptions(strategy="shuffle_split"),
            {"groups": np.zeros(103, int)},
            "cannot split this data",
        ),
    ],
)
def test_impossible_request_says_why(
    options: FoldOptions, roles: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        folds_of(options, **roles)


@pytest.mark.parametrize(("sizes", "largest"), [([5, 3, 1], 1), ([2, 2, 2, 2], 3)])
def test_repeats_that_groups_cannot_give_name_the_number_that_works(
    sizes: list[int], largest: int
) -> None:
    """Four groups of one size make three pairs of pairs."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    roles: dict[str, Any] = {"n_rows": len(groups), "groups": groups}
    options = FoldOptions(n_folds=3 if largest == 1 else 2, n_repeats=largest + 1)

    with pytest.raises(UserError, match=f"the largest cv_repeats that works is {largest}$"):
        folds_of(options, **roles)

    assert folds_of(replace(options, n_repeats=largest), **roles).n_repeats == largest


def test_class_rarer_than_the_folds_is_a_warning_with_its_count() -> None:
    made = folds_of(FoldOptions(n_folds=5), target=_TWO_CLASSES, class_names=("no", "yes"))

    assert made.warnings == (
        "class 'yes' has 4 row(s), fewer than the 5 folds: some folds hold none of it",
    )


def test_many_rare_classes_are_not_all_named() -> None:
    made = folds_of(FoldOptions(n_folds=5), target=np.array([*[0.0] * 9, *range(1, 41)]))

    assert made.warnings[9].startswith("class '10' has 1 row(s)")
    assert made.warnings[10] == "the same holds for 30 more class(es)"


def test_class_that_a_fold_never_fits_is_a_warning() -> None:
    made = folds_of(FoldOptions(n_folds=3), target=np.array([0.0] * 8 + [1.0]))

    assert "missing from the rows to fit on in 1 of 3 folds" in made.warnings[1]


@pytest.mark.parametrize(
    ("roles", "word"),
    [({"groups": unequal_groups()}, "group column"), ({"time": np.arange(103)}, "time column")],
)
def test_strategy_that_overlooks_a_column_is_a_warning(roles: dict[str, Any], word: str) -> None:
    made = folds_of(FoldOptions(strategy="kfold"), **roles)

    assert len(made.warnings) == 1
    assert word in made.warnings[0]


def test_very_unequal_group_folds_are_a_warning() -> None:
    made = folds_of(FoldOptions(n_folds=2), n_rows=48, groups=_LOPSIDED)

    assert made.warnings[0].startswith("folds hold out from 8 to 40 rows")


def test_ready_folds_win_over_a_strategy_with_a_warning() -> None:
    made = folds_of(FoldOptions(strategy="kfold"), n_rows=4, fold_values=np.array([0, 1, 0, 1]))

    assert made.strategy == "predefined"
    assert made.warnings == ("cv_strategy 'kfold' gives way to the ready folds",)


def test_ready_folds_that_tear_a_group_are_a_warning() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2])

    torn = folds_of(
        FoldOptions(), n_rows=6, groups=groups, fold_values=np.array([0, 1, 1, 1, 0, 1])
    )
    whole = folds_of(
        FoldOptions(), n_rows=6, groups=groups, fold_values=np.array([0, 0, 1, 1, 0, 0])
    )

    assert "different folds for 2 group(s)" in torn.warnings[0]
    assert whole.warnings == ()


def test_well_formed_rows_give_no_warning() -> None:
    assert folds_of(FoldOptions(), target=unequal_classes()).warnings == ()
