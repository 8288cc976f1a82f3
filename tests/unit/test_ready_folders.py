from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from crossfold.data.options import DataOptions
from crossfold.data.ready_folders import (
    ReadyFolds,
    find_ready_folders,
    read_one_ready_fold,
    read_ready_folders,
)
from crossfold.errors import UserError
from tests.unit.channel_builder import write_channels

PUBLISHED = {
    "train/0/train_x.csv": "1,1\n2,2\n3,3\n",
    "train/0/train_y.csv": "0\n1\n0\n",
    "train/1/train_x.csv": "4,4\n5,5\n",
    "train/1/train_y.csv": "1\n1\n",
    "test/0/test_x.csv": "4,4\n5,5\n",
    "test/0/test_y.csv": "1\n1\n",
    "test/1/test_x.csv": "1,1\n2,2\n3,3\n",
    "test/1/test_y.csv": "0\n1\n0\n",
}
ALL = {"train/all/train_x.csv": "3,3\n1,1\n", "train/all/train_y.csv": "0\n0\n"}
PAIRS = {
    "train/0/a.csv": "y,a\n1,10\n",
    "train/1/a.csv": "y,a\n0,20\n1,21\n",
    "validation/0/v.csv": "a,y\n30,1\n31,0\n",
    "validation/1/v.csv": "a,y\n40,1\n",
}


def folds(
    root: Path,
    files: Mapping[str, str],
    options: DataOptions | None = None,
    *,
    n_folds: int | None = None,
    fewer_allowed: bool = False,
) -> ReadyFolds:
    channels = write_channels(root, files)
    layout = find_ready_folders(channels)
    assert layout is not None
    return read_ready_folders(
        layout,
        channels,
        options or DataOptions(),
        n_folds=n_folds,
        fewer_allowed=fewer_allowed,
    )


def held_out(ready: ReadyFolds, fold: int) -> list[float]:
    values: list[float] = ready.table.features[ready.splits[fold][1], 0].tolist()
    return values


def fitted(ready: ReadyFolds, fold: int) -> list[float]:
    values: list[float] = ready.table.features[ready.splits[fold][0], 0].tolist()
    return values


def numbered(ready: ReadyFolds) -> list[float]:
    """Return the first feature of the held-out rows in the order of their numbers."""
    rows = np.flatnonzero(ready.row_numbers >= 0)
    ordered = rows[np.argsort(ready.row_numbers[rows])]
    values: list[float] = ready.table.features[ordered, 0].tolist()
    return values


def test_published_layout_fits_train_and_holds_out_test(tmp_path: Path) -> None:
    ready = folds(tmp_path, PUBLISHED)

    assert [fitted(ready, 0), held_out(ready, 0)] == [[1, 2, 3], [4, 5]]
    assert [fitted(ready, 1), held_out(ready, 1)] == [[4, 5], [1, 2, 3]]
    assert numbered(ready) == [4, 5, 1, 2, 3]
    assert sorted(ready.table.features[ready.refit_rows, 0].tolist()) == [1, 2, 3, 4, 5]
    assert isinstance(ready.table.label, np.ndarray)
    assert ready.table.label[ready.splits[0][0]].tolist() == [0, 1, 0]
    assert ready.warning is None


def test_published_layout_refits_on_all(tmp_path: Path) -> None:
    ready = folds(tmp_path, PUBLISHED | ALL)

    assert ready.table.features[ready.refit_rows, 0].tolist() == [3, 1]
    assert len(ready.splits) == 2


def test_train_and_validation_folders_pair_up(tmp_path: Path) -> None:
    ready = folds(tmp_path, PAIRS)

    assert [fitted(ready, 0), held_out(ready, 0)] == [[10], [30, 31]]
    assert [fitted(ready, 1), held_out(ready, 1)] == [[20, 21], [40]]
    assert numbered(ready) == [30, 31, 40]
    assert ready.table.features[ready.refit_rows, 0].tolist() == [30, 31, 40]


