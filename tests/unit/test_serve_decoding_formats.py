"""Every format means the same: the same values give the same matrix, bit by bit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfold.data.cells import is_missing, is_number
from crossfold.data.table import Column
from serve.decoding import csv_rows
from serve.decoding.csv_blocks import decode_large_csv
from serve.decoding.decode import CONTENT_TYPES, decode
from serve.decoding.lines import decode_lines, reads_lines
from serve.refusals import Refusal
from serve.schema import Schema
from tests.unit.test_serve_schema import schema

LARGEST = float(np.finfo(np.float32).max)
NUMBERS = st.one_of(
    st.none(),
    st.floats(-LARGEST, LARGEST),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([1 + 2**-24 + 2**-50, -0.0, 5e-324, 2**53 + 1]),
)
TEXTS = st.sampled_from(["x", " x ", "é", "1", "1.0", 'q"', "new", "l\nm", "NA", None, ""])
CATEGORIES = ("0.5", "1", 'q"', "x", "é", "l\nm")


@st.composite
def tables(draw: st.DrawFn) -> tuple[Schema, list[list[Any]], list[int]]:
    """Draw columns, rows that fit them, and another order of the columns."""
    kinds = draw(st.lists(st.booleans(), min_size=2, max_size=4))
    columns = [
        Column(f"é{i}", "number") if number else Column(f"c{i}", "category", CATEGORIES)
        for i, number in enumerate(kinds)
    ]
    row = st.tuples(*(NUMBERS if number else TEXTS for number in kinds)).map(list)
    rows = draw(st.lists(row, min_size=1, max_size=5))
    made = schema(*columns, algorithm=draw(st.sampled_from(["xgboost", "lightgbm"])))
    return made, rows, draw(st.permutations(range(len(kinds))))


def same(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    assert actual.dtype == expected.dtype
    assert actual.flags.c_contiguous
    np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(np.signbit(actual), np.signbit(expected))


def as_csv(rows: list[list[Any]], **options: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", **options)
    writer.writerows([["" if v is None else v for v in row] for row in rows])
    return text.getvalue().encode()


def as_parquet(made: Schema, rows: list[list[Any]], order: list[int]) -> bytes:
    columns = {}
    for place in order:
        is_number_column = made.codes[place] is None
        cells = [row[place] for row in rows]
        if is_number_column:
            cells = [None if cell is None else float(cell) for cell in cells]
        kind = pa.float64() if is_number_column else pa.string()
        columns[made.names[place]] = pa.array(cells, type=kind)
    columns["__index_level_0__"] = pa.array(range(len(rows)))
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def as_npy(values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def expected_of(made: Schema, rows: list[list[Any]]) -> NDArray[Any]:
    """Do slowly and plainly what every reader does."""
    values = np.full((len(rows), made.n_features), np.nan)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            codes = made.codes[j]
            if codes is None:
                values[i, j] = np.nan if cell is None else float(cell)
            elif cell is not None and not is_missing(cell):
                text = "1" if cell == "1.0" else cell.strip()
                values[i, j] = codes.get(text, len(codes))
    return values.astype(made.dtype)


@settings(max_examples=50, deadline=None)
@given(drawn=tables(), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_csv_is_read_the_same_by_python_and_by_arrow(
    drawn: tuple[Schema, list[list[Any]], list[int]], quoting: Any
) -> None:
    made, rows, order = drawn
    names = [[made.names[place] for place in order]]
    plain = as_csv(rows, quoting=quoting)
    named = as_csv([*names, *([row[p] for p in order] for row in rows)], quoting=quoting)

    for body in (plain, named, b"\xef\xbb\xbf" + named):
        same(decode("text/csv", body, made), expected_of(made, rows))
    for body in (plain, named):
        same(decode_large_csv(body, made, guess_header=True), expected_of(made, rows))


@settings(max_examples=50, deadline=None)
@given(drawn=tables())
def test_every_json_shape_is_read_the_same(
    drawn: tuple[Schema, list[list[Any]], list[int]],
) -> None:
    made, rows, order = drawn
    names = [made.names[place] for place in order]
    shuffled = [[row[place] for place in order] for row in rows]
    objects = [dict(zip(names, row, strict=True)) for row in shuffled]
    frame = {"columns": names, "data": shuffled, "index": list(range(len(rows)))}
    wrapped = [{"features": row} for row in rows]
    by_column = {name: [row[i] for row in shuffled] for i, name in enumerate(names)}

    for document in (
        rows,
        objects,
        {"instances": rows},
        {"instances": objects},
        {"instances": wrapped},
        {"instances": by_column},
        {"inputs": by_column},
        {"inputs": rows, "params": {}},
        {"data": objects},
        {"dataframe_split": frame},
        frame,
        {"dataframe_records": objects},
    ):
        body = json.dumps(document).encode()
        same(decode("application/json", body, made), expected_of(made, rows))
    for lines in (rows, objects, wrapped):
        body = "\r\n".join(json.dumps(line) for line in lines).encode()
        same(decode("application/x-ndjson", body, made), expected_of(made, rows))
    for document in (rows[0], objects[0], wrapped[0]):
        body = json.dumps(document).encode()
        same(decode("application/json", body, made), expected_of(made, rows[:1]))


@settings(max_examples=50, deadline=None)
@given(drawn=tables())
def test_parquet_and_npy_are_read_as_csv_is(
    drawn: tuple[Schema, list[list[Any]], list[int]],
) -> None:
    made, rows, order = drawn

    same(
        decode("application/x-parquet", as_parquet(made, rows, order), made),
        expected_of(made, rows),
    )
    if made.is_numeric:
        values = np.array(rows, np.float64)
        for matrix in (values, np.asfortranarray(values), values.astype(">f8")):
            same(decode("application/x-npy", as_npy(matrix), made), expected_of(made, rows))


@settings(max_examples=50, deadline=None)
@given(
    cells=st.lists(
        st.text("0123456789+-.eEnaNiIfF_x \t\xa0\x0b١", max_size=6), min_size=2, max_size=6
    )
)
def test_a_number_is_what_training_takes_for_one(cells: list[str]) -> None:
    made = schema(Column("a", "number"), Column("b", "number"), algorithm="lightgbm")
    body = "".join(f"{cell},0\n" for cell in cells).encode()
    is_fine = all(
        is_missing(c) or (is_number(c) and abs(float(c)) < 2.0**128 - 2.0**103) for c in cells
    )
    read: list[Callable[[], NDArray[Any]]] = [
        lambda: decode("text/csv", body, made),
        lambda: decode_large_csv(body, made, guess_header=True),
        lambda: decode("application/json", json.dumps([[c, 0] for c in cells]).encode(), made),
    ]

    for way in read:
        if is_fine:
            expected = [np.nan if is_missing(c) else float(c) for c in cells]
            np.testing.assert_array_equal(way()[:, 0], expected)
        else:
            with pytest.raises(Exception, match="not a number|infinite"):
                way()


TOKENS = [
    *rb'1 2.5 , " a { } [ ] : # null NaN "a" qid: PAR1'.split(),
    *(b"\n", b"\r", b" ", b"\xff", b"\0", b"\x93NUMPY\x01\0"),
]
BYTES = st.one_of(
    st.binary(max_size=60), st.lists(st.sampled_from(TOKENS), max_size=20).map(b"".join)
)


@settings(max_examples=200, deadline=None)
@given(body=BYTES, media_type=st.sampled_from(CONTENT_TYPES), keep_bad=st.booleans())
def test_no_bytes_give_more_than_a_refusal(body: bytes, media_type: str, keep_bad: bool) -> None:  # noqa: FBT001
    made = schema(Column("a", "number"), Column("b", "category", ("1", "a")))
    ways: list[Callable[[], Any]] = [lambda: decode(media_type, body, made)]
    if reads_lines(media_type):
        ways.append(lambda: decode_lines(media_type, body, made, keep_bad=keep_bad))

    for way in ways:
        try:
            way()
        except Refusal as refusal:
            assert refusal.status == 400
            assert "\n" not in refusal.message
            refusal.message.encode()


def test_large_bodies_are_read_by_arrow_as_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    made = schema(*(Column(f"f{i}", "number") for i in range(20)))
    rng = np.random.default_rng(3)
    values = rng.normal(size=(20_000, 20))
    lines = [",".join(map(repr, row)) for row in values.tolist()]
    lines[7] = "\n" + lines[7]  # a blank line
    lines[15_000] = lines[15_000].replace(",", ", ", 1)
    body = "\r\n".join(lines).encode()

    large = decode("text/csv", body, made)
    monkeypatch.setattr(csv_rows, "_SMALL_BYTES", 1 << 30)
    monkeypatch.setattr(csv_rows, "_PLAIN_BYTES", 1 << 30)
    small = decode("text/csv", body, made)

    same(large, values.astype(np.float32))
    same(small, large)


def test_a_bad_cell_far_on_is_named_by_its_line() -> None:
    made = schema(Column("a", "number"), Column("b", "number"))
    body = b"1,2\n" * 300_000 + b"\n3,x\n" + b"1,2\n" * 10

    with pytest.raises(Refusal, match="^line 300002, column 'b': 'x' is not a number"):
        decode("text/csv", body, made)


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refusal, match="text/csv, application/json") as caught:
        decode("text/html", b"1", schema(Column("a", "number")))

    assert caught.value.status == 415
