from __future__ import annotations

import csv
import io
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.data.cells import is_date, is_missing, is_number
from crossfold.data.options import DataOptions
from crossfold.errors import UserError
from tests.unit.channel_builder import read

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6).filter(
    lambda t: not is_number(t) and not is_date(t) and "," not in t
)
LARGEST = float(np.finfo(np.float32).max)
NUMBERS = st.one_of(st.none(), st.floats(-LARGEST, LARGEST))
ROWS = st.lists(
    st.tuples(st.integers(-5, 5), NUMBERS, TEXTS, st.text(max_size=5)), min_size=1, max_size=20
)


@settings(max_examples=1000, deadline=None)
@given(rows=ROWS, line_end=st.sampled_from(["\n", "\r\n"]))
def test_what_python_writes_is_read_back(
    rows: list[tuple[int, float | None, str, str]], line_end: str
) -> None:
    text = io.StringIO(newline="")
    # Python leaves a lone \r without quotes when lines end with \n, so quote everything then.
    if line_end == "\n":
        writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    else:
        writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(["y", "a", "b", "i"])
    writer.writerows([(y, "" if a is None else repr(a), b, i) for y, a, b, i in rows])
    options = DataOptions(label="y", header="true", id_column="i", categorical_columns=("b",))

    table = read({"train/a.csv": text.getvalue()}, options)["train"]

    numbers = [math.nan if a is None else a for _, a, _, _ in rows]
    np.testing.assert_array_equal(table.label, [row[0] for row in rows])
    np.testing.assert_array_equal(table.features[:, 0], numbers)
    categories = table.columns[1].categories
    read_texts = [None if math.isnan(c) else categories[int(c)] for c in table.features[:, 1]]
    assert read_texts == [None if is_missing(b) else b.strip() for _, _, b, _ in rows]
    assert table.ids is not None
    assert table.ids.tolist() == [row[3] for row in rows]


BYTES = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from([b"1", b"2.5", b",", b"\n", b"\r", b'"', b"a", b" ", b"\xff", b"\0"])
    ).map(b"".join),
)


@settings(max_examples=100, deadline=None)
@given(content=BYTES, header=st.sampled_from(["auto", "true", "false"]))
def test_arbitrary_bytes_are_read_or_refused(content: bytes, header: str) -> None:
    options = DataOptions(header=header)  # type: ignore[arg-type]  # a literal by construction

    try:
        table = read({"train/a.csv": content}, options)["train"]
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert table.n_rows > 0
        assert np.isfinite(table.features[~np.isnan(table.features)]).all()
