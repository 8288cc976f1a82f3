"""No body takes much more time or memory than its size allows, nor is a number let in unseen."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.data.table import Column
from serve.decoding.decode import decode
from serve.decoding.lines import Lines, decode_lines
from serve.decoding.parquet_pages import pages_of
from serve.refusals import Refusal
from tests.unit.test_serve_decoding_formats import same
from tests.unit.test_serve_decoding_refusals import npy, refusal
from tests.unit.test_serve_schema import schema

NUMBERS = ["NaN", "1", "-1e300", "1e300", "Infinity", "-Infinity", "0.5"]
THREE = {
    algorithm: schema(*(Column(name, "number") for name in "abc"), algorithm=algorithm)
    for algorithm in ("xgboost", "lightgbm")
}


@settings(max_examples=100, deadline=None)
@given(
    row=st.lists(st.sampled_from(NUMBERS), min_size=3, max_size=3),
    algorithm=st.sampled_from(sorted(THREE)),
)
def test_nan_hides_no_number_that_is_too_large(row: list[str], algorithm: str) -> None:
    body = f'{{"instances":[[{",".join(row)}]]}}'.encode()
    made = THREE[algorithm]

    if any("1e300" in cell or "Inf" in cell for cell in row):
        with pytest.raises(Refusal, match=r"^row 1, column '[abc]': .* infinite or beyond"):
            decode("application/json", body, made)
    else:
        same(decode("application/json", body, made), np.array([row], made.dtype))


@pytest.mark.parametrize("shape", ["(" + "999999999999999," * 400 + ")", "(" + "1," * 20_000 + ")"])
def test_an_array_of_many_dimensions_is_refused_in_one_short_line(shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    body = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header

    message = refusal("application/x-npy", body)

    assert "expected (rows, 2)" in message
    assert len(message) < 200


@pytest.mark.parametrize(("kind", "bits"), [("<f4", "0000a07f"), ("<f8", "000000000000f47f")])
@pytest.mark.parametrize("algorithm", sorted(THREE))
def test_a_nan_that_signals_is_missing_and_no_warning(kind: str, bits: str, algorithm: str) -> None:
    body = npy("(3,)", f"'{kind}'", bytes.fromhex(bits) * 3)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = decode("application/x-npy", body, THREE[algorithm])

    assert np.isnan(features).all()


# ---------------------------------------------------------------------------- Parquet

TEXT = schema(Column("a", "category", ("x", "y")))


def parquet(table: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(table), stream, **options)
    return stream.getvalue()


def test_pages_that_unpack_to_more_than_their_footer_says_are_refused() -> None:
    body = bytearray(parquet({"a": ["7" * (80 << 20)]}, compression="zstd", use_dictionary=False))
    size = pq.read_metadata(pa.BufferReader(bytes(body))).row_group(0).total_byte_size
    zigzag, claim = size << 1, bytearray()
    while zigzag:
        claim.append(zigzag & 127 | (128 if zigzag > 127 else 0))
        zigzag >>= 7
    small = bytes([0x82, *([0x80] * (len(claim) - 2)), 0])
    body = body.replace(bytes(claim), small)
    metadata = pq.read_metadata(pa.BufferReader(bytes(body)))
    assert metadata.row_group(0).total_byte_size == 1
    assert len(body) < 1 << 14

    assert "unpack to more than" in refusal("application/x-parquet", bytes(body), TEXT)


def test_a_text_of_megabytes_is_refused() -> None:
    body = parquet({"a": ["x", "7" * (2 << 20)]}, compression="zstd")

    message = refusal("application/x-parquet", body, TEXT)

    assert message == "column 'a' holds a text of 2097152 bytes; expected at most 1048576"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_every_page_is_found(version: str, compression: str, use_dictionary: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=5000)
    texts = rng.choice(["x", "y", "z"], size=5000)
    body = parquet(
        {"n": numbers, "t": texts},
        data_page_version=version,
        compression=compression,
        use_dictionary=use_dictionary,
        data_page_size=4096,
        row_group_size=2000,
        write_page_checksum=True,
        write_page_index=True,
    )
    metadata = pq.read_metadata(pa.BufferReader(body))
    pages = list(pages_of(body))
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    unpacked = sum(group.total_byte_size for group in groups)

    # The footer counts the headers as well: some ten to a hundred bytes for each page.
    assert 0 < unpacked - sum(page.n_bytes for page in pages) < 120 * len(pages)
    assert max(page.n_entries for page in pages) == (2000 if use_dictionary else 0)
    made = schema(Column("n", "number"), Column("t", "category", ("x", "y")))
    codes = {"x": 0.0, "y": 1.0, "z": 2.0}
    expected = np.array([numbers, [codes[text] for text in texts]]).T
    same(decode("application/x-parquet", body, made), expected.astype(np.float32).copy("C"))


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_changed_byte_gives_no_more_than_a_refusal(at: int, byte: int) -> None:
    body = bytearray(parquet({"a": ["x", "y", "x", None]}))
    body[at % len(body)] = byte

    try:
        features = decode("application/x-parquet", bytes(body), TEXT)
    except Refusal as caught:
        assert caught.status == 400
    else:
        assert features.shape == (4, 1)


def test_no_memory_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", exhausted)
    with pytest.raises(MemoryError):
        decode("application/x-parquet", parquet({"a": ["x"]}), TEXT)


# ---------------------------------------------------------------------------- lines


def test_lines_that_make_a_large_matrix_are_refused_in_a_batch_as_well() -> None:
    wide = schema(*(Column(str(i), "number") for i in range(2000)))

    with pytest.raises(Refusal, match="make a matrix of") as caught:
        decode_lines("text/libsvm", b"0:1\n" * 75_000, wide, keep_bad=True)

    assert caught.value.status == 400


@pytest.mark.parametrize("n_lines", [3000, 400_000])
def test_the_limit_is_that_of_the_whole_body(n_lines: int) -> None:
    made = schema(*(Column(str(i), "number") for i in range(100)))
    body = b"0:1\n" * n_lines

    assert decode("text/libsvm", body, made).shape == (n_lines, 100)
    assert decode_lines("text/libsvm", body, made, keep_bad=False).features.shape == (n_lines, 100)
    too_many = body * (700_000 // n_lines + 1)
    with pytest.raises(Refusal, match="make a matrix of"):
        decode_lines("text/libsvm", too_many, made, keep_bad=False)


def test_an_index_of_any_size_takes_no_memory() -> None:
    made = schema(Column("200000000", "number"), Column("7", "number"))
    assert made.index_table[0].tolist() == [7, 200_000_000]
    tracemalloc.start()
    try:
        features = decode("text/libsvm", b"7:1 200000000:2\n7:3\n", made)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    np.testing.assert_array_equal(features, [[2, 1], [np.nan, 3]])
    assert peak < 1 << 20
    for unknown in ("0", "8", "200000001", "999999999999999"):
        with pytest.raises(Refusal, match=f"index {unknown} is unknown"):
            decode("text/libsvm", f"{unknown}:1".encode(), made)


@pytest.mark.parametrize(
    ("media_type", "line"),
    [
        ("text/csv", b"x,1,2"),
        ("text/csv", b"1"),
        ("application/jsonlines", b"[1]"),
        ("application/jsonlines", b'{"aa":1}'),
        ("text/libsvm", b"9:1"),
    ],
)
def test_a_hundred_thousand_bad_lines_are_set_aside_soon(media_type: str, line: bytes) -> None:
    n_lines = 100_000
    start = time.process_time()

    read = decode_lines(media_type, (line + b"\n") * n_lines, THREE["xgboost"], keep_bad=True)

    # Twenty times what it takes; before, it took 25 µs for a line, and a millisecond with names.
    assert time.process_time() - start < 10
    np.testing.assert_array_equal(read.bad_at, np.arange(n_lines))
    assert read.bad_at.dtype == np.int64
    assert [reason[:6] for reason in read.reasons] == ["line 1", "line 2", "line 3"]
    assert len(read.features) == 0


def test_lines_have_no_bad_ones_unless_said() -> None:
    lines = Lines(np.zeros((1, 1)), 1, None)

    assert lines.bad_at.dtype == np.int64
    assert (len(lines.bad_at), lines.reasons) == (0, ())


# ---------------------------------------------------------------------------- names


def test_a_frame_of_many_columns_is_compared_at_once() -> None:
    made = schema(*(Column(f"c{i}", "number") for i in range(5000)))
    names = [f"d{i}" for i in range(20_000)]
    body = json.dumps({"dataframe_split": {"columns": names, "data": [[0] * 20_000]}}).encode()
    start = time.process_time()

    message = refusal("application/json", body, made)

    assert time.process_time() - start < 2  # each name against each: 10 s
    assert message.startswith("the body lacks columns 'c0', 'c1'")
    assert "(20000 in all) that the model does not know" in message


@pytest.mark.parametrize(
    ("media_type", "body", "message"),
    [
        ("text/csv", b"a,b,a\n1,2,3\n", "line 1 names column 'a' twice; give each column once"),
        (
            "application/json",
            b'{"dataframe_split":{"columns":["a","b","b"],"data":[[1,2,3]]}}',
            "the body names column 'b' twice; give each column once",
        ),
        ("application/json", b"null", "the document is null; expected"),
        ("application/json", b'"x"', "the document is 'x'; expected"),
        ("application/json", b'{"instances":[[1,2],null]}', "row 2 is null; expected a list"),
        ("application/x-npy", b"abc", "it begins with 'abc')"),
    ],
)
def test_what_was_seen_is_said_in_plain_words(media_type: str, body: bytes, message: str) -> None:
    assert message in refusal(media_type, body)


@pytest.mark.parametrize(
    ("cells", "held"),
    [
        (pa.array([[1.0]]), "lists"),
        (pa.array([{"x": 1}]), "objects"),
        (pa.array([1], pa.duration("s")), "durations"),
        (pa.array([b"1"]), "bytes"),
        (pa.array([b"1"], pa.binary(1)), "bytes"),
    ],
)
def test_a_parquet_column_of_another_kind_is_named(cells: Any, held: str) -> None:
    message = refusal("application/x-parquet", parquet({"a": cells, "b": [1.0]}))

    assert message == f"column 'a' holds {held}; expected numbers or texts"


# ---------------------------------------------------------------------------- one object


@pytest.mark.parametrize("key", ["instances", "inputs", "data"])
def test_one_object_of_plain_values_is_one_row(key: str) -> None:
    made = schema(Column("a", "number"), Column("b", "category", ("x",)))
    read: Callable[[Any], Any] = lambda document: decode(  # noqa: E731
        "application/json", json.dumps(document).encode(), made
    )

    np.testing.assert_array_equal(read({key: {"b": "x", "a": 0.5}}), [[0.5, 0]])
    np.testing.assert_array_equal(read({key: {"features": [0.5, "x"]}}), [[0.5, 0]])
    np.testing.assert_array_equal(read({key: {"b": ["x"], "a": [0.5]}}), [[0.5, 0]])
    with pytest.raises(Refusal, match="^row 1 lacks column 'b'"):
        read({key: {"a": 1}})
