"""Files cut by rows: nothing is lost, changed or put elsewhere, whatever the format."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfold.data.channel_files import DataFile, Format
from crossfold.data.file_sets import read_file_sets
from crossfold.data.options import ChannelFiles, DataOptions
from crossfold.data.reading import read_channels
from crossfold.data.row_files import RowFile, open_row_files, write_rows
from crossfold.data.table import TextColumn
from crossfold.errors import UserError

END = st.sampled_from(["\n", "\r\n", "\r"])
BLANK = st.sampled_from(["", "\n", "\r\n"])


def cut(content: bytes, name: str, kind: Format, keep: Callable[[int], NDArray[np.bool_]]) -> None:
    """Cut a file in two and join the rows of the parts again, by who was where."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        (found,) = open_row_files([DataFile("train", path, name, kind)], "auto")
        mask = keep(found.n_rows)
        parts = [rows_of(found, mask, path), rows_of(found, ~mask, path)]
        head = unpacked(path)[: found.n_head]
        every = rows_of(found, np.ones(found.n_rows, dtype=bool), path)
        assert len(every) == found.n_rows
        sides = [iter(part) for part in parts]
        joined = [next(sides[0 if kept else 1]) for kept in mask.tolist()]
        assert joined == every
        assert [next(side, None) for side in sides] == [None, None]
        # All that is left out are blank lines and comments, which are no rows.
        rest = unpacked(path)
        assert rest.startswith(head)
        rest = rest[len(head) :]
        for row in every:
            before, _, rest = rest.partition(row)
            assert not before.strip(), before
        assert not rest.strip()


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def rows_of(found: RowFile, keep: NDArray[np.bool_], path: Path) -> list[bytes]:
    """Write a part; return its rows one by one, each cut out alone as well."""
    rows = []
    for row in np.flatnonzero(keep).tolist():
        alone = np.zeros(found.n_rows, dtype=bool)
        alone[row] = True
        target = path.with_name("alone")
        write_rows(found, alone, target)
        rows.append(unpacked(target)[found.n_head :])
    target = path.with_name("part")
    write_rows(found, keep, target)
    head = unpacked(path)[: found.n_head]
    assert unpacked(target) == head + b"".join(rows)
    return rows


def keeps(seed: int) -> Callable[[int], NDArray[np.bool_]]:
    return lambda n: np.random.default_rng(seed).random(n) < 0.5


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


CELL = st.one_of(
    st.integers(-9, 9).map(str),
    st.text(st.characters(codec="utf-8", exclude_characters='",\r\n\0', exclude_categories=["Cs"])),
    st.text(st.sampled_from('a",\r\n é'), max_size=5).map(quoted),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, END, BLANK), min_size=1, max_size=9),
    st.sampled_from(["", "a,b,c\n", "\ufeffa,b,c\r\n"]),
    st.sampled_from(["rows.csv", "rows.csv.gz"]),
    st.integers(0, 99),
)
def test_cut_csv_files_joined_again_are_the_rows_byte_for_byte(
    rows: list[tuple[str, str, str, str]], head: str, name: str, seed: int
) -> None:
    text = head + "".join(f"1,{one},{other}{end}{blank}" for one, other, end, blank in rows)
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()

    cut(content, name, "csv", keeps(seed))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(['{"a": 1}', '[1, "é"]', "{}", '{"b": "x y"}']), END, BLANK),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(["", "\ufeff"]),
    st.integers(0, 99),
)
def test_so_are_json_lines(rows: list[tuple[str, str, str]], mark: str, seed: int) -> None:
    text = mark + "".join("".join(row) for row in rows)

    cut(text.encode(), "rows.jsonl", "jsonlines", keeps(seed))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["1 1:2", "0:2 qid:1 3:4 # why", "-1"]), END, BLANK),
        min_size=1,
        max_size=9,
    ),
    st.integers(0, 99),
)
def test_so_are_libsvm_lines(rows: list[tuple[str, str, str]], seed: int) -> None:
    text = "".join("".join(row) for row in rows)

    cut(text.encode(), "rows.libsvm", "libsvm", keeps(seed))


