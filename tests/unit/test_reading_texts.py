from __future__ import annotations

import numpy as np
import pytest

from crossfold.data.cells import is_date, number_text, sort_texts
from crossfold.data.options import DataOptions
from crossfold.data.table import Column
from tests.unit.channel_builder import read, read_train, refusal

KEEP_B = DataOptions(categorical_columns=("b",))


def test_categories_are_sorted_and_shared_by_all_channels() -> None:
    tables = read({"train/a.csv": "y,b\n1,z\n0,m\n0,\n", "test/a.csv": "y,b\n1,a\n0,z\n"})

    assert tables["train"].columns == (Column("b", "category", ("a", "m", "z")),)
    assert tables["test"].columns == tables["train"].columns
    np.testing.assert_array_equal(tables["train"].features[:, 0], [2, 1, np.nan])
    np.testing.assert_array_equal(tables["test"].features[:, 0], [0, 2])


def test_text_in_one_channel_among_numbers_in_another_is_refused() -> None:
    message = refusal({"train/a.csv": "y,b\n1,2\n", "test/t.csv": "y,b\n1,3\n1,x\n"})

    assert "channel 'test', file t.csv, row 3, column 'b': 'x' is not a number" in message
    assert "drop_columns or categorical_columns" in message


def test_column_named_categorical_writes_equal_numbers_once() -> None:
    table = read_train("y,b\n1,10\n0,9\n1,9.0\n0,1e1\n1,\n", KEEP_B)

    assert table.columns == (Column("b", "category", ("9", "10")),)
    np.testing.assert_array_equal(table.features[:, 0], [1, 0, 0, 1, np.nan])


def test_column_named_categorical_may_mix_numbers_and_text() -> None:
    table = read_train("y,b\n1,10\n0,x\n", KEEP_B)

    assert table.columns[0].categories == ("10", "x")


@pytest.mark.parametrize(
    "cell",
    [
        "2020-01-31",
        "2020/1/31",
        "31/12/2020",
        "12/31/20",
        "31.12.2020",
        "2020-01-31 10:00",
        "2020-01-31T10:00:00.123Z",
        "2020-01-31T10:00:00+02:00",
        "1/31/2020 10:00:00 PM",
        "31-Jan-2020",
        "Jan 31 2020",
    ],
)
def test_dates_are_refused_unless_named_categorical(cell: str) -> None:
    message = refusal(f"y,b\n1,{cell}\n0,\n")
    kept = read_train(f"y,b\n1,{cell}\n0,\n", KEEP_B)

    assert f"channel 'train', file a.csv, column 'b' holds dates such as '{cell}'" in message
    assert "drop_columns" in message
    assert "categorical_columns" in message
    assert kept.columns[0].categories == (cell,)
    assert is_date(cell)


@pytest.mark.parametrize("text", ["2020", "1.5", "a-b-c", "10-20", "1/2", "x2020-01-01", "may"])
def test_what_only_resembles_a_date_is_none(text: str) -> None:
    assert not is_date(text)


def test_near_unique_text_is_refused_unless_named_categorical() -> None:
    content = "y,b\n" + "".join(f"{i % 2},user-{i}\n" for i in range(1001))

    message = refusal(content)
    kept = read_train(content, KEEP_B)

    assert (
        "channel 'train', file a.csv, column 'b' holds 1001 distinct texts in 1001 rows" in message
    )
    assert "drop_columns" in message
    assert len(kept.columns[0].categories) == 1001


def test_many_texts_that_repeat_are_categories() -> None:
    content = "y,b\n" + "".join(f"{i % 2},t{i % 1200}\n" for i in range(2400))

    assert len(read_train(content).columns[0].categories) == 1200


def test_thousand_distinct_texts_are_categories() -> None:
    content = "y,b\n" + "".join(f"{i % 2},t{i}\n" for i in range(1000))

    assert len(read_train(content).columns[0].categories) == 1000


def test_decimal_commas_are_refused() -> None:
    assert "decimal commas such as '2,5'" in refusal("y;b\n1;2,5\n0;3,5\n")


def test_guards_name_the_first_file_that_holds_such_a_text() -> None:
    files = {"train/a.csv": "y,b\n1,\n", "train/b.csv": "y,b\n1,\n0,2020-01-31\n"}

    assert "channel 'train', file b.csv, column 'b' holds dates" in refusal(files)


@pytest.mark.parametrize(
    ("text", "written"),
    [("1", "1"), ("1.0", "1"), ("1e0", "1"), ("+1", "1"), ("-0.0", "0"), ("007", "7"),
     ("9007199254740993", "9007199254740993"), ("0.10", "0.1"), ("1e300", "1e+300")],
)  # fmt: skip
def test_number_is_written_in_one_way(text: str, written: str) -> None:
    assert number_text(text) == written


def test_texts_sort_as_numbers_when_all_are_numbers() -> None:
    assert sort_texts(["10", "9", "-1", "0.5"]) == ["-1", "0.5", "9", "10"]
    assert sort_texts(["10", "9", "x"]) == ["10", "9", "x"]