def test_train_folders_alone_hold_out_each_in_turn_by_number(tmp_path: Path) -> None:
    files = {f"train/{i}/part.csv": f"y,a\n1,{i}\n0,{i}.5\n" for i in range(11)}
    ready = folds(tmp_path, files, n_folds=11)

    assert held_out(ready, 2) == [2, 2.5]
    assert held_out(ready, 10) == [10, 10.5]
    assert fitted(ready, 0) == sorted(set(numbered(ready)) - {0, 0.5}, key=lambda v: str(int(v)))
    assert numbered(ready) == [i + part for i in range(11) for part in (0, 0.5)]
    np.testing.assert_array_equal(ready.refit_rows, np.arange(22))
    assert all((np.diff(rows) > 0).all() for split in ready.splits for rows in split)


def test_other_channels_are_read_with_the_same_columns(tmp_path: Path) -> None:
    ready = folds(tmp_path, PAIRS | {"test/t.csv": "a,y\n50,1\n"})

    assert ready.others["test"].features.tolist() == [[50]]
    assert ready.others["test"].columns == ready.table.columns


@pytest.mark.parametrize(
    "files",
    [
        {"train/a.csv": "1,2\n"},
        {"train/x/a.csv": "1,2\n", "test/0/a.csv": "1,2\n"},
        {"train/train_x.csv": "1,2\n", "train/train_y.csv": "1\n"},
    ],
)
def test_other_layouts_are_no_ready_folds(tmp_path: Path, files: dict[str, str]) -> None:
    assert find_ready_folders(write_channels(tmp_path, files)) is None


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train/0/a.csv": "1,2\n", "train/2/a.csv": "1,2\n"}, "folders 0, 2; expected 0, 1, 2"),
        ({"train/1/a.csv": "1,2\n", "train/2/a.csv": "1,2\n"}, "folders 1, 2; expected 0, 1, 2"),
        ({"train/0/a.csv": "1,2\n", "train/b.csv": "1,2\n"}, "files outside of folders"),
        ({"train/0/a.csv": "1,2\n", "train/all/a.csv": "1,2\n"}, "folders 0, all"),
        ({"train/0/a.csv": "1,2\n"}, "1 ready fold"),
        (PAIRS | {"train/2/a.csv": "y,a\n1,2\n"}, "3 numbered folders and channel 'validation'"),
    ],
)
def test_folders_must_be_numbered_without_a_gap(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        folds(tmp_path, files)

    assert said in str(caught.value)


def test_number_of_folds_must_be_that_of_the_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="5 folds were asked for.*2 ready folders"):
        folds(tmp_path, PUBLISHED, n_folds=5, fewer_allowed=True)


def test_fewer_folds_use_the_first_folders_where_allowed(tmp_path: Path) -> None:
    files = {f"train/{i}/a.csv": f"1,{i}\n" for i in range(4)}

    with pytest.raises(UserError, match="3 folds were asked for"):
        folds(tmp_path / "strict", files, n_folds=3)
    ready = folds(tmp_path / "lenient", files, n_folds=3, fewer_allowed=True)

    assert len(ready.splits) == 3
    assert numbered(ready) == [0, 1, 2]
    assert ready.warning == "4 ready folders, of which the first 3 are used"


def test_pair_of_unequal_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="0/test_x.csv has 2 rows, its labels in .* have 3"):
        folds(tmp_path, PUBLISHED | {"test/0/test_y.csv": "1\n1\n0\n"})


def test_one_fold_alone_holds_its_fitted_rows_and_then_its_held_out_ones(tmp_path: Path) -> None:
    files = {
        "train/b.csv": "y,a\n0,20\n1,21\n",
        "train/a.csv": "y,a\n1,22\n",
        "validation/v.csv": "a,y\n40,1\n",
    }

    ready = read_one_ready_fold(
        "train_and_validation", 7, write_channels(tmp_path, files), DataOptions()
    )

    assert [fitted(ready, 0), held_out(ready, 0)] == [[22, 20, 21], [40]]
    assert ready.only == 7
    assert ready.table.n_rows == 4


def test_one_fold_alone_needs_both_its_channels(tmp_path: Path) -> None:
    channels = write_channels(tmp_path, {"train/a.csv": "y,a\n0,20\n1,21\n"})

    with pytest.raises(UserError, match="the job has not 'test'"):
        read_one_ready_fold("published", 0, channels, DataOptions())
