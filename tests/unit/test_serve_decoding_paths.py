"""However a body is read, for its size or what is in it, it means the same, bit by bit."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfold.data.table import Column
from serve.decoding import json_pieces, json_rows
from serve.decoding.csv_blocks import decode_large_csv
from serve.decoding.decode import decode
from serve.decoding.records import BadBodyError
from serve.refusals import Refusal
from tests.unit.test_serve_decoding_formats import same
from tests.unit.test_serve_schema import schema

WRITTEN = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0", "0.0", "1", "-1", "1e-400", "4.9e-324", "16777217", "1.00000006"]),
)
UNUSUAL = st.sampled_from(
    ["-0", "-0.0", "-0e3", "-1e-400", "", ".5", "-.5", "1.", "+1", "007", "-007", "nan", " 1"]
)
FLOAT32_END = 2.0**128 - 2.0**103


def numbers(n: int, algorithm: str = "xgboost") -> Any:
    return schema(*(Column(f"f{i}", "number") for i in range(n)), algorithm=algorithm)


def worth(text: str) -> float:
    return math.nan if text.strip() in ("", "nan") else float(text)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(WRITTEN, WRITTEN | UNUSUAL), min_size=1, max_size=4),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n\r\n"]),
    has_header=st.booleans(),
    algorithm=st.sampled_from(["xgboost", "lightgbm"]),
)
def test_a_number_in_csv_is_the_nearest_double_whoever_reads_it(
    rows: list[tuple[str, str]],
    end: str,
    has_header: bool,  # noqa: FBT001
    algorithm: str,
) -> None:
    made = numbers(2, algorithm)
    lines = [",".join(reversed(row)) if has_header else ",".join(row) for row in rows]
    body = end.join([*(["f1,f0"] if has_header else []), *lines, ""]).encode()
    expected = np.array([[worth(cell) for cell in row] for row in rows])

    if (np.abs(expected) >= FLOAT32_END).any():
        with pytest.raises(Refusal, match=r"^line \d+, column 'f\d': .* beyond"):
            decode("text/csv", body, made)
        with pytest.raises(BadBodyError, match="beyond"):
            decode_large_csv(body, made, guess_header=True)
    else:
        same(decode("text/csv", body, made), expected.astype(made.dtype))
        same(decode_large_csv(body, made, guess_header=True), expected.astype(made.dtype))


@pytest.mark.parametrize("n_rows", [1, 3, 700, 9000, 40_000])
def test_rows_of_any_number_keep_missing_cells_and_the_sign_of_zero(n_rows: int) -> None:
    made = numbers(6)
    row, values = b"1.5,,-0,0,-0.0,", [1.5, math.nan, -0.0, 0.0, -0.0, math.nan]
    for line, cells in ((row, values), (b"-0,1,2,3,4,5", [-0.0, 1, 2, 3, 4, 5])):
        body = b"1,2,3,4,5,6\n" + b"\n".join([line] * n_rows)
        expected = np.array([[1, 2, 3, 4, 5, 6], *[cells] * n_rows], np.float32)

        same(decode("text/csv", body, made), expected)
        same(decode("text/csv", b"f5,f4,f3,f2,f1,f0\n" + body, made), expected[:, ::-1].copy())


def test_what_is_between_brackets_is_no_csv() -> None:
    for body in (b"[1],2", b"1],[2", b"1]],[[2", b"[,1", b"true,1", b"1,2\n]"):
        with pytest.raises(Refusal, match="^line"):
            decode("text/csv", body, numbers(2))


# ---------------------------------------------------------------------------- JSON in pieces

CELLS = st.sampled_from(
    ["1", "-0.0", "0.1", "null", "true", '"x"', '"],["', '"},{"', '"\\"],"', '"a"', "12345678"]
)
BROKEN = st.sampled_from(["[1,2]", "[[1,2],[3]]", "{}", "[]", "7", "", '"],["', "[[1],2]", "NaN"])


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Draw rows as lists or objects, perhaps with one that is none, in any wrapping."""
    pairs = draw(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
    gap = draw(st.sampled_from(["", " ", "\n\t"]))
    rows = [
        f"[{a},{gap}{b}]" if draw(st.booleans()) else f'{{"c":{a},{gap}"d":{b}{gap}}}'
        for a, b in pairs
    ]
    if draw(st.integers(0, 3)) == 0:
        rows.insert(draw(st.integers(0, len(rows))), draw(BROKEN))
    opening, closing = draw(
        st.sampled_from(
            [
                ("[", "]"),
                (" [ ", " ] \n"),
                ('{"instances":[', "]}"),
                ('{ "data" : [', "] }\r\n"),
                ('{"inputs":[', '],"params":{}}'),
                ('{"instances":[', '],"instances":[[1,2]]}'),
                ('{"dataframe_records":[', "]"),
            ]
        )
    )
    return f"{opening}{f',{gap}'.join(rows)}{closing}".encode()


def outcome(body: bytes, made: Any) -> NDArray[Any] | str:
    try:
        return decode("application/json", body, made)
    except Refusal as refusal:
        return refusal.message


@settings(max_examples=300, deadline=None)
@given(body=documents(), n_bytes=st.integers(8, 60))
def test_a_json_document_says_the_same_in_pieces(body: bytes, n_bytes: int) -> None:
    made = schema(
        Column("c", "category", ("1", "x", "],[")), Column("d", "category", ("0", "},{", '"],'))
    )
    whole = outcome(body, made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_WHOLE_BYTES", n_bytes)
        patch.setattr(json_pieces, "_PIECE_BYTES", n_bytes)
        in_pieces = outcome(body, made)

    if isinstance(whole, str):
        assert in_pieces == whole
    else:
        assert isinstance(in_pieces, np.ndarray)
        same(in_pieces, whole)


def test_a_bad_row_of_a_long_json_document_is_named() -> None:
    rows = ["[1,2.5]"] * 300_000
    rows[250_000] = '[1,"x"]'

    with pytest.raises(Refusal, match="^row 250001, column 'f1': 'x' is not a number"):
        decode("application/json", f"[{','.join(rows)}]".encode(), numbers(2))


def test_a_long_json_document_never_takes_many_times_its_size() -> None:
    row = "[" + ",".join(["-0.12345678"] * 20) + "]"
    body = f'{{"instances":[{",".join([row] * 20_000)}]}}'.encode()
    tracemalloc.start()
    try:
        decode("application/json", body, numbers(20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3 * len(body)


# ---------------------------------------------------------------------------- before the fork


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux does")
def test_memory_is_prepared_without_a_thread() -> None:
    script = (
        "import os, sys\n"
        "from serve.decoding.allocation import prepare_memory\n"
        "prepare_memory()\n"
        "print(len(os.listdir('/proc/self/task')), 'pyarrow.csv' in sys.modules)\n"
    )
    environment = os.environ | {
        "OPENBLAS_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "1 True\n"


# ---------------------------------------------------------------------------- booleans


@pytest.mark.parametrize(
    ("categories", "codes"),
    [
        (("false", "true"), [1, 0]),
        (("False", "True", "x"), [1, 0]),
        (("FALSE", "TRUE"), [1, 0]),
        (("true", "x"), [0, 2]),
        (("0", "1"), [1, 0]),
        (("0", "1", "false", "true"), [3, 2]),
        (("x", "y"), [2, 2]),
    ],
)
def test_a_boolean_is_the_category_that_is_written_so(
    categories: tuple[str, ...], codes: list[int]
) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    made = schema(Column("b", "category", categories), Column("n", "number"))
    stream = io.BytesIO()
    pq.write_table(pa.table({"b": [True, False, None], "n": [True, False, True]}), stream)
    expected = np.array([[codes[0], 1], [codes[1], 0], [math.nan, 1]], np.float32)

    same(decode("application/x-parquet", stream.getvalue(), made), expected)
    for body in (
        b"[[true, true], [false, false], [null, 1]]",
        b'[{"b": true, "n": 1}, {"n": 0, "b": false}, {"b": null, "n": 1}]',
        b'{"instances": {"b": [true, false, null], "n": [1, 0, 1]}}',
    ):
        same(decode("application/json", body, made), expected)
    same(decode("application/json", b"[true, 1]", made), expected[:1])
