from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.data.options import DataOptions
from crossfold.data.table import Column, Table
from crossfold.errors import UserError
from tests.unit.channel_builder import read, refusal

NAN = float("nan")


def read_json(content: str, options: DataOptions | None = None) -> Table:
    return read({"train/a.jsonl": content}, options)["train"]


def test_objects_give_columns_by_key_and_absent_keys_are_missing() -> None:
    table = read_json('{"y": 1, "a": 2.5}\n\n{"b": "x", "y": 0}\n{"y": 1, "a": null, "b": "NA"}\n')

    assert table.columns == (Column("a", "number"), Column("b", "category", ("x",)))
    np.testing.assert_array_equal(table.features, [[2.5, NAN], [NAN, 0], [NAN, NAN]])
    np.testing.assert_array_equal(table.label, [1, 0, 1])


def test_arrays_give_columns_by_position() -> None:
    table = read_json("[1, 2, true]\n[0, null, false]\n")

    assert [column.name for column in table.columns] == ["1", "2"]
    np.testing.assert_array_equal(table.features, [[2, 1], [NAN, 0]])


def test_key_that_comes_late_is_a_column_and_label_may_be_any() -> None:
    lines = ['{"a": 1, "y": 2}'] * 5_000 + ['{"a": 1, "y": 2, "late": 9}']
    table = read_json("\n".join(lines), DataOptions(label="y"))

    assert [column.name for column in table.columns] == ["a", "late"]
    assert table.features[-1].tolist() == [1, 9]
    assert np.isnan(table.features[:-1, 1]).all()


def test_texts_that_are_numbers_are_numbers() -> None:
    table = read_json('{"y": "1", "a": "2.5"}\n{"y": 0, "a": 7}\n')

    np.testing.assert_array_equal(table.features, [[2.5], [7]])
    np.testing.assert_array_equal(table.label, [1, 0])


def test_ids_are_kept_as_written() -> None:
    lines = f'{{"y": 1, "i": "007", "a": 1}}\n{{"y": 0, "i": {2**60 + 1}, "a": 2}}\n'
    table = read_json(lines, DataOptions(id_column="i"))

    assert table.ids is not None
    assert table.ids.tolist() == ["007", str(2**60 + 1)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "file a.jsonl is empty"),
        ("{}\n", "file a.jsonl is empty"),
        ('{"y": 1, "a": 2}\n{"y": 1,\n', "row 2 is not JSON"),
        ('{"y": 1, "a": 2}\n\n7\n', "row 3 holds 7; expected an object or an array"),
        ('{"y": 1, "a": 2}\n[1, 2]\n', "row 2: objects and arrays are mixed"),
        ("[1, 2]\n[1]\n", "row 2 has 1 values, the first line has 2"),
        ('{"y": 1, "a": 2}\n{"y": 1, "a": {"b": 1}}\n', "column 'a' is nested"),
        ('{"y": 1, "a": 2, "a": 3}\n', "row 1 is not JSON (key 'a' is there twice)"),
        ('{"y": 1, "a": 2}\n{"y": 1, "a": Infinity}\n', "row 2, column 'a': the number is inf"),
        ('{"y": 1, "a": 1' + "0" * 400 + "}\n", "row 1, column 'a': the number is infinite"),
        ('{"y": 1, "a": 2}\n{"y": null, "a": 3}\n', "row 2, column 'y': the label is missing"),
        ('{"y": 1, "a": 2}\n{"y": 1, "a": "x"}\n', "row 2, column 'a': 'x' is not a number"),
        ('{"y": 1, "a": "2020-01-31"}\n', "column 'a' holds dates"),
        ('{"y": 1, "\\ud800": 2}\n', "file a.jsonl: the key '\\ud800' holds half a character"),
        (
            '{"y": 1, "a": "\\ud83d\\ude00"}\n\n{"y": 0, "a": "x\\ud83d"}\n',
            r"row 3, column 'a': 'x\ud83d' holds half a character",
        ),
        ('[1, "x"]\n' * 5000 + '[0, "\\udc80"]\n', "row 5001, column '1': "),
    ],
)
def test_broken_line_is_refused_with_its_row(content: str, said: str) -> None:
    assert said in refusal({"train/a.jsonl": content})


def test_text_that_is_not_utf8_is_refused() -> None:
    assert "row 2 is not UTF-8" in refusal({"train/a.jsonl": b'[1, 2]\n[1, "\xe9"]\n'})


@pytest.mark.parametrize(
    "options",
    [DataOptions(label="r"), DataOptions(id_column="r"), DataOptions(group_column="r")],
)
def test_half_a_character_is_refused_in_every_role(options: DataOptions) -> None:
    content = '{"y": 1, "a": 2, "r": "x"}\n{"y": 0, "a": 3, "r": "\\ud83d"}\n'
    said = refusal({"train/a.jsonl": content}, options)

    assert r"row 2, column 'r': '\ud83d' holds half a character" in said


def test_a_whole_pair_is_one_character_and_a_column_without_a_role_is_not_read() -> None:
    pair = '{"y": 1, "a": "\\ud83d\\ude00"}\n{"y": 0, "a": "z"}\n'
    assert read_json(pair).columns == (Column("a", "category", ("z", "\U0001f600")),)

    half = '{"y": 1, "a": 2, "r": "\\ud83d"}\n'
    assert read_json(half, DataOptions(drop_columns=("r",))).columns == (Column("a", "number"),)


VALUES = st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=3))


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.dictionaries(st.sampled_from("yab"), VALUES), max_size=8))
def test_arbitrary_objects_are_read_or_refused(rows: list[dict[str, object]]) -> None:
    content = "\n".join(json.dumps(row) for row in rows)

    try:
        table = read_json(content)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert table.n_rows == len(rows)
