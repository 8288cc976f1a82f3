"""What is wrong with a body is said with its place, what was seen, and what is allowed."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossfold.data.table import Column
from serve.decoding.decode import CONTENT_TYPES, decode
from serve.refusals import Refusal
from tests.unit.test_serve_schema import schema

MODEL = schema(Column("a", "number"), Column("b", "number"), algorithm="lightgbm")


def refusal(media_type: str, body: bytes, model: Any = MODEL) -> str:
    with pytest.raises(Refusal) as caught:
        decode(media_type, body, model)
    assert caught.value.status == 400
    return caught.value.message


@pytest.mark.parametrize("media_type", CONTENT_TYPES)
def test_an_empty_body_is_refused(media_type: str) -> None:
    assert refusal(media_type, b"") == "the body is empty; give at least one row"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"1,2\n1,2,3", "line 2 has 3 values; expected 2"),
        (b"1,2\n\n5", "line 3 has 1 value; expected 2"),
        (b"a,b\n", "no rows"),
        (b"a,c\n1,2", "line 1, column 'a': 'a' is not a number"),
        (b"a,b,c\n1,2,3", "has column 'c' that the model does not know"),
        (b'1,"2', "line 1 is not CSV"),
        (b"1,2\n1,\xff", "line 2 is not UTF-8"),
        (b"1,1e39", "line 1, column 'b': '1e39' is infinite or beyond 3.4e+38"),
        (b"1,-inf", "line 1, column 'b': '-inf' is infinite"),
        (b"1,1_0", "line 1, column 'b': '1_0' is not a number"),
    ],
)
def test_csv_is_refused_with_line_and_column(body: bytes, message: str) -> None:
    assert message in refusal("text/csv", body)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "row 1 lacks columns 'a', 'b'"),
        ([], "no rows"),
        ({"instances": []}, "no rows"),
        ({"instances": [[1, 2], [1]]}, "row 2 has 1 value; expected 2"),
        ([[1, 2], {"a": 1}], "row 2 lacks column 'b'"),
        ([{"a": 1, "b": 2, "bb": 3}], "has column 'bb' that the model does not know"),
        ([1, [2]], "row 1 is 1; expected a list or an object"),
        ([[1, {}]], "row 1, column 'b' is an object"),
        ([[1, 2], [1, "x"]], "row 2, column 'b': 'x' is not a number"),
        ([[1, 1e39]], "row 1, column 'b': '1e+39' is infinite or beyond"),
        ({"instances": [1, 2], "id": 3}, "has 'id' beside 'instances'"),
        ({"dataframe_split": {"columns": ["a", "c"], "data": [[1, 2]]}}, "lacks column 'b'"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "lacks column 'b'"),
        ({"dataframe_split": {"columns": ["b", "a"], "data": [[1]]}}, "row 1 has 1 value"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "columns have 1 to 2 values"),
        ({"inputs": {"a": 1, "b": [1]}}, "column 'a' is not a list"),
        (3, 'the document is 3; expected {"instances"'),
    ],
)
def test_json_is_refused_with_row_and_column(document: Any, message: str) -> None:
    assert message in refusal("application/json", json.dumps(document).encode())


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[NaN," + b"[" * 100_000, b'{"a":', b"\xff", b"[1,9" + b"9" * 400]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert refusal("application/json", body).startswith("not JSON")


def test_json_lines_are_refused_by_line_blank_ones_counted() -> None:
    body = b'{"a":1,"b":2}\n\n{"a":1}\n'

    assert refusal("application/jsonlines", body).startswith("line 3 lacks column 'b'")
    assert refusal("application/jsonlines", b"[1,2]\n\n[1,2").startswith("line 3: not JSON")
    assert refusal("application/jsonlines", b"[1,2],[3,4]").startswith("line 1: not JSON")


def npy(shape: str, descr: str, data: bytes) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (npy("(1, 2)", "'<f8'", bytes(15)), "promises shape (1, 2)"),
        (npy("(99999999999, 2)", "'<f8'", bytes(16)), "promises shape"),
        (npy("(1, 2)", "'|O'", bytes(16)), "has dtype '|O'; expected numbers"),
        (npy("(1, 2)", "[('a', '<f8')]", bytes(16)), "header is"),
        (npy("(1, 3)", "'<f8'", bytes(24)), "expected (rows, 2)"),
        (npy("(2, 1, 1)", "'<f8'", bytes(16)), "expected (rows, 2)"),
        (npy("()", "'<f8'", bytes(8)), "expected (rows, 2)"),
        (npy("(0, 2)", "'<f8'", b""), "no rows"),
        (npy("(" + "9" * 4000, "'<f8'", b""), "header is"),
        (npy("(1, 2)", "'<f8'", struct.pack("<dd", 1, np.inf)), "row 1, column 'b': 'inf'"),
        (b"\x80\x04\x95pickle", "not an NPY file"),
    ],
)
def test_npy_is_refused_before_anything_is_allocated(body: bytes, message: str) -> None:
    assert message in refusal("application/x-npy", body)


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (parquet(a=[1.0]), "lacks column 'b'"),
        (parquet(a=[1.0, 2], b=["1", "x"]), "column 'b': 'x' is not a number"),
        (parquet(a=[1.0], b=[[1.0]]), "column 'b' holds lists"),
        (parquet(a=[1.0], b=[b"1"]), "column 'b' holds bytes"),
        (parquet(a=[1.0], b=pa.array([0], pa.timestamp("s"))), "column 'b' holds dates"),
        (parquet(a=[1.0, 2], b=[0.5, 1e300]), "row 2, column 'b': '1e+300' is infinite or beyond"),
        (parquet(a=pa.array([], pa.float64()), b=pa.array([], pa.float64())), "no rows"),
        (parquet(a=[1.0], b=[1.0])[:-9], "not a valid Parquet file"),
    ],
)
def test_parquet_is_refused(body: bytes, message: str) -> None:
    assert message in refusal("application/x-parquet", body)


def test_few_bytes_that_stand_for_many_rows_are_refused() -> None:
    zeros = np.zeros(9_000_000)
    body = parquet(a=zeros, b=zeros)

    assert len(body) < 1_000_000
    assert "9000000 rows in" in refusal("application/x-parquet", body)
