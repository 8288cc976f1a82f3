from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from crossfold.data import libsvm_layout
from crossfold.data.options import DataOptions
from crossfold.errors import UserError
from tests.unit.channel_builder import read, refusal

NAN = float("nan")


def read_libsvm(content: str, options: DataOptions | None = None, absent: float = NAN):  # type: ignore[no-untyped-def]  # noqa: ANN201  a Table
    return read({"train/a.libsvm": content}, options, absent=absent)["train"]


@pytest.mark.parametrize("absent", [0.0, NAN])
def test_indices_are_taken_as_they_are(absent: float) -> None:
    table = read_libsvm("1 1:2.5 3:-1e2\n0 2:7 # a comment: 9:9\n\n", absent=absent)

    assert [column.name for column in table.columns] == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(
        table.features, [[absent, 2.5, absent, -100], [absent, absent, 7, absent]]
    )
    np.testing.assert_array_equal(table.label, [1, 0])
    assert table.weight is None
    assert table.group is None


def test_weights_and_queries_become_roles() -> None:
    table = read_libsvm("1:0.5 qid:10 0:1\n0:2 qid:9 0:2\n1:1 qid:10\n")

    np.testing.assert_array_equal(table.weight, [0.5, 2, 1])
    assert table.group.values == ("9", "10")
    np.testing.assert_array_equal(table.group.codes, [1, 0, 1])


def test_channels_share_the_greatest_index() -> None:
    tables = read({"train/a.libsvm": "1 0:1\n", "test/a.libsvm": "0 2:3\n"}, absent=0.0)

    np.testing.assert_array_equal(tables["train"].features, [[1, 0, 0]])
    np.testing.assert_array_equal(tables["test"].features, [[0, 0, 3]])


def test_columns_may_be_dropped_or_categorical() -> None:
    options = DataOptions(drop_columns=("0",), categorical_columns=("2",))
    table = read_libsvm("1 0:1 2:5\n0 1:4 2:3\n", options)

    assert [(c.name, c.kind, c.categories) for c in table.columns] == [
        ("1", "number", ()),
        ("2", "category", ("3", "5")),
    ]
    np.testing.assert_array_equal(table.features, [[NAN, 1], [4, 0]])


def test_scikit_learn_reads_the_same() -> None:
    rng = np.random.default_rng(3)
    matrix = scipy.sparse.random(9_000, 12, density=0.4, random_state=rng, format="csr")
    labels = rng.integers(3, size=9_000)
    sink = io.BytesIO()
    dump_svmlight_file(matrix, labels, sink)
    expected, expected_labels = load_svmlight_file(io.BytesIO(sink.getvalue()), n_features=12)

    table = read({"train/a.svm": sink.getvalue()}, absent=0.0)["train"]

    np.testing.assert_array_equal(table.features, expected.toarray())
    np.testing.assert_array_equal(table.label, expected_labels)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 0:1 0:2", "index 0 comes after 0"),
        ("1 3:1 2:2", "index 2 comes after 3"),
        ("1 0:x", "'0:x' is no entry"),
        ("1 0", "'0' is no entry"),
        ("1 a:1", "'a:1' is no entry"),
        ("1 -1:1", "'-1:1' is no entry"),
        ("1 0:1:2", "'0:1:2' is no entry"),
        ("1 0: 1", "'0:' is no entry"),
        ("x 0:1", "'x' is no label"),
        ("1: 0:1", "'1:' is no label"),
        ("1 qid:x 0:1", "'qid:x' is no query"),
        ("nan 0:1", "'nan' is no label"),
        ("1 0:inf", "the number is infinite"),
    ],
)
def test_malformed_line_is_refused_with_its_row(line: str, said: str) -> None:
    message = refusal({"train/a.libsvm": f"1 0:1\n\n{line}\n"})

    assert "file a.libsvm, row 3" in message
    assert said in message


def test_weight_that_only_some_rows_have_is_refused() -> None:
    message = refusal({"train/a.libsvm": "1:2 0:1\n1 0:1\n"})

    assert "row 2, column 'weight': the weight is missing" in message


def test_matrix_beyond_memory_is_refused() -> None:
    message = refusal({"train/a.libsvm": "1 99999999999:1\n"})

    assert "indices up to 99999999999" in message
    assert "GiB" in message


def test_more_columns_than_a_dense_matrix_should_have_are_refused() -> None:
    message = refusal({"train/a.libsvm": "1 0:1\n", "train/b.libsvm": "1 1000000:1\n"})

    assert "file b.libsvm has indices up to 1000000" in message
    assert "indices up to 999999" in message


def test_columns_cost_memory_however_few_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libsvm_layout, "_memory_bytes", lambda: 100 << 20)

    message = refusal({"train/a.libsvm": "1 199999:1\n"})

    # 200,000 columns of 1,100 and 8 bytes
    assert "need 0.2 GiB of 0.1 GiB" in message


def test_rows_too_wide_for_one_block_are_all_read() -> None:
    n_rows = 100
    lines = "".join(f"1 {i}:{i + 1} 299999:7\n" for i in range(n_rows))

    table = read({"train/a.libsvm": lines}, absent=0.0, dtype=np.float32)["train"]

    np.testing.assert_array_equal(table.features[range(n_rows), range(n_rows)], range(1, 101))
    np.testing.assert_array_equal(table.features[:, -1], np.full(n_rows, 7))
    assert np.count_nonzero(table.features) == 2 * n_rows


def test_empty_file_is_refused() -> None:
    assert "file a.libsvm is empty" in refusal({"train/a.libsvm": "\n# nothing\n"})


def test_roles_are_those_of_the_file() -> None:
    message = refusal({"train/a.libsvm": "1 0:1\n"}, DataOptions(label="0"))

    assert "hyperparameter 'label' is '0', but LIBSVM rows carry label" in message


@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(
        st.lists(
            st.sampled_from(["1", "0:1", "2:3", "qid:1", "x", ":", "-1:2", "1:2:3", "#", "\0"])
        )
    )
)
def test_arbitrary_tokens_are_read_or_refused(lines: list[list[str]]) -> None:
    content = "\n".join(itertools.starmap(lambda *line: " ".join(line), lines))

    try:
        table = read_libsvm(content)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert table.n_rows > 0
