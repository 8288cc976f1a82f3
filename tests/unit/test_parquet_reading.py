from __future__ import annotations

import datetime as dt
import decimal
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from crossfold.data.options import DataOptions
from crossfold.data.table import Column, Table, TextColumn
from crossfold.errors import UserError
from tests.unit.channel_builder import read, refusal

NAN = float("nan")
DAYS = [dt.date(2024, 5, 31), dt.date(1969, 12, 31)]


def parquet_bytes(columns: dict[str, Any], **more: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink, **more)
    return sink.getvalue()


def read_parquet(columns: dict[str, Any], options: DataOptions | None = None, **more: Any) -> Table:
    return read({"train/a.parquet": parquet_bytes(columns)}, options, **more)["train"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None], pa.int8()), [1, NAN]),
        (pa.array([2**63, 1], pa.uint64()), [2.0**63, 1]),
        (pa.array([0.5, None], pa.float16()), [0.5, NAN]),
        (pa.array([0.1, NAN], pa.float32()), [np.float32(0.1), NAN]),
        (pa.array([True, None]), [1, NAN]),
        (pa.array([decimal.Decimal("1.25"), None]), [1.25, NAN]),
        (pa.array([None, None]), [NAN, NAN]),
        (pa.array([7, 8]).dictionary_encode(), [7, 8]),
    ],
)
def test_types_of_numbers_become_numbers(values: pa.Array, expected: list[float]) -> None:
    table = read_parquet({"y": [0, 1], "a": values})

    assert table.columns == (Column("a", "number"),)
    np.testing.assert_array_equal(table.features[:, 0], expected)


@pytest.mark.parametrize("encoded", [False, True])
def test_strings_are_categories(encoded: bool) -> None:  # noqa: FBT001  a parameter of the test
    texts = pa.array(["b", None, "a", "NA", " b"])
    values = texts.dictionary_encode() if encoded else texts
    table = read_parquet({"y": [0, 1, 0, 1, 0], "a": values})

    assert table.columns[0].categories == ("a", "b")
    np.testing.assert_array_equal(table.features[:, 0], [1, NAN, 0, NAN, 1])


def test_roles_keep_their_types() -> None:
    columns = {
        "y": ["p", "q"],
        "t": pa.array([1, 2], pa.timestamp("us", "UTC")),
        "g": [10, 9],
        "i": [2**60 + 1, 7],
        "a": [1.5, 2.5],
    }
    options = DataOptions(time_column="t", group_column="g", id_column="i")
    table = read_parquet(columns, options, dtype=np.float32)

    assert table.features.dtype == np.float32
    assert isinstance(table.label, TextColumn)
    assert table.time is not None
    assert table.time.tolist() == [1000, 2000]
    assert table.group is not None
    assert table.group.values == ("9", "10")
    assert table.ids is not None
    assert table.ids.tolist() == [str(2**60 + 1), "7"]


def test_dates_are_times_to_the_day() -> None:
    table = read_parquet({"y": [0, 1], "t": DAYS, "a": [1, 2]}, DataOptions(time_column="t"))

    assert table.time is not None
    assert table.time.tolist() == [19874 * 86_400_000_000_000, -86_400_000_000_000]


def test_dates_as_features_are_refused_unless_named_categorical() -> None:
    content = {"train/a.parquet": parquet_bytes({"y": [0, 1], "b": DAYS})}

    message = refusal(content)
    kept = read(content, DataOptions(categorical_columns=("b",)))["train"]

    assert "column 'b' holds dates" in message
    assert "drop_columns or categorical_columns" in message
    assert kept.columns[0].categories == ("1969-12-31", "2024-05-31")
    np.testing.assert_array_equal(kept.features[:, 0], [1, 0])


def test_nested_column_is_refused_unless_dropped() -> None:
    content = {"train/a.parquet": parquet_bytes({"y": [0, 1], "b": [[1], [2]], "a": [3, 4]})}

    assert "column 'b' is nested" in refusal(content)
    table = read(content, DataOptions(drop_columns=("b",)))["train"]
    np.testing.assert_array_equal(table.features, [[3], [4]])


def test_missing_time_names_its_row() -> None:
    content = {"train/a.parquet": parquet_bytes({"y": [0, 1], "t": [DAYS[0], None], "a": [3, 4]})}

    assert "row 2, column 't': the time is missing" in refusal(
        content, DataOptions(time_column="t")
    )


def test_years_beyond_nanoseconds_are_refused() -> None:
    days = [dt.date(2024, 1, 1), dt.date(9999, 12, 31)]
    content = {"train/a.parquet": parquet_bytes({"y": [0, 1], "t": days, "a": [3, 4]})}

    assert "years 2024 to 9999" in refusal(content, DataOptions(time_column="t"))


def test_index_that_pandas_adds_is_no_feature() -> None:
    table = read_parquet({"y": [0, 1], "a": [3, 4], "__index_level_0__": [0, 1]})

    assert [column.name for column in table.columns] == ["a"]


def test_categories_of_numbers_are_written_as_in_csv() -> None:
    options = DataOptions(categorical_columns=("a",))
    as_csv = read({"train/a.csv": "y,a\n0,1\n1,2.5\n"}, options)["train"]
    as_parquet = read_parquet({"y": [0, 1], "a": [1.0, 2.5]}, options)

    assert as_parquet.columns == as_csv.columns
    assert as_parquet.fingerprint() == as_csv.fingerprint()


def test_file_types_may_differ_within_a_channel() -> None:
    tables = read(
        {
            "train/a.parquet": parquet_bytes({"y": [0, 1], "a": [1, 2]}),
            "train/b.parquet": parquet_bytes({"a": ["3", None], "y": [1.0, 0.0]}),
        }
    )

    assert tables["train"].columns == (Column("a", "number"),)
    np.testing.assert_array_equal(tables["train"].features[:, 0], [1, 2, 3, NAN])


def test_row_groups_are_read_in_order() -> None:
    values = np.arange(50_000, dtype=np.float64)
    content = parquet_bytes({"y": values % 2, "a": values}, row_group_size=7_001)
    table = read({"train/a.parquet": content})["train"]

    np.testing.assert_array_equal(table.features[:, 0], values)


def test_infinite_number_names_its_row() -> None:
    content = parquet_bytes({"y": np.zeros(30_000), "a": np.r_[np.ones(29_999), np.inf]})

    assert "row 30000, column 'a': the number is infinite" in refusal({"train/a.parquet": content})


def test_damaged_files_are_refused_or_read() -> None:
    rng = np.random.default_rng(0)
    content = parquet_bytes({"y": [0, 1] * 50, "a": rng.random(100), "b": ["p", "q"] * 50})
    for _ in range(200):
        damaged = bytearray(content)
        for position in rng.integers(len(damaged), size=3):
            damaged[position] = rng.integers(256)
        try:
            read({"train/a.parquet": bytes(damaged)})
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("content", [b"", b"1,2\n", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_what_is_no_parquet_is_refused(content: bytes) -> None:
    message = refusal({"train/a.parquet": content})

    assert "file a.parquet is not a valid Parquet file" in message or "is damaged" in message


def test_file_without_rows_is_refused() -> None:
    content = parquet_bytes({"y": pa.array([], pa.int64()), "a": pa.array([], pa.int64())})

    assert "has no rows" in refusal({"train/a.parquet": content})
