"""What is written is read back, by other readers than ours, as exactly what the model said."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.encoding.encode import (
    CSV,
    JSON,
    JSON_LINES,
    MEDIA_TYPES,
    NPY,
    encode,
    encode_lines,
    writable,
    writable_by_line,
)
from serve.outputs import Labels, Output

QUICK = settings(max_examples=300, deadline=None)
NO_NUMBER = 'elm, "yew"\r\n\u2028é'

doubles = st.one_of(
    st.floats(width=64),
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, 1.0, 1e16, 1e-7, 5e-324, 0.1, math.nan, math.inf, -math.inf]),
)
nasty = st.sampled_from(
    ["", "a,b", '"', "\n", "\r", "a\r\nb", "null", "007", "},{", "\0", "é", "𝄞"]
)
texts = st.one_of(st.text(max_size=5), nasty)
names = st.lists(texts, min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def label_sets(draw: st.DrawFn) -> tuple[Labels, list[Any]]:
    """Draw classes, and what a client shall read for each."""
    if draw(st.booleans()):
        listed = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
        listed = [text for text in listed if text != NO_NUMBER] + [NO_NUMBER]
        return Labels.of(listed), list(listed)
    whole = st.integers(-(2**70), 2**70)
    finite = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x != 0)
    numbers: list[Any] = draw(
        st.lists(st.one_of(whole, finite), min_size=1, max_size=4, unique=True)
    )
    return Labels.of([repr(number) for number in numbers]), numbers


@st.composite
def outputs_of_rows(draw: st.DrawFn) -> tuple[tuple[Output, ...], list[list[Any]]]:
    """Draw outputs, and for each of them what a client shall read for each row."""
    n_rows = draw(st.integers(1, 5))
    kinds = draw(st.lists(st.sampled_from(sorted(_DRAWN)), min_size=1, max_size=4))
    keys = draw(st.lists(texts, min_size=len(kinds), max_size=len(kinds), unique=True))
    drawn = [_DRAWN[kind](draw, key, n_rows) for key, kind in zip(keys, kinds, strict=True)]
    return tuple(output for output, _ in drawn), [said for _, said in drawn]


Drawn = tuple[Output, list[Any]]


def _draw_numbers(draw: st.DrawFn, key: str, n_rows: int) -> Drawn:
    values = draw(st.lists(doubles, min_size=n_rows, max_size=n_rows))
    return Output(key, np.array(values)), [_shown(value) for value in values]


def _draw_lists(draw: st.DrawFn, key: str, n_rows: int) -> Drawn:
    width = draw(st.integers(1, 4))
    values = _table(draw, (n_rows, width))
    # As slices of predictions are: neither contiguous nor in C order.
    return Output(key, np.asfortranarray(values)), _nested(values)


def _draw_labels(draw: st.DrawFn, key: str, n_rows: int) -> Drawn:
    labels, said = draw(label_sets())
    codes = draw(st.lists(st.integers(0, len(said) - 1), min_size=n_rows, max_size=n_rows))
    return Output(key, np.array(codes, dtype=np.int64), labels), [said[code] for code in codes]


def _draw_label_lists(draw: st.DrawFn, key: str, n_rows: int) -> Drawn:
    labels, said = draw(label_sets())
    codes = np.broadcast_to(np.arange(len(said)), (n_rows, len(said)))
    if draw(st.booleans()):
        codes = (codes + np.arange(n_rows)[:, np.newaxis]) % len(said)
    return Output(key, codes, labels), [[said[code] for code in row] for row in codes]


def _draw_objects(draw: st.DrawFn, key: str, n_rows: int) -> Drawn:
    called = draw(names)
    n_classes = draw(st.integers(0, 3))
    shape = (n_rows, n_classes, len(called)) if n_classes else (n_rows, len(called))
    values = _table(draw, shape)

    def named(part: Any) -> Any:
        if part and isinstance(part[0], list):
            return [named(item) for item in part]
        return dict(zip(called, part, strict=True))

    return Output(key, values, names=called), [named(row) for row in _nested(values)]


_DRAWN = {
    "numbers": _draw_numbers,
    "lists": _draw_lists,
    "labels": _draw_labels,
    "label lists": _draw_label_lists,
    "objects": _draw_objects,
}


def _table(draw: st.DrawFn, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    size = math.prod(shape)
    return np.array(draw(st.lists(doubles, min_size=size, max_size=size))).reshape(shape)


def _nested(values: np.ndarray[Any, Any]) -> list[Any]:
    def shown(part: Any) -> Any:
        return [shown(item) for item in part] if isinstance(part, list) else _shown(part)

    return [shown(row) for row in values.tolist()]


def _shown(value: float) -> float | None:
    return value if math.isfinite(value) else None


def strict_json(text: bytes | str) -> Any:
    """Read JSON as the standard says: no NaN, no name twice."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def exact(value: Any) -> str:
    """Tell values apart that are equal in Python: 0.0 and -0.0, but not 2.0 and 2."""
    if isinstance(value, list):
        return f"[{', '.join(map(exact, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {exact(item)}' for name, item in value.items())}}}"
    if isinstance(value, float) and value.is_integer() and value:
        return repr(int(value))
    return repr(value)


