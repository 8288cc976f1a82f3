from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from crossfold.data.table import Column
from crossfold.errors import UserError
from crossfold.persistence.manifest import (
    Manifest,
    StoredModel,
    library_versions,
    manifest_text,
    parse_manifest,
)

MANIFEST = Manifest(
    algorithm="xgboost",
    task="binary",
    columns=(Column("größe", "number"), Column("kind", "category", ("a", "b\n", "ü"))),
    label_name="y",
    classes=("no", "yes"),
    positive_label="yes",
    dtype="float32",
    final_model="refit",
    complete=False,
    rounds_done=17,
    versions={"xgboost": "3.2.0"},
    metrics={"validation:auc": 0.875, "test:auc": None},
    models=(StoredModel(("model.ubj", "categories.json"), 17),),
)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(manifest_text(MANIFEST))
    return document


def test_what_is_written_is_read() -> None:
    assert parse_manifest(manifest_text(MANIFEST)) == MANIFEST


def test_regression_without_a_label_name_is_read() -> None:
    manifest = replace(
        MANIFEST,
        task="regression",
        classes=(),
        positive_label=None,
        label_name=None,
        rounds_done=None,
        algorithm="sklearn.svm.SVR",
        models=(StoredModel(("model.skops",)),),
    )

    assert parse_manifest(manifest_text(manifest)) == manifest


def test_undefined_metric_is_null() -> None:
    text = manifest_text(replace(MANIFEST, metrics={"a": float("nan"), "b": float("inf")}))

    assert json.loads(text)["metrics"] == {"a": None, "b": None}


@pytest.mark.parametrize("number", [0, 2, "1", 1.5, True, None])
def test_unknown_format_is_refused(number: Any) -> None:
    with pytest.raises(UserError, match="'format' is .*expected 1"):
        parse_manifest(json.dumps({**_document(), "format": number}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("algorithm", "pickle"),
        ("algorithm", "os.system"),
        ("algorithm", 3),
        ("task", "clustering"),
        ("columns", {}),
        ("columns", [3]),
        ("columns", [{"name": "a", "type": "blob"}]),
        ("columns", [{"name": "a", "type": "category", "categories": [1]}]),
        ("columns", [{"name": "a", "type": "category", "categories": [None]}]),
        ("label", 1),
        ("classes", ["no", "yes", "maybe"]),
        ("classes", []),
        ("positive_label", None),
        ("positive_label", "no"),
        ("dtype", "object"),
        ("final_model", "none"),
        ("complete", 1),
        ("rounds_done", -1),
        ("rounds_done", True),
        ("versions", []),
        ("metrics", {"auc": "high"}),
        ("models", []),
        ("models", [{"files": [], "rounds": None}]),
        ("models", [{"files": ["a.ubj"], "rounds": 1}, {"files": ["b.ubj"], "rounds": 1}]),
        ("models", [{"files": ["manifest.json"], "rounds": 1}]),
        ("models", [{"files": ["a.ubj", "a.ubj"], "rounds": 1}]),
    ],
)
def test_field_of_another_kind_is_refused_and_named(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=name):
        parse_manifest(json.dumps({**_document(), name: value}))


@pytest.mark.parametrize("name", sorted(_document().keys() - {"objective"}))
def test_missing_field_is_refused_and_named(name: str) -> None:
    document = _document()
    del document[name]

    with pytest.raises(UserError, match=name):
        parse_manifest(json.dumps(document))


@pytest.mark.parametrize(
    "name", ["../model.ubj", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "", "a\x00b", "m\n"]
)
def test_file_name_that_leads_elsewhere_is_refused(name: str) -> None:
    models = [{"files": [name], "rounds": 1}]

    with pytest.raises(UserError, match="plain file names"):
        parse_manifest(json.dumps({**_document(), "models": models}))


@given(
    st.text(max_size=50)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_manifest(text)


@pytest.mark.parametrize("written", ["Infinity", "-Infinity", "NaN", "1e999", "1" + "0" * 400])
def test_a_metric_that_is_no_finite_number_is_refused(written: str) -> None:
    text = json.dumps({**_document(), "metrics": {"auc": "HERE"}}).replace('"HERE"', written)

    with pytest.raises(UserError, match="metrics: auc"):
        parse_manifest(text)


@given(
    st.sampled_from(sorted(_document())),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_value_of_a_field_is_read_or_refused(name: str, value: Any) -> None:
    try:
        manifest = parse_manifest(json.dumps({**_document(), name: value}))
    except UserError:
        return
    assert parse_manifest(manifest_text(manifest)) == manifest


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(UserError):
        parse_manifest("[" * 100_000)


def test_versions_are_those_imported() -> None:
    versions = library_versions("xgboost")

    assert versions["xgboost"] == xgboost.__version__
    assert versions["numpy"] == np.__version__
    assert set(library_versions("svm")) == {"python", "numpy", "sklearn"}


def test_objective_may_be_absent_and_is_a_text_where_it_is_not() -> None:
    document = _document()
    del document["objective"]
    asked = replace(MANIFEST, objective="multi:softprob")

    assert parse_manifest(json.dumps(document)).objective is None
    assert parse_manifest(manifest_text(asked)) == asked
    with pytest.raises(UserError, match="'objective' is 3"):
        parse_manifest(json.dumps({**document, "objective": 3}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("columns", [{"name": "a", "type": "number"}] * 2),
        ("columns", [{"name": "b", "type": "category", "categories": ["x", "x"]}]),
        ("classes", ["no", "no"]),
        ("rounds_done", 1e400),
        ("label", "half a sign: \ud800"),
        ("metrics", {"a": 10**5000}),
    ],
)
def test_what_no_fit_has_written_is_refused_in_one_line(name: str, value: Any) -> None:
    document = {**_document(), name: value}
    sys.set_int_max_str_digits(0)
    text = json.dumps(document)
    sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)

    with pytest.raises(UserError) as told:
        parse_manifest(text)

    assert "\n" not in str(told.value)
