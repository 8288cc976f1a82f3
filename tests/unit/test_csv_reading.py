from __future__ import annotations

import gzip
import importlib.util
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from crossfold.data.channel_files import DataFile
from crossfold.data.csv_codec import open_csv
from crossfold.data.options import DataOptions
from crossfold.data.table import Column, TextColumn
from tests.unit.channel_builder import read, read_train

NAN = float("nan")


def test_first_column_is_the_label_and_the_others_are_features() -> None:
    table = read_train("y,größe,b\n1,2.5,-3e2\n0,.5,7\n")

    np.testing.assert_array_equal(table.features, [[2.5, -300], [0.5, 7]])
    np.testing.assert_array_equal(table.label, [1, 0])
    assert table.columns == (Column("größe", "number"), Column("b", "number"))
    assert table.label_name == "y"


def test_features_are_c_ordered_and_of_the_type_asked_for() -> None:
    table = read_train("1,0.1,2\n0,0.3,4\n", dtype=np.float32)

    assert table.features.dtype == np.float32
    assert table.features.flags.c_contiguous
    np.testing.assert_array_equal(table.features, np.array([[0.1, 2], [0.3, 4]], np.float32))


@pytest.mark.parametrize("cell", ["", "NA", "na", "N/A", "nan", "NaN", "NULL", "null", " NA ", " "])
def test_missing_spellings_are_nan(cell: str) -> None:
    table = read_train(f"y,a,c\n1,{cell},x\n0,2,{cell}\n")

    np.testing.assert_array_equal(table.features, [[NAN, 0], [2, NAN]])
    assert table.columns[1].categories == ("x",)


def test_none_is_a_text_because_data_sets_use_it_for_a_category() -> None:
    table = read_train("y,a\n1,None\n0,x\n")

    assert table.columns[0].categories == ("None", "x")


def test_numbers_are_read_to_the_last_bit() -> None:
    values = [0.1, 1 / 3, 1e-308, 123456789.123456789, 5e-324, 3.4028234663852886e38]
    table = read_train("".join(f"1,{value!r}\n" for value in values))

    np.testing.assert_array_equal(table.features[:, 0], values)


def test_plus_signs_and_blanks_around_numbers_do_not_matter() -> None:
    table = read_train("y,a\n+1, +2.5 \n-1,\t3\n")

    np.testing.assert_array_equal(table.label, [1, -1])
    np.testing.assert_array_equal(table.features, [[2.5], [3]])


@pytest.mark.parametrize(
    "text", ["\ufeff1,2\n3,4\n", "1,2\r\n3,4", "\n1,2\n\n3,4\n\n", "1,2\r3,4\r"]
)
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(text: str) -> None:
    table = read_train(text)

    np.testing.assert_array_equal(table.label, [1, 3])
    np.testing.assert_array_equal(table.features, [[2], [4]])


def test_byte_order_mark_is_not_part_of_the_first_name() -> None:
    assert read_train("\ufeffy,a\n1,2\n").label_name == "y"


def test_quoted_cells_may_hold_delimiters_quotes_and_newlines() -> None:
    table = read_train('y,"a\nb"\n1,"p,q"\n0,"r ""s""\nt"\n')

    assert table.columns == (Column("a\nb", "category", ("p,q", 'r "s"\nt')),)
    np.testing.assert_array_equal(table.features, [[0], [1]])