@QUICK
@given(outputs_of_rows())
def test_json_is_strict_and_says_what_the_model_said(
    drawn: tuple[tuple[Output, ...], list[list[Any]]],
) -> None:
    outputs, said = drawn
    keys = [output.key for output in outputs]
    rows = [dict(zip(keys, values, strict=True)) for values in zip(*said, strict=True)]

    document = strict_json(encode(JSON, outputs))

    assert exact(document) == exact({"predictions": rows})


@QUICK
@given(outputs_of_rows(), st.sampled_from(JSON_LINES))
def test_json_lines_have_one_object_for_each_row(
    drawn: tuple[tuple[Output, ...], list[list[Any]]], media_type: str
) -> None:
    outputs, said = drawn
    keys = [output.key for output in outputs]

    lines = encode(media_type, outputs).split(b"\n")

    rows = [dict(zip(keys, values, strict=True)) for values in zip(*said, strict=True)]
    assert [exact(strict_json(line)) for line in lines] == [exact(row) for row in rows]


@QUICK
@given(outputs_of_rows())
def test_csv_has_one_record_for_each_row_and_one_cell_for_each_key(
    drawn: tuple[tuple[Output, ...], list[list[Any]]],
) -> None:
    outputs, said = drawn

    text = encode(CSV, outputs).decode()

    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(records) == len(said[0])
    for record, values in zip(records, zip(*said, strict=True), strict=True):
        assert len(record) == len(values)
        for cell, value in zip(record, values, strict=True):
            assert_cell(cell, value)


def assert_cell(cell: str, value: Any) -> None:
    if isinstance(value, list | dict):
        assert exact(strict_json(cell)) == exact(value)
    elif isinstance(value, str) or value is None:
        assert cell == (value or "")
    else:
        read = int(cell) if cell.lstrip("-").isdigit() else float(cell)
        assert exact(read) == exact(value)


@QUICK
@given(outputs_of_rows(), st.sampled_from([media for media in MEDIA_TYPES if media != NPY]))
def test_each_line_is_what_its_row_alone_is_answered_with(
    drawn: tuple[tuple[Output, ...], list[list[Any]]], media_type: str
) -> None:
    outputs, said = drawn
    rows = [
        [Output(o.key, o.values[row : row + 1], o.labels, o.names) for o in outputs]
        for row in range(len(said[0]))
    ]

    lines = encode_lines(media_type, outputs)

    assert lines == [encode(media_type, row) for row in rows]
    if media_type != JSON:
        assert b"\n".join(lines) == encode(media_type, outputs)
    if media_type in writable_by_line(outputs):
        assert not any(b"\n" in line or b"\r" in line for line in lines)
        assert all(lines)


@QUICK
@given(outputs_of_rows())
def test_npy_holds_the_same_numbers_and_texts_wherever_it_can_be_had(
    drawn: tuple[tuple[Output, ...], list[list[Any]]],
) -> None:
    outputs, said = drawn
    if NPY not in writable(outputs):
        return

    array = np.load(io.BytesIO(encode(NPY, outputs)), allow_pickle=False)

    rows = [flat(list(values)) for values in zip(*said, strict=True)]
    read = array.reshape(len(array), -1).tolist()
    if array.dtype.kind == "U":
        assert read == rows
    else:
        assert [[_shown(x) for x in row] for row in read] == [
            [None if x is None else float(x) for x in row] for row in rows
        ]
    assert array.flags.c_contiguous


def flat(values: Sequence[Any]) -> list[Any]:
    return [x for value in values for x in (value if isinstance(value, list) else [value])]


