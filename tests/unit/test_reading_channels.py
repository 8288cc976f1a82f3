from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossfold.data.options import ChannelFiles, DataOptions
from crossfold.data.reading import read_channels
from crossfold.errors import UserError
from tests.unit.channel_builder import read, refusal, write_channels


def test_channel_without_files_says_where_it_looked(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").touch()

    with pytest.raises(UserError, match="channel 'train' has no files") as caught:
        read_channels([ChannelFiles("train", tmp_path)], DataOptions())

    assert str(tmp_path) in str(caught.value)
    assert "read permission" in str(caught.value)


def test_channel_without_a_folder_has_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="channel 'train' has no files"):
        read_channels([ChannelFiles("train", tmp_path / "absent")], DataOptions())


@pytest.mark.parametrize(
    "content_type",
    [
        "text/csv",
        "csv",
        "TEXT/CSV; charset=UTF-8",
        "text/csv;label_size=1",
        'text/csv; charset="utf-8"',
    ],
)
def test_content_type_decides_whatever_the_name(content_type: str) -> None:
    table = read({"train/part-0": "1,2\n0,3\n"}, content_type=content_type)["train"]

    np.testing.assert_array_equal(table.features, [[2], [3]])


@pytest.mark.parametrize(
    ("content_type", "said"),
    [
        ("image/png", "ContentType 'image/png' is unknown; expected one of text/csv"),
        ("text/csv; charset=latin-1", "has 'charset=latin-1'; expected charset="),
        ("text/csv; label_size=2", "has 'label_size=2'; expected label_size=1"),
    ],
)
def test_content_type_that_cannot_be_read_is_refused(content_type: str, said: str) -> None:
    assert said in refusal({"train/a.csv": "1,2\n"}, content_type=content_type)


def test_suffix_that_is_unknown_is_refused() -> None:
    message = refusal({"train/a.xlsx": "1,2\n"})

    assert "file a.xlsx: unknown format" in message
    assert ".csv" in message


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    channels = write_channels(tmp_path, {"train/a/b.csv": "1,2\n"})
    (tmp_path / "train" / "a" / "again").symlink_to(tmp_path / "train")

    table = read_channels(channels, DataOptions())["train"]

    assert table.n_rows == 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to("nowhere"), "is a link that cannot be read (No such file"),
        (lambda path: path.symlink_to(path.name), "is a link that cannot be read (Too many"),
        (os.mkfifo, "is a pipe, socket or device"),
    ],
)
def test_what_is_no_file_is_not_left_out_in_silence(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    channels = write_channels(tmp_path, {"train/0/a.csv": "1,2\n"})
    make(tmp_path / "train" / "0" / "b.csv")

    with pytest.raises(UserError, match="channel 'train', file 0/b.csv ") as caught:
        read_channels(channels, DataOptions())

    assert said in str(caught.value)


def test_what_is_hidden_may_be_anything(tmp_path: Path) -> None:
    channels = write_channels(tmp_path, {"train/a.csv": "1,2\n"})
    (tmp_path / "train" / "_b.csv").symlink_to("nowhere")

    assert read_channels(channels, DataOptions())["train"].n_rows == 1


def test_channels_may_differ_in_format() -> None:
    tables = read({"train/a.csv": "y,a\n1,2\n", "test/a.jsonl": '{"a": 3, "y": 0}\n'})

    np.testing.assert_array_equal(tables["test"].features, [[3]])


def test_libsvm_does_not_mix_with_columns() -> None:
    message = refusal({"train/a.csv": "y,a\n1,2\n", "test/a.libsvm": "1 0:1\n"})

    assert "channel 'test', file a.libsvm is LIBSVM" in message


def test_pairs_of_features_and_labels_are_one_table() -> None:
    tables = read(
        {
            "train/train_x.csv": "1,2\n3,4\n",
            "train/train_y.csv": "0\n1\n",
            "test/test_x.csv": "5,6\n",
            "test/test_y.csv": "1.0\n",
        }
    )

    np.testing.assert_array_equal(tables["train"].features, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(tables["train"].label, [0, 1])
    np.testing.assert_array_equal(tables["test"].features, [[5, 6]])
    np.testing.assert_array_equal(tables["test"].label, [1])


def test_pair_of_unequal_length_is_refused() -> None:
    message = refusal({"train/train_x.csv": "1,2\n3,4\n", "train/train_y.csv": "0\n"})

    assert "train_x.csv has 2 rows, its labels in train_y.csv have 1" in message


def test_labels_beside_features_are_one_column() -> None:
    message = refusal({"train/train_x.csv": "1,2\n", "train/train_y.csv": "0,1\n"})

    assert "train_y.csv has 2 columns; expected the label alone" in message
