from __future__ import annotations

import numpy as np
import pytest

from crossfold.data.options import DataOptions
from crossfold.data.table import TextColumn
from tests.unit.channel_builder import read, read_train, refusal

TEXT = "y,a,b,c\n1,2,3,4\n0,5,6,7\n"


@pytest.mark.parametrize("label", ["b", "2"])
def test_label_is_named_or_counted(label: str) -> None:
    table = read_train(TEXT, DataOptions(label=label))

    np.testing.assert_array_equal(table.label, [3, 6])
    assert table.label_name == "b"
    assert [column.name for column in table.columns] == ["y", "a", "c"]


def test_a_name_goes_before_an_index() -> None:
    table = read_train("a,0,y\n1,2,3\n4,5,6\n", DataOptions(label="0", header="true"))

    np.testing.assert_array_equal(table.label, [2, 5])


def test_files_without_header_have_their_indices_for_names() -> None:
    table = read_train("1,2,3\n0,5,6\n", DataOptions(label="2", drop_columns=("0",)))

    assert [column.name for column in table.columns] == ["1"]
    np.testing.assert_array_equal(table.features, [[2], [5]])


def test_no_column_with_a_role_is_a_feature() -> None:
    options = DataOptions(
        id_column="i",
        weight_column="w",
        group_column="g",
        time_column="t",
        fold_column="f",
        drop_columns=("d",),
    )
    table = read_train("y,i,w,g,t,f,d,a\n1,007,2,10,5,1,9,3\n0,NA,0,9,4,0,9,4\n", options)

    assert [column.name for column in table.columns] == ["a"]
    np.testing.assert_array_equal(table.features, [[3], [4]])
    assert table.ids is not None
    assert table.ids.tolist() == ["007", "NA"]
    np.testing.assert_array_equal(table.weight, [2, 0])
    np.testing.assert_array_equal(table.time, [5, 4])
    assert table.group is not None
    assert table.fold is not None
    assert table.group.values == ("9", "10")
    np.testing.assert_array_equal(table.group.codes, [1, 0])
    assert table.fold.values == ("0", "1")


def test_groups_of_text_sort_as_texts() -> None:
    table = read_train("y,g,a\n1,b,1\n1,10,2\n1,9,3\n", DataOptions(group_column="g"))

    assert table.group is not None
    assert table.group.values == ("10", "9", "b")


def test_order_of_columns_is_free_where_names_are_known() -> None:
    tables = read({"train/a.csv": TEXT, "test/b.csv": "c,b,y,a\n40,30,1,20\n"})

    np.testing.assert_array_equal(tables["test"].features, [[20, 30, 40]])
    np.testing.assert_array_equal(tables["test"].label, [1])
    assert tables["test"].columns == tables["train"].columns


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (DataOptions(label="target"), "hyperparameter 'label' names the column 'target'"),
        (DataOptions(weight_column="aa"), "did you mean 'a'? known: 'y', 'a', 'b', 'c'"),
        (DataOptions(label="4"), "hyperparameter 'label' names the column '4'"),
        (DataOptions(drop_columns=("z",)), "hyperparameter 'drop_columns' names the column 'z'"),
        (DataOptions(categorical_columns=("z",)), "hyperparameter 'categorical_columns' names"),
        (DataOptions(id_column="a", group_column="a"), "column 'a' has two roles"),
        (DataOptions(weight_column="y"), "no label is given"),
        (DataOptions(label="a", drop_columns=("a",)), "is the label column and in drop_columns"),
        (DataOptions(drop_columns=("a", "b", "c")), "leaves no feature"),
    ],
)
def test_contradictory_roles_are_refused(options: DataOptions, said: str) -> None:
    assert said in refusal(TEXT, options)


def test_long_name_leaves_room_for_what_is_known() -> None:
    message = refusal(TEXT, DataOptions(group_column="q" * 2000))

    assert "names the column 'qqq" in message
    assert "known: 'y', 'a', 'b', 'c'" in message
    assert len(message) < 250