@pytest.mark.parametrize(("name", "cut"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.csv", "|")])
def test_other_delimiters_are_recognised(name: str, cut: str) -> None:
    table = read({f"train/{name}": "y,a\n1,2\n0,3\n".replace(",", cut)})["train"]

    np.testing.assert_array_equal(table.features, [[2], [3]])


def test_comma_wins_over_a_semicolon_inside_cells() -> None:
    table = read_train("y,a\n1,p;q\n0,r;s\n")

    assert table.columns[0].categories == ("p;q", "r;s")


def test_gzip_is_known_by_its_bytes_and_may_have_several_members() -> None:
    content = gzip.compress(b"y,a\n1,2\n") + gzip.compress(b"0,3\n")
    table = read({"train/data": content}, content_type="text/csv; charset=utf-8")["train"]

    np.testing.assert_array_equal(table.features, [[2], [3]])


def test_header_is_recognised_by_numbers_below_names() -> None:
    assert read_train("y,a\nu,1\nv,2\n").label_name == "y"
    assert read_train("0.5,a\n1,b\n").label_name == "0"


def test_header_is_recognised_when_the_first_number_comes_late() -> None:
    table = read_train("y,a\n" + "u,\nv,\n" * 500 + "u,7\n")

    assert table.label_name == "y"
    assert table.n_rows == 1001


def test_header_option_decides_where_the_file_cannot() -> None:
    assert read_train("y,a\nu,p\nv,q\n", DataOptions(header="true")).n_rows == 2
    assert read_train("y,a\nu,p\nv,q\n", DataOptions(header="false")).n_rows == 3


def test_unnamed_columns_are_named_by_their_position() -> None:
    table = read_train("y,,b\n1,2,3\n", DataOptions(label="y"))

    assert [column.name for column in table.columns] == ["Unnamed: 1", "b"]


def test_text_that_comes_late_makes_the_column_text() -> None:
    table = read_train("y,a,b\n" + "1,,2\n" * 5000 + "0,x,3\n1,y,4\n")

    assert table.columns[0] == Column("a", "category", ("x", "y"))
    np.testing.assert_array_equal(table.features[-2:], [[0, 3], [1, 4]])
    assert np.isnan(table.features[:5000, 0]).all()


def test_rows_beyond_the_guess_from_the_first_ones_are_read() -> None:
    long_rows = "1,1000000000000000000000000000000\n" * 4000
    table = read_train(long_rows + "1,2\n" * 300_000, dtype=np.float32)

    assert table.n_rows == 304_000
    np.testing.assert_array_equal(table.features[4000:], 2)


def test_text_labels_are_classes_in_sorted_order() -> None:
    table = read_train("kind,a\n setosa,1\nvirginica,2\nsetosa,3\n")

    assert isinstance(table.label, TextColumn)
    assert table.label.values == ("setosa", "virginica")
    np.testing.assert_array_equal(table.label.codes, [0, 1, 0])


def test_labels_that_parse_as_numbers_are_numbers() -> None:
    table = read_train("y,a\n1,1\n1.0,2\n1e0,3\n+2,4\n")

    np.testing.assert_array_equal(table.label, [1, 1, 1, 2])


def test_files_are_read_in_the_order_of_their_path_parts() -> None:
    table = read(
        {
            "train/b.csv": "y,a\n3,3\n",
            "train/a/2.csv": "a,y\n2,2\n",
            "train/a/10.csv": "y,a\n1,1\n7,7\n",
            "train/_SUCCESS": "",
            "train/.hidden/x.csv": "junk",
            "train/train-manifest": "[]",
        }
    )["train"]

    np.testing.assert_array_equal(table.label, [1, 7, 2, 3])
    np.testing.assert_array_equal(table.features[:, 0], [1, 7, 2, 3])
    assert [(s.path, s.first_row, s.n_rows) for s in table.sources] == [
        ("a/10.csv", 0, 2),
        ("a/2.csv", 2, 1),
        ("b.csv", 3, 1),
    ]


def test_reading_writes_nothing_into_the_channel(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1,2\n")
    tmp_path.chmod(0o555)

    list(open_csv(DataFile("train", file, "a.csv", "csv"), "auto").blocks([(0, "number")]))

    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_columns_that_nobody_wants_are_not_parsed() -> None:
    table = read_train("y,junk,a\n1,x,2\n0,3,4\n", DataOptions(drop_columns=("junk",)))

    np.testing.assert_array_equal(table.features, [[2], [4]])


@pytest.mark.skipif(
    importlib.util.find_spec("pandas") is not None,
    reason="pyarrow imports pandas wherever it is installed, as after make bench",
)
def test_reading_numbers_imports_neither_pandas_nor_pyarrow_compute() -> None:
    import subprocess

    program = (
        "import sys, tempfile, pathlib\n"
        "from crossfold.data.reading import read_channels\n"
        "from crossfold.data.options import ChannelFiles, DataOptions\n"
        "with tempfile.TemporaryDirectory() as root:\n"
        "    pathlib.Path(root, 'a.csv').write_text('1,2\\n')\n"
        "    read_channels([ChannelFiles('train', pathlib.Path(root))], DataOptions())\n"
        "assert not {'pandas', 'pyarrow.compute'} & set(sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)

    assert done.returncode == 0


def test_python_holds_few_objects_while_numbers_are_read() -> None:
    text = "1,2.5,3.5\n" * 100_000
    tracemalloc.start()
    table = read_train(text, dtype=np.float32)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # The matrix, the labels twice while they are joined, two blocks, the file written: no cell.
    assert peak < table.features.nbytes + 2 * 8 * table.n_rows + len(text) + 8_000_000
