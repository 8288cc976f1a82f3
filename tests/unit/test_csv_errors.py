from __future__ import annotations

import gzip

import numpy as np
import pytest

from crossfold.data.options import DataOptions
from tests.unit.channel_builder import read_train, refusal


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "file a.csv is empty"),
        ("\n\n", "file a.csv is empty"),
        ("y,a\n", "row 1 is the only row and holds no number"),
        ("y,a\np,q\n", "set hyperparameter 'header' to 'true' or 'false'"),
        ("1,2,3\n4,5\n", "row 2 has 2 cells, row 1 has 3"),
        ("y,a\n1,2\n\n1,2,3\n", "row 4 has 3 cells, row 1 has 2"),
        ('y,a\n1,"2\n2"\n1,2,3\n', "row 4 has 3 cells, row 1 has 2"),
        ("y,a,a,b,b\n1,2,3,4,5\n", "several columns named 'a', 'b'"),
        ("y,a\n1,2\n1,abc\n1,3\n", "row 3, column 'a': 'abc' is not a number"),
        ('y,a\n\n1,2\n1,"x\ny"\n1,3\n', "row 4, column 'a': 'x\\ny' is not a number"),
        ("y,a\n1,2\n,3\n", "row 3, column 'y': the label is missing (1 of 2 rows)"),
        ("y,a\n1,2\ninf,3\n", "row 3, column 'y': the label is inf"),
        ("y,a\n1,2\nb,3\n", "row 3, column 'y': 'b' is not a number"),
        ("y,a\n1,2\n1,-Infinity\n", "row 3, column 'a': the number is infinite"),
        ("y,a\n1,2\n1,1e999\n", "row 3, column 'a': the number is infinite"),
        ('y,a\n1,2\n1,"x\n1,y\n', "row 3: unexpected end of data; is a quote never closed?"),
        ("y\n1\n2\n", "leaves no feature"),
    ],
)
def test_broken_file_is_refused_with_its_place(content: str, said: str) -> None:
    message = refusal(content)

    assert said in message
    assert "channel 'train'" in message
    assert "a.csv" in message


def test_text_in_the_first_row_without_header_asks_whether_it_is_one() -> None:
    message = refusal("y,a\n1,2\n", DataOptions(header="false"))

    assert "row 1, column '1': 'a' is not a number" in message
    assert "set hyperparameter 'header' to 'true'" in message


def test_header_without_rows_is_refused_when_declared() -> None:
    assert "file a.csv has no rows" in refusal("y,a\n", DataOptions(header="true"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", ["1e39", "-1e39", "3.4028236e38"])
def test_number_beyond_float32_is_refused_whatever_the_matrix_holds(cell: str, dtype: type) -> None:
    message = refusal(f"y,a\n1,2\n1,{cell}\n1,-inf\n", dtype=dtype)

    assert "file a.csv, row 3, column 'a'" in message
    assert "3.4e+38, the largest of float32" in message


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_greatest_number_of_float32_is_taken(dtype: type) -> None:
    table = read_train("y,a\n1,3.4028234e38\n1,-3.4028234e38\n1,\n", dtype=dtype)

    assert np.isfinite(table.features[:2].astype(np.float32)).all()


def test_number_beyond_float32_is_refused_among_texts_that_turn_out_to_be_numbers() -> None:
    message = refusal("y,a\n1,2\n" + "1, \n" * 3 + '1," 1e39 "\n')

    assert "row 6, column 'a': the number is infinite or beyond" in message


def test_text_that_is_not_utf8_is_refused_with_row_and_column() -> None:
    early = refusal({"train/a.csv": b"y,a\n1,p\n1,caf\xe9\n"})
    late = refusal({"train/a.csv": b"y,a\n" + b"1,p\n" * 100_000 + b"1,caf\xe9\n"})

    assert "row 3 is not UTF-8 text" in early
    assert "row 100002, column 'a' is not UTF-8 text" in late


def test_cells_of_whole_documents_are_no_error_and_count_as_one_row() -> None:
    document = f'"{"word, " * 40_000}"'
    rows = f"y,t,a\n1,{document},2\n0,{document},3\n"
    options = DataOptions(drop_columns=("t",))

    assert read_train(rows, options).features.tolist() == [[2], [3]]
    assert "row 4, column 'a': 'x' is not a number" in refusal(f"{rows}1,{document},x\n", options)


def test_error_late_in_a_long_file_names_its_row() -> None:
    message = refusal("y,a\n" + "1,2.25\n" * 200_000 + "1,oops\n")

    assert "row 200002, column 'a': 'oops'" in message


@pytest.mark.parametrize("damage", [lambda b: b[:-12], lambda b: b[:30] + b"zzzz" + b[34:]])
def test_broken_gzip_is_refused(damage: object) -> None:
    assert callable(damage)
    content = damage(gzip.compress("".join(f"{i % 2},{i}\n" for i in range(2000)).encode()))

    assert "broken gzip file" in refusal({"train/a.csv.gz": content})


def test_files_of_one_channel_must_agree_on_their_columns() -> None:
    message = refusal({"train/a.csv": "y,a\n1,2\n", "train/b.csv": "y,c\n1,2\n"})

    assert "file b.csv has other columns" in message
    assert "missing 'a', unknown 'c'" in message


@pytest.mark.parametrize("first", ["y,a\n1,2\n", "1,2\n"])
def test_all_files_have_a_header_or_none(first: str) -> None:
    second = "3,4\n" if first.startswith("y") else "y,a\n3,4\n"

    assert "has column names" in refusal({"train/a.csv": first, "train/b.csv": second})


def test_files_without_header_must_be_equally_wide() -> None:
    message = refusal({"train/a.csv": "1,2\n", "test/b.csv": "1,2,3\n"})

    assert "channel 'test', file b.csv has 3 columns" in message


def test_message_is_one_line() -> None:
    assert "\n" not in refusal('y,a\n1,2\n1,"x\n')
    assert "\n" not in refusal('y,"a\nb",c\n1,2,x\n1,z,x\n')
