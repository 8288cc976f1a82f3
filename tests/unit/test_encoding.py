from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from crossfold.algorithms.encoding import fit_encoder, load_encoder
from crossfold.data.table import Column
from crossfold.errors import UserError

COLUMNS = (
    Column("n", "number"),
    Column("c", "category", tuple("abcdef")),
    Column("d", "category", ("x", "y")),
)


def test_codes_are_counted_anew_in_order() -> None:
    train = np.array([[9.0, 5, 0], [8.0, 2, 1], [7.0, np.nan, 0], [6.0, 5, 0]])

    encoder = fit_encoder(train, COLUMNS)
    encoded = encoder.encode(np.array([[1.5, 5, 1], [2.5, 2, np.nan], [3.5, 0, 0], [-4.5, 3, 1]]))

    assert_array_equal(
        encoded, [[1.5, 1, 1], [2.5, 0, np.nan], [3.5, np.nan, 0], [-4.5, np.nan, 1]]
    )
    assert encoder.positions == (1, 2)


def test_nothing_is_copied_when_no_code_changes() -> None:
    train = np.array([[9.0, 0, 0], [8.0, 1, 1]], dtype=np.float32)

    assert fit_encoder(train, COLUMNS).encode(train) is train
    assert fit_encoder(train[:, :1], COLUMNS[:1]).encode(train[:, :1]).base is train


def test_column_without_any_category_becomes_missing() -> None:
    train = np.array([[9.0, np.nan, 0], [8.0, np.nan, 1]])

    encoder = fit_encoder(train, COLUMNS)

    assert_array_equal(encoder.encode(np.array([[1.0, 3, 1]])), [[1.0, np.nan, 1]])


def test_element_type_is_kept() -> None:
    train = np.array([[9.0, 5, 0]], dtype=np.float32)

    assert fit_encoder(train, COLUMNS).encode(train).dtype == np.float32


_CODES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, np.nan]), min_size=1, max_size=30)


@given(_CODES, _CODES)
def test_encoding_agrees_with_a_dictionary(train: list[float], test: list[float]) -> None:
    columns = COLUMNS[1:2]
    encoder = fit_encoder(np.array(train)[:, None], columns)

    encoded = encoder.encode(np.array(test)[:, None])[:, 0]

    known = sorted({code for code in train if not np.isnan(code)})
    own = {code: float(position) for position, code in enumerate(known)}
    assert_array_equal(encoded, [own.get(code, np.nan) for code in test])


@given(_CODES)
def test_saved_encoder_encodes_alike(train: list[float]) -> None:
    from tempfile import TemporaryDirectory

    columns = COLUMNS[1:2]
    encoder = fit_encoder(np.array(train)[:, None], columns)
    every = np.array([0, 1, 2, 3, 4, 5, np.nan])[:, None]
    with TemporaryDirectory() as folder:
        files = encoder.save(Path(folder), columns)
        path = Path(folder) / files[0] if files else None

        loaded = load_encoder(path, columns)

    assert_array_equal(loaded.encode(every), encoder.encode(every))
    assert bool(files) == (len(set(train) - {np.nan}) < 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"1": [0], "2": 3}',
        '{"1": [3, 1], "2": [0]}',
        '{"1": [6], "2": [0]}',
        '{"1": ["a"], "2": [0]}',
        '{"1": [-1], "2": [0]}',
    ],
)
def test_file_that_does_not_fit_the_columns_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "categories.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UserError, match="categories.json"):
        load_encoder(path, COLUMNS)