@pytest.mark.parametrize("compression", ["NONE", "snappy", "zstd"])
def test_parquet_keeps_rows_schema_and_compression(tmp_path: Path, compression: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {
            "n": pa.array(range(10), pa.int16()),
            "when": pa.array(range(10), pa.timestamp("ms")),
            "kind": pa.array(list("aabbccddee")).dictionary_encode(),
            "nested": pa.array([[i] * (i % 3) for i in range(10)]),
        }
    ).replace_schema_metadata({"made": "here"})
    path, target = tmp_path / "rows.parquet", tmp_path / "part.parquet"
    parquet.write_table(table, path, row_group_size=4, compression=compression)
    (found,) = open_row_files([DataFile("train", path, "rows.parquet", "parquet")], "auto")
    keep = np.array([i in (0, 3, 8, 9) for i in range(10)])

    write_rows(found, keep, target)

    cut_table, whole = parquet.read_table(target), parquet.read_table(path)
    assert cut_table.schema.equals(whole.schema, check_metadata=True)
    assert cut_table.to_pylist() == whole.filter(pa.array(keep)).to_pylist()
    assert parquet.ParquetFile(target).num_row_groups == 2
    kept = parquet.ParquetFile(target).metadata.row_group(0).column(0).compression
    assert kept == {"NONE": "UNCOMPRESSED"}.get(compression, compression.upper())


def test_the_readers_count_the_same_rows(tmp_path: Path) -> None:
    text = 'y,a,b\n1,"x\n""y",2\n\n0,z,"3"\r\n1,,4'
    (tmp_path / "rows.csv").write_text(text, newline="")
    channel = ChannelFiles("train", tmp_path)
    options = DataOptions(label="y", categorical_columns=("a",))

    table = read_channels([channel], options)["train"]
    (found,) = open_row_files([DataFile("train", tmp_path / "rows.csv", "rows.csv", "csv")], "auto")

    assert found.n_rows == table.n_rows == 3


def test_of_columns_only_those_with_a_role_are_read(tmp_path: Path) -> None:
    """Dates, long texts and stray texts are the script's own matter."""
    text = "when,note,n,kind\n2026-01-01,hello,1,b\n2026-01-02,you,x,a\n2026-01-03,all,3,b\n"
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    file = DataFile("train", tmp_path / "rows.csv", "rows.csv", "csv")

    tables = read_file_sets(
        {"train": [file]},
        DataOptions(label="kind", header="true"),
        dtype=np.float64,
        absent=np.nan,
        wanted="roles",
    )

    label = tables["train"].label
    assert isinstance(label, TextColumn)
    assert [label.values[code] for code in label.codes] == ["b", "a", "b"]
    assert tables["train"].features.shape == (3, 0)


@pytest.mark.parametrize("names", ["y,t\n", ""])
def test_cells_of_whole_documents_are_cut_as_they_are(tmp_path: Path, names: str) -> None:
    rows = [f'{number},"{"word, " * 40_000}"\n'.encode() for number in range(3)]
    path = tmp_path / "a.csv"
    path.write_bytes(names.encode() + b"".join(rows))

    (found,) = open_row_files([DataFile("train", path, path.name, "csv")], "auto")
    write_rows(found, np.array([True, False, True]), tmp_path / "part")

    assert found.n_rows == 3
    assert (tmp_path / "part").read_bytes() == names.encode() + rows[0] + rows[2]


def test_a_quote_that_is_never_closed_does_not_make_one_row_of_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("y,t\n" + "".join(f"{i},x\n" for i in range(9)) + '9,"x\n10,x\n11,x\n')

    with pytest.raises(UserError, match=r"file a\.csv, row 11: .* is a quote never closed"):
        open_row_files([DataFile("train", path, path.name, "csv")], "auto")

    path.write_text('y,t\n1,5" pipe\n2,"x\n3,x\n')
    with pytest.raises(UserError, match=r"file a\.csv, row 3: .* is a quote never closed"):
        open_row_files([DataFile("train", path, path.name, "csv")], "auto")


@pytest.mark.parametrize("row", ['1,5" pipe', '1,"5" pipe"'])
def test_a_quote_within_a_cell_opens_nothing(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"y,t\n{row}\n2,x\n")

    (found,) = open_row_files([DataFile("train", path, path.name, "csv")], "auto")

    assert found.n_rows == 2


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n")

    with pytest.raises(UserError, match="rows.csv has no rows"):
        open_row_files([DataFile("train", path, "rows.csv", "csv")], "true")


def test_the_same_rows_are_the_same_gzip_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    packed = io.BytesIO()
    with gzip.GzipFile("any.csv", "wb", fileobj=packed) as file:
        file.write(b"1,2\n3,4\n")
    path.write_bytes(packed.getvalue())
    (found,) = open_row_files([DataFile("train", path, "rows.csv.gz", "csv")], "auto")
    keep = np.array([False, True])

    for name in ("one", "two"):
        write_rows(found, keep, tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert gzip.decompress((tmp_path / "one").read_bytes()) == b"3,4\n"
