from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.data.cells import is_number
from crossfold.data.libsvm_lines import Line, SparseRows, _any_rows, read_rows, without_comment
from crossfold.errors import UserError


def _place(line: int) -> str:
    return f"row {line}"


def _lists(rows: SparseRows) -> list[tuple[list[int], list[float]]]:
    return [
        (rows.indices[a:b].tolist(), rows.values[a:b].tolist())
        for a, b in zip(rows.starts[:-1], rows.starts[1:], strict=True)
    ]


def test_labels_may_be_left_out_of_some_lines() -> None:
    texts = ["0:1 3:2.5", "1 0:1", "qid:4 2:1", "-1.5 qid:4 2:7", "5"]

    rows = read_rows(list(enumerate(texts, 1)), _place, labels_required=False)

    assert _lists(rows) == [([0, 3], [1, 2.5]), ([0], [1]), ([2], [1]), ([2], [7]), ([], [])]


def test_first_pair_is_an_entry_where_labels_may_be_left_out_and_else_a_weight() -> None:
    line = [(1, "1:0.5 3:2")]

    assert _lists(read_rows(line, _place, labels_required=False)) == [([1, 3], [0.5, 2])]
    rows = read_rows(line, _place)
    assert (_lists(rows), rows.weights.tolist()) == ([([3], [2])], [0.5])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x 0:1", "row 7: 'x' is no label"),
        ("0:x", "row 7: '0:x' is no entry"),
        ("2:1 1:1", "row 7: index 1 comes after 2"),
        ("qid:z 0:1", "row 7: 'qid:z' is no query"),
    ],
)
def test_malformed_line_without_a_label_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_rows([(6, "0:1"), (7, text)], _place, labels_required=False)


def test_no_lines_are_no_rows() -> None:
    rows = read_rows([], _place)

    assert rows.starts.tolist() == [0]
    assert len(rows.labels) == len(rows.values) == 0


def test_comment_ends_a_line() -> None:
    assert without_comment("1 0:2 # 3:4\n") == "1 0:2 "


_NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["+1", ".5", "5.", "1e-400", "00012"]),
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(_NUMBERS, st.dictionaries(st.integers(0, 10**15 - 1), _NUMBERS, max_size=5)),
        min_size=1,
        max_size=8,
    )
)
def test_many_lines_at_a_time_are_read_as_one_token_after_the_other(
    drawn: list[tuple[str, dict[int, str]]],
) -> None:
    texts = [
        " ".join([label, *(f"{index}:{value}" for index, value in sorted(entries.items()))])
        for label, entries in drawn
    ]
    lines: list[Line] = list(enumerate(texts, 1))

    quick, slow = read_rows(lines, _place), _any_rows(_place, lines)

    for name in SparseRows.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(quick, name), getattr(slow, name))
    assert quick.labels.tolist() == [float(label) for label, _ in drawn]


def test_long_row_of_digits_is_refused_in_one_pass() -> None:
    digits = "1" * 200_000 + "x"
    start = time.process_time()

    assert not is_number(digits)
    with pytest.raises(UserError, match="is no label"):
        read_rows([(1, digits)], _place)

    # Trying every way to split the digits would take minutes.
    assert time.process_time() - start < 5
