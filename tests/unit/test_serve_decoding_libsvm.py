"""An index in a request means what it meant in the training files."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossfold.data.options import DataOptions
from crossfold.data.table import Column
from serve.decoding.decode import decode
from serve.refusals import Refusal
from tests.unit.channel_builder import read
from tests.unit.test_serve_schema import schema

FILES = {
    "from 0": "1 0:0.1 2:3\n0 1:-2.5\n1\n0 0:7 1:8 2:9 # all\n",
    "from 1": "1 1:0.1 3:3\n0 2:-2.5\n1\n0 1:7 2:8 3:9 # all\n",
    "with queries": "1 qid:1 1:0.1 3:3\n0 qid:1 2:-2.5\n1 qid:2\n0 qid:2 3:9\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_a_training_file_is_served_as_it_was_read(text: str, algorithm: str) -> None:
    made = schema(Column("0", "number"), algorithm=algorithm)
    table = read({"train/a.libsvm": text}, DataOptions(), dtype=made.dtype, absent=made.absent)[
        "train"
    ]
    made = schema(*table.columns, algorithm=algorithm)
    body = text.encode()

    features = decode("text/x-libsvm", body, made)

    assert features.dtype == table.features.dtype
    np.testing.assert_array_equal(features, table.features)


def test_labels_may_be_left_out() -> None:
    made = schema(*(Column(str(i), "number") for i in range(3)), algorithm="lightgbm")

    features = decode("text/libsvm", b"0:1 2:5\n\n2:7\n# nothing\n1 1:4\n", made)

    np.testing.assert_array_equal(features, [[1, 0, 5], [0, 0, 7], [0, 4, 0]])


def test_an_index_is_a_name_where_names_are_numbers_and_else_a_place() -> None:
    of_files = schema(Column("1", "number"), Column("3", "number"))
    named = schema(Column("a", "number"), Column("b", "number"))

    np.testing.assert_array_equal(decode("text/libsvm", b"3:7", of_files), [[math.nan, 7]])
    np.testing.assert_array_equal(decode("text/libsvm", b"0:7", named), [[7, math.nan]])


def test_categories_have_their_codes_and_absent_ones_count_as_zero() -> None:
    made = schema(
        Column("0", "category", ("0", "0.1", "4")), Column("1", "number"), algorithm="lightgbm"
    )

    features = decode("text/libsvm", b"0:0.1 1:2\n0:4.0\n1:1\n0:5\n0:nan", made)

    np.testing.assert_array_equal(features[:, 0], [1, 2, 0, 3, math.nan])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"4:1", "line 2: index 4 is unknown; the model has the indices '1', '3'"),
        (b"3:1 1:1", "line 2: index 1 comes after 3"),
        (b"x 1:1", "line 2: 'x' is no label"),
        (b"1:x", "line 2: '1:x' is no entry"),
        (b"1:1e39", "line 2, column '1': '1e+39' is infinite or beyond"),
        (b"1:\xff", "line 2 is not UTF-8"),
        (b"1:1\n" + b"999999999999999:1", "line 3: index 999999999999999 is unknown"),
    ],
)
def test_a_bad_line_is_named(line: bytes, message: str) -> None:
    made = schema(Column("1", "number"), Column("3", "number"))

    with pytest.raises(Refusal) as caught:
        decode("text/libsvm", b"1 1:2\n" + line, made)

    assert caught.value.message.startswith(message)


def test_few_bytes_never_make_a_matrix_of_any_size() -> None:
    made = schema(*(Column(str(i), "number") for i in range(2000)))

    with pytest.raises(Refusal, match="make a matrix of"):
        decode("text/libsvm", b"0:1\n" * 400_000, made)
