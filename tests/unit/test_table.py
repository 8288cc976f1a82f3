from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.data.table import Column, Source, Table, TextColumn, duplicate_groups

NAN = float("nan")


def make_table() -> Table:
    return Table(
        features=np.array([[1.0, NAN], [2.0, 0.0], [1.0, NAN]]),
        columns=(Column("a", "number"), Column("b", "category", ("x",))),
        label=np.array([0.0, 1.0, 0.0]),
        label_name="y",
        weight=np.array([1.0, 2.0, 3.0]),
        group=TextColumn(np.array([0, 1, 0], np.int32), ("g", "h")),
        time=np.array([5, 6, 7], np.int64),
        fold=TextColumn(np.array([0, 0, 1], np.int32), ("0", "1")),
        ids=np.array(["i", "j", "k"], dtype=object),
        sources=(Source("train", "a.csv", 0, 3),),
    )


def test_take_keeps_every_role_in_the_order_asked_for() -> None:
    taken = make_table().take(np.array([2, 1]))

    assert taken.n_rows == 2
    np.testing.assert_array_equal(taken.features, [[1, NAN], [2, 0]])
    np.testing.assert_array_equal(taken.label, [0, 1])
    np.testing.assert_array_equal(taken.weight, [3, 2])
    np.testing.assert_array_equal(taken.time, [7, 6])
    assert taken.group is not None
    np.testing.assert_array_equal(taken.group.codes, [0, 1])
    assert taken.fold is not None
    np.testing.assert_array_equal(taken.fold.codes, [1, 0])
    assert taken.ids is not None
    assert taken.ids.tolist() == ["k", "j"]
    assert taken.sources == ()


def test_fingerprint_is_the_same_for_equal_tables_whatever_their_files() -> None:
    elsewhere = replace(make_table(), sources=())

    assert make_table().fingerprint() == elsewhere.fingerprint()
    assert len(make_table().fingerprint()) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"features": np.array([[1.0, NAN], [2.0, 0.0], [1.0, 0.0]])},
        {"columns": (Column("a", "number"), Column("b", "category", ("z",)))},
        {"label": np.array([0.0, 1.0, 1.0])},
        {"label": TextColumn(np.array([0, 1, 0], np.int32), ("n", "p"))},
        {"label_name": "z"},
        {"weight": np.array([1.0, 2.0, 4.0])},
        {"weight": None},
        {"group": TextColumn(np.array([0, 1, 0], np.int32), ("g", "i"))},
        {"time": np.array([5.0, 6.0, 7.0])},
        {"ids": np.array(["i", "j", "l"], dtype=object)},
    ],
)
def test_fingerprint_changes_with_every_part(change: dict[str, object]) -> None:
    changed = replace(make_table(), **change)  # type: ignore[arg-type]  # parts of every type

    assert changed.fingerprint() != make_table().fingerprint()


def test_fingerprint_stays_what_it_was() -> None:
    """Checkpoints are keyed by it, so a release must not change it unawares."""
    table = Table(np.array([[1.5]], np.float32), (Column("a", "number"),), np.array([1.0]), "y")

    assert table.fingerprint() == (
        "14565646e73cd079f8d24aa33e76e8d6a51ecb2a2fd7b14663ad40f9c2f688c6"
    )


def test_rows_with_equal_features_are_one_group() -> None:
    features = np.array([[0.0, NAN], [1.0, 2.0], [-0.0, NAN], [2.0, 1.0], [1.0, 2.0]], np.float32)
    groups = duplicate_groups(replace(make_table(), features=features))

    assert groups[0] == groups[2]
    assert groups[1] == groups[4]
    assert len(set(groups.tolist())) == 3


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0**60, NAN])] * 3),
        min_size=1,
        max_size=40,
    )
)
def test_groups_are_those_of_exact_comparison(rows: list[tuple[float, ...]]) -> None:
    table = Table(np.array(rows), (Column("a", "number"),) * 3)
    seen: dict[str, int] = {}
    expected = [seen.setdefault(repr(row), len(seen)) for row in rows]

    groups = duplicate_groups(table).tolist()

    assert len(set(groups)) == len(seen)
    assert len(set(zip(groups, expected, strict=True))) == len(seen)
