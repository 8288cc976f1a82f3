"""Batches: a line is a row, blank or bad, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.data.table import Column
from serve.decoding.decode import decode
from serve.decoding.lines import decode_lines, reads_lines
from serve.refusals import Refusal
from tests.unit.test_serve_schema import schema

MODEL = schema(Column("1", "number"), Column("2", "number"))
PIECES = {
    "text/csv": [
        "1,2",
        "3,",
        "",
        "x,1",
        '"4",5',
        '"4,5',
        "1",
        "a\r1",
        "-nan,1",
        '5" x,1',
        "6,7\r",
        "é,1",
        "1,1e39",
        '"a\r1",1',
        "\r8,9",
        "\r",
    ],
    "application/jsonlines": [
        "[1,2]",
        '{"1":1,"2":2}',
        "",
        " ",
        "[1",
        "[1,2],[3,4]",
        "[NaN,1]",
        '{"features":[1,2]}',
        '[1,"x"]',
        "[1,1e39]",
        "3",
        "[1,2]\r ",
        "[1]\r[2]",
    ],
    "text/libsvm": [
        "1 1:2 2:3",
        "1:5",
        "",
        "# c",
        "3:1",
        "2:1 1:1",
        "0 # c",
        "1 1:nan",
        "qid:1 1:2",
        "qid:x 1:2",
        "x 1:2",
        "1:1e39",
        "1:1\r2:2",
        "\r2:1\r#",
        "1:²",
    ],
}


@pytest.mark.parametrize("media_type", PIECES)
def test_each_line_is_what_it_is_alone(media_type: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(lines=st.lists(st.sampled_from(PIECES[media_type]), min_size=1, max_size=40))
    def check(lines: list[str]) -> None:
        read = decode_lines(media_type, "\n".join([*lines, ""]).encode(), MODEL, keep_bad=True)

        assert read.n_lines == len(lines)
        at = range(len(lines)) if read.rows_at is None else read.rows_at.tolist()
        rows = dict(zip(at, read.features, strict=True))
        for number, line in enumerate(lines):
            try:
                alone = decode(media_type, line.encode(), MODEL, guess_header=False)
            except Refusal as refusal:
                is_blank = not line.partition("#")[0].strip()
                assert number not in rows
                assert (number in read.bad_at) != is_blank, refusal.message
            else:
                assert (number in rows) == (len(alone) == 1)
                assert (number in read.bad_at) == (len(alone) != 1)
                if len(alone) == 1:
                    np.testing.assert_array_equal(rows[number], alone[0])

    check()


def test_the_last_newline_ends_a_line_and_starts_none() -> None:
    for body, n_lines in ((b"1,2\n3,4", 2), (b"1,2\n3,4\n", 2), (b"1,2\n3,4\n\n", 3), (b"\n", 1)):
        read = decode_lines("text/csv", body, MODEL, keep_bad=False)

        assert read.n_lines == n_lines
        assert (read.rows_at is None) == (n_lines == 2)
        assert read.features.shape == (min(2, 2 * (n_lines > 1)), 2)


def test_a_bad_line_refuses_the_body_with_its_number() -> None:
    body = b"1,2\n" * 5000 + b"\n1,2,3\n" + b"1,2\n" * 5000

    with pytest.raises(Refusal, match="^line 5002 has 3 values; expected 2"):
        decode_lines("text/csv", body, MODEL, keep_bad=False)


def test_bad_lines_are_set_aside_with_their_reasons() -> None:
    body = b"1,2\n" * 5000 + b"\n1,2,3\n" + b"3,4\n" * 5000 + b"1,x"

    read = decode_lines("text/csv", body, MODEL, keep_bad=True)

    assert read.n_lines == 10_003
    assert read.bad_at.tolist() == [5001, 10_002]
    assert read.reasons[0].startswith("line 5002 has 3 values; expected 2")
    assert read.reasons[1].startswith("line 10003, column '2': 'x' is not a number")
    assert read.rows_at is not None
    np.testing.assert_array_equal(read.rows_at, np.delete(np.arange(10_003), [5000, 5001, 10_002]))
    np.testing.assert_array_equal(read.features[4999:5001], [[1, 2], [3, 4]])


def test_names_are_no_header_in_a_batch() -> None:
    model = schema(Column("a", "category", ("a", "x")), Column("b", "category", ("y",)))

    read = decode_lines("text/csv", b"a,b\nx,y\n", model, keep_bad=False)

    np.testing.assert_array_equal(read.features, [[0, 1], [1, 0]])


def test_a_carriage_return_within_a_line_never_makes_up_for_a_blank_line() -> None:
    read = decode_lines("text/csv", b"1,2\r3,4\n\n5,6\n", MODEL, keep_bad=True)

    assert read.n_lines == 3
    assert read.bad_at.tolist() == [0]
    assert read.rows_at is not None
    assert read.rows_at.tolist() == [2]


def test_only_formats_of_lines_are_read_so() -> None:
    assert [t for t in ("text/csv", "application/json", "text/x-libsvm") if reads_lines(t)] == [
        "text/csv",
        "text/x-libsvm",
    ]
