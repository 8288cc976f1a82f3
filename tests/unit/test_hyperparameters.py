"""Hyperparameters as text: files in all shapes, quotes, numbers, booleans and nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.contract.hyperparameters import (
    check_limits,
    decode_flag,
    decode_integer,
    decode_list,
    decode_number,
    is_nothing,
    read_hyperparameters,
    unquote,
)
from crossfold.errors import UserError

_FAST = settings(max_examples=50, deadline=None)


def _file(folder: Path, content: str | bytes) -> Path:
    path = folder / "hyperparameters.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_missing_file_means_no_hyperparameters(tmp_path: Path) -> None:
    assert read_hyperparameters(tmp_path / "hyperparameters.json") == {}


def test_a_byte_order_mark_of_an_editor_is_no_fault(tmp_path: Path) -> None:
    assert read_hyperparameters(_file(tmp_path, '\ufeff{"a": "x"}')) == {"a": "x"}


def test_numbers_and_booleans_become_texts(tmp_path: Path) -> None:
    path = _file(tmp_path, '{"a": "x", "b": 1, "c": 0.5, "d": true, "e": null}')

    assert read_hyperparameters(path) == {
        "a": "x", "b": "1", "c": "0.5", "d": "true", "e": "null"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not valid JSON"),
        ('{"a": "1"', "not valid JSON"),
        ("[1]", "holds a list"),
        ("3", "holds 3"),
        ("null", "holds null"),
        ('{"a": ["1"]}', "'a' as a list"),
        ('{"a": {"b": "1"}}', "'a' as an object"),
        ('{"a": "1", "a": "2"}', "'a' twice, as '1' and '2'"),
        (b'{"a": "\xff"}', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_malformed_file_is_refused_with_its_name(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        read_hyperparameters(_file(tmp_path, content))

    assert "hyperparameters.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_hyperparameters(tmp_path)


@given(st.dictionaries(st.text(), st.text()))
@_FAST
def test_any_object_of_texts_is_read_as_it_is(texts: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert read_hyperparameters(_file(Path(folder), json.dumps(texts))) == texts


@given(st.text())
@_FAST
def test_unquote_undoes_json_quoting_once(text: str) -> None:
    assert unquote(json.dumps(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"validation:auc"', "validation:auc"),
        ("validation:auc", "validation:auc"),
        ('""', ""),
        ('"', '"'),
        ('"a"b"', 'a"b'),
        ('""x""', '"x"'),
        (" 1 ", "1"),
        ('"128"', "128"),
    ],
)
def test_unquote_strips_one_pair(text: str, expected: str) -> None:
    assert unquote(text) == expected


@pytest.mark.parametrize("text", ["null", "None", ""])
def test_nothing_has_three_spellings(text: str) -> None:
    assert is_nothing(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("True", True), ("1", True), ("false", False), ("False", False), ("0", False)],
)
def test_flag_accepts_json_and_python(text: str, *, expected: bool) -> None:
    assert decode_flag(text) is expected


@pytest.mark.parametrize("text", ["yes", "2", "", "t", "1.0"])
def test_flag_refuses_the_rest(text: str) -> None:
    with pytest.raises(ValueError):
        decode_flag(text)


@given(st.integers(min_value=-(10**30), max_value=10**30))
@_FAST
def test_integers_are_read_exactly(number: int) -> None:
    assert decode_integer(str(number)) == number


@given(st.integers(min_value=-(2**50), max_value=2**50))
@_FAST
def test_integers_may_be_written_as_floats(number: int) -> None:
    assert decode_integer(repr(float(number))) == number


@pytest.mark.parametrize("text", ["5.5", "nan", "inf", "1_000", "0x10", "", "five", "٣", "1e400"])
def test_integer_refuses_the_rest(text: str) -> None:
    with pytest.raises(ValueError):
        decode_integer(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
@_FAST
def test_numbers_are_read_exactly(number: float) -> None:
    assert decode_number(repr(number)) == number


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "1_0", "1e999", "", "1,5", "٣"])
def test_number_refuses_what_is_not_finite_and_plain(text: str) -> None:
    with pytest.raises(ValueError):
        decode_number(text)


def test_infinity_is_read_where_it_is_allowed() -> None:
    assert decode_number("inf", infinite=True) == math.inf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", ("a", "b")),
        (" a , b ", ("a", "b")),
        ('["a,b", "c"]', ("a,b", "c")),
        ("['a', 'b']", ("a", "b")),
        ("[1, -1]", ("1", "-1")),
        ("(1,-1)", ("1", "-1")),
        ("(100,)", ("100",)),
        ("a", ("a",)),
        ("[]", ()),
    ],
)
def test_lists_come_in_json_python_and_plain(text: str, expected: tuple[str, ...]) -> None:
    assert decode_list(text) == expected


@given(st.lists(st.text(min_size=1)))
@_FAST
def test_json_lists_are_read_exactly(items: list[str]) -> None:
    assert decode_list(json.dumps(items)) == tuple(items)


def test_more_than_one_hundred_hyperparameters_are_refused() -> None:
    check_limits({str(i): "1" for i in range(100)})

    with pytest.raises(UserError, match="101 hyperparameters are given"):
        check_limits({str(i): "1" for i in range(101)})


def test_long_values_and_names_are_refused() -> None:
    check_limits({"a": "x" * 2500})

    with pytest.raises(UserError, match="hyperparameter 'a' is 2501 characters long"):
        check_limits({"a": "x" * 2501})
    with pytest.raises(UserError, match="a name of 257 characters"):
        check_limits({"a" * 257: "1"})
