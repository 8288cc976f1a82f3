from __future__ import annotations

import math

import numpy as np
import pytest

from crossfold.data.table import Column
from crossfold.persistence.manifest import Manifest, StoredModel
from serve.schema import Schema, schema_of


def schema(*columns: Column, algorithm: str = "xgboost") -> Schema:
    manifest = Manifest(
        algorithm=algorithm,
        task="regression",
        columns=columns,
        label_name="y",
        classes=(),
        positive_label=None,
        dtype="float32" if algorithm == "xgboost" else "float64",
        final_model="refit",
        models=(StoredModel(("model.ubj",)),),
    )
    return schema_of(manifest)


def test_xgboost_reads_float32_and_a_missing_entry() -> None:
    made = schema(Column("a", "number"))

    assert made.dtype == np.float32
    assert math.isnan(made.absent)


@pytest.mark.parametrize("algorithm", ["lightgbm", "random_forest"])
def test_others_read_float64_and_a_zero_entry(algorithm: str) -> None:
    made = schema(Column("a", "number"), algorithm=algorithm)

    assert made.dtype == np.float64
    assert made.absent == 0


def test_categories_have_codes_by_their_order() -> None:
    made = schema(Column("a", "number"), Column("b", "category", ("x", "é")))

    assert made.codes == (None, {"x": 0, "é": 1})
    assert not made.is_numeric


def test_whole_numbers_as_names_are_indices() -> None:
    made = schema(Column("3", "number"), Column("1", "number"))

    assert made.indices == {3: 0, 1: 1}
    assert not made.may_have_header


@pytest.mark.parametrize("name", ["a", "01", "1.0", "-1", "１"])
def test_other_names_are_no_indices(name: str) -> None:
    made = schema(Column("0", "number"), Column(name, "number"))

    assert made.indices is None