def test_long_names_that_are_known_leave_room_for_the_place() -> None:
    message = refusal(f"y,{'a' * 2000}\n1,2\n1,inf\n")

    assert "row 3, column 'aaa" in message
    assert "the number is infinite" in message
    assert len(message) < 400


def test_index_without_header_must_be_in_range() -> None:
    message = refusal("1,2\n3,4\n", DataOptions(label="age"))

    assert "has no header" in message or "the file has no header" in message
    assert "0-based index below 2" in message


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,-1\n1,2\n", "row 2, column 'w': the weight is -1.0; expected a finite number"),
        ("1,2\n1,inf\n", "row 3, column 'w': the weight is inf"),
        ("1,2\n1,\n", "row 3, column 'w': the weight is missing"),
        ("1,0\n1,0\n", "every weight is 0"),
        ("1,2\n1,x\n", "row 3, column 'w': 'x' is not a number"),
        ("1,v\n1,x\n", "row 2, column 'w': 'v' is not a number"),
    ],
)
def test_weights_are_finite_and_not_negative(rows: str, said: str) -> None:
    content = "y,w,a\n" + rows.replace("\n", ",1\n")

    assert said in refusal(content, DataOptions(weight_column="w"))


@pytest.mark.parametrize("role", ["group", "time", "fold"])
def test_role_without_a_value_is_refused(role: str) -> None:
    options = DataOptions(**{f"{role}_column": "r"})  # type: ignore[arg-type]  # names of fields

    message = refusal("y,r,a\n1,1,2\n0,,3\n", options)

    assert f"row 3, column 'r': the {role} is missing" in message


def test_times_are_nanoseconds_in_utc() -> None:
    content = (
        "y,t,a\n1,2024-05-31,1\n1,2024-05-31T02:00:00+02:00,1\n1,1970-01-01 00:00:01.5Z,1\n"
        "1,1969-12-31T23:59:59.999999999,1\n"
    )
    table = read_train(content, DataOptions(time_column="t"))

    midnight = int(np.datetime64("2024-05-31", "ns").astype(np.int64))
    assert table.time is not None
    assert table.time.tolist() == [midnight, midnight, 1_500_000_000, -1]


@pytest.mark.parametrize("cell", ["31/12/2024", "soon", "9999-12-31", "17"])
def test_what_is_no_time_is_refused(cell: str) -> None:
    content = f"y,t,a\n1,2024-05-31,1\n1,{cell},1\n"

    message = refusal(content, DataOptions(time_column="t"))

    assert f"row 3, column 't': '{cell}' is not a time" in message


@pytest.mark.parametrize(
    "first",
    [["0", "1", "2", "3", "4"], ["7", "8", "9", "10", "11"], ["p", "q", "r", "s", "t"]],
)
def test_first_column_that_looks_like_an_index_asks_for_the_label(first: list[str]) -> None:
    message = refusal("id,a,y\n" + "".join(f"{cell},2,1\n" for cell in first))

    assert "the first column 'id' would be the label but looks like an index" in message
    assert "set hyperparameter 'label'" in message
    assert "'id', 'a', 'y'" in message


def test_index_that_starts_again_in_each_file_is_still_an_index() -> None:
    content = "id,y\n0,1\n1,2\n2,1\n"

    assert "looks like an index" in refusal({"train/a.csv": content, "train/b.csv": content})


@pytest.mark.parametrize("label", [None, "y"])
def test_label_that_was_named_or_has_no_name_may_count_up(label: str | None) -> None:
    header = "y,a\n" if label else ""
    table = read_train(header + "0,1\n1,2\n2,1\n3,5\n4,4\n", DataOptions(label=label))

    np.testing.assert_array_equal(table.label, [0, 1, 2, 3, 4])


def test_label_named_categorical_keeps_its_numbers_as_texts() -> None:
    table = read_train("y,a\n1,1\nx,2\n1.0,3\n", DataOptions(categorical_columns=("y",)))

    assert isinstance(table.label, TextColumn)
    assert table.label.values == ("1", "x")