@QUICK
@given(st.lists(st.lists(doubles, min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_default_list_is_spread_over_cells(rows: list[list[float]]) -> None:
    output = Output("score", np.array(rows))

    text = encode(CSV, [output]).decode()

    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert [[exact(float(cell)) if cell else "" for cell in record] for record in records] == [
        [exact(value) if math.isfinite(value) else "" for value in row] for row in rows
    ]


def test_the_bytes_are_these() -> None:
    red = Labels.of(["red", 'a "b", c'])
    codes = np.array([1, 0])
    shares = np.array([[0.25, 0.75], [1.0, math.nan]])
    selected = [
        Output("predicted_label", codes, red),
        Output("probability", shares[:, 1]),
        Output("labels", np.array([[0, 1], [0, 1]]), red),
        Output("contributions", shares, names=('x"', "bias")),
    ]

    assert encode(CSV, [Output("score", shares[:, 1])]) == b'0.75\n""'
    assert encode(CSV, [Output("score", shares)]) == b"0.25,0.75\n1.0,"
    assert encode(JSON, [Output("score", shares[:, 1])]) == (
        b'{"predictions":[{"score":0.75},{"score":null}]}'
    )
    assert encode(CSV, selected).split(b"\n")[1] == (
        b'red,,"[""red"",""a \\""b\\"", c""]","{""x\\"""":1.0,""bias"":null}"'
    )
    assert encode(JSON_LINES[0], selected).split(b"\n")[0] == (
        rb'{"predicted_label":"a \"b\", c","probability":0.75,'
        rb'"labels":["red","a \"b\", c"],"contributions":{"x\"":0.25,"bias":0.75}}'
    )


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        (("0", "1"), np.int64),
        (("-5", "9223372036854775807"), np.int64),
        (("0.5", "2"), np.float64),
        (("1", "9223372036854775808"), np.float64),
        (("1", "é"), "<U1"),
    ],
)
def test_npy_labels_are_whole_numbers_where_all_classes_are(
    classes: tuple[str, str], dtype: Any
) -> None:
    outputs = [Output("score", np.array([1, 0, 1]), Labels.of(classes))]

    array = np.load(io.BytesIO(encode(NPY, outputs)), allow_pickle=False)

    assert array.dtype == np.dtype(dtype)
    assert array.tolist() == [array.dtype.type(classes[code]) for code in (1, 0, 1)]


def test_npy_tells_no_more_of_what_is_not_finite_than_json_can() -> None:
    values = np.array([math.inf, -math.inf, math.nan, 1.5])

    array = np.load(io.BytesIO(encode(NPY, [Output("score", values)])), allow_pickle=False)

    np.testing.assert_array_equal(array, [math.nan, math.nan, math.nan, 1.5])


def test_npy_sets_several_keys_side_by_side() -> None:
    labels = Labels.of(["3", "7"])
    outputs = [
        Output("predicted_label", np.array([1, 0]), labels),
        Output("probabilities", np.array([[0.25, 0.75], [1.0, 0.0]])),
    ]

    array = np.load(io.BytesIO(encode(NPY, outputs)), allow_pickle=False)

    assert array.tolist() == [[7.0, 0.25, 0.75], [3.0, 1.0, 0.0]]


def test_one_array_holds_no_objects_and_no_text_beside_numbers() -> None:
    number = Output("probability", np.array([0.5]))
    text = Output("predicted_label", np.array([0]), Labels.of(["red"]))
    objects = Output("contributions", np.array([[0.5, 1.0]]), names=("a", "bias"))
    padded = Output("predicted_label", np.array([0]), Labels.of(["red\0"]))

    assert NPY in writable([number])
    assert NPY in writable([text, text])
    for outputs in ([number, text], [objects], [padded]):
        assert NPY not in writable(outputs)
        assert writable(outputs) == MEDIA_TYPES[:-1]


def test_csv_is_no_answer_by_line_where_a_class_has_a_line_break() -> None:
    labels = Labels.of(["a\nb", "c"])

    assert CSV not in writable_by_line([Output("predicted_label", np.array([1]), labels)])
    assert CSV in writable_by_line([Output("labels", np.array([[0, 1]]), labels)])


def test_no_outputs_are_no_lines() -> None:
    assert [encode_lines(media, ()) for media in (CSV, JSON, *JSON_LINES)] == [[]] * 6


def test_many_rows_are_written_as_each_of_them_alone() -> None:
    values = np.random.default_rng(7).normal(size=(3000, 4))
    outputs = [
        Output("score", values),
        Output("probability", values[:, 1]),
        Output("contributions", values.reshape(3000, 2, 2), names=("a", "bias")),
    ]

    for media_type in (CSV, JSON_LINES[0]):
        lines = encode_lines(media_type, outputs)
        for row in (0, 1, 1499, 2999):
            alone = [Output(o.key, o.values[row : row + 1], names=o.names) for o in outputs]
            assert lines[row] == encode(media_type, alone)
