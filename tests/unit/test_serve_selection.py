"""Values are compared with the libraries' own calls, not with what our models say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Model
from crossfold.algorithms.registry import feature_dtype
from crossfold.data.table import Column
from crossfold.errors import AlgorithmError, UserError
from crossfold.metrics.prediction import Prediction, Task
from crossfold.persistence.bundle import LoadedBundle
from crossfold.persistence.manifest import Manifest
from serve.encoding.encode import CSV, JSON, MEDIA_TYPES, NPY, encode
from serve.outputs import Output
from serve.selection import KEYS, Selection
from tests.unit.model_examples import COLUMNS, fitted, given, make_rows, make_spec

CLASSES = {"binary": ("no", "yes"), "multiclass": ("ash", "elm", "yew")}
LABELS = ("predicted_label", "labels")
CLASSIFICATION = (*LABELS, "probability", "probabilities")
MARGINS = ("raw_score", "raw_scores")


@cache
def bundle(algorithm: str, task: Task, objective: str | None = None) -> LoadedBundle:
    """Fit once for all tests, with the objective of that name where one is given."""
    classes = CLASSES.get(task, ())
    params = {} if objective is None else {"objective": objective}
    spec = make_spec(algorithm, task, len(classes), params=params)
    rows = make_rows(len(classes))
    examples = rows.examples()
    if task == "ranking":
        examples = replace(examples, target=np.digitize(examples.target, [0.0, 2.0]).astype(float))
        examples = replace(examples, weight=None)
    else:
        examples = replace(examples, group=None)
    if objective == "count:poisson":
        examples = replace(examples, target=np.exp(examples.target / 4))
    model = fitted(spec, examples)
    return LoadedBundle(_manifest(algorithm, task, objective), (model,))


def _manifest(algorithm: str, task: Task, objective: str | None) -> Manifest:
    classes = CLASSES.get(task, ())
    return Manifest(
        algorithm,
        task,
        COLUMNS,
        "y",
        classes,
        classes[-1] if task == "binary" else None,
        "float32" if algorithm == "xgboost" else "float64",
        "single",
        objective=objective,
    )


def rows_for(algorithm: str, n_rows: int = 30) -> NDArray[Any]:
    return make_rows(0, seed=9).features[:n_rows].astype(feature_dtype(algorithm))


def said(loaded: LoadedBundle, *keys: str) -> dict[str, Output]:
    outputs = Selection.of(loaded, keys).outputs(rows_for(loaded.manifest.algorithm))
    assert [output.key for output in outputs] == list(keys or ("score",))
    return {output.key: output for output in outputs}


def booster_says(loaded: LoadedBundle, **options: bool) -> NDArray[Any]:
    """Ask XGBoost itself, through its other door."""
    model: Any = loaded.models[0]
    types = ["c" if column.kind == "category" else "q" for column in COLUMNS]
    matrix = xgboost.DMatrix(rows_for("xgboost"), feature_types=types, enable_categorical=True)
    return np.asarray(model.booster.predict(matrix, validate_features=False, **options))


def test_regression_serves_the_value() -> None:
    loaded = bundle("xgboost", "regression")

    assert_array_equal(said(loaded)["score"].values, booster_says(loaded))
    assert_array_equal(
        said(loaded, "predicted_score")["predicted_score"].values, booster_says(loaded)
    )


def test_ranking_serves_the_value() -> None:
    loaded = bundle("xgboost", "ranking")

    assert_array_equal(
        said(loaded, "predicted_score")["predicted_score"].values, booster_says(loaded)
    )
    assert_array_equal(said(loaded)["score"].values, booster_says(loaded))


def test_two_classes_serve_the_probability_of_the_positive_one() -> None:
    loaded = bundle("xgboost", "binary")
    positive = booster_says(loaded).astype(np.float64)

    outputs = said(loaded, *CLASSIFICATION, *MARGINS)

    assert_array_equal(said(loaded)["score"].values, positive)
    assert_array_equal(outputs["probability"].values, positive)
    assert_array_equal(outputs["probabilities"].values, np.column_stack([1 - positive, positive]))
    assert_array_equal(outputs["predicted_label"].values, positive > 0.5)
    assert given(outputs["predicted_label"].labels).texts == ("no", "yes")
    assert_array_equal(outputs["labels"].values, [[0, 1]] * 30)
    margin = booster_says(loaded, output_margin=True)
    assert_allclose(outputs["raw_score"].values, margin, rtol=0, atol=1e-6)
    assert_allclose(outputs["raw_scores"].values, np.column_stack([-margin, margin]), atol=1e-6)
    assert len(set(outputs["predicted_label"].values.tolist())) == 2


@pytest.mark.parametrize("objective", [None, "multi:softmax", "multi:softprob"])
def test_several_classes_serve_the_label_or_what_softprob_says(objective: str | None) -> None:
    loaded = bundle("xgboost", "multiclass", objective)
    margins = booster_says(loaded, output_margin=True).astype(np.float64)
    shares = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)

    score = said(loaded)["score"]
    outputs = said(loaded, *CLASSIFICATION, *MARGINS)

    if objective == "multi:softprob":
        assert_allclose(score.values, shares, atol=1e-6)
        assert score.labels is None
    else:
        assert_array_equal(score.values, margins.argmax(axis=1))
        assert given(score.labels).texts == CLASSES["multiclass"]
    assert_array_equal(outputs["predicted_label"].values, margins.argmax(axis=1))
    assert_array_equal(outputs["labels"].values, [[0, 1, 2]] * 30)
    assert_allclose(outputs["probability"].values, shares.max(axis=1), atol=1e-6)
    assert_allclose(outputs["probabilities"].values, shares, atol=1e-6)
    assert_allclose(outputs["raw_score"].values, margins.max(axis=1), atol=1e-6)
    assert_allclose(outputs["raw_scores"].values, margins, atol=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "task"),
    [("xgboost", "binary"), ("xgboost", "multiclass"), ("xgboost", "regression"),
     ("lightgbm", "binary"), ("lightgbm", "multiclass"), ("lightgbm", "regression")],
)  # fmt: skip
def test_contributions_add_up_to_the_raw_scores(algorithm: str, task: Task) -> None:
    raw_key = "raw_scores" if task == "multiclass" else "raw_score"

    outputs = said(bundle(algorithm, task), "contributions", raw_key)

    contributions = outputs["contributions"]
    assert contributions.names == ("größe", "age", "kind", "price", "bias")
    raw = outputs[raw_key].values
    assert_allclose(contributions.values.sum(axis=-1), raw, rtol=0, atol=2e-5)
    assert contributions.values.shape == (*raw.shape, 5)
    assert np.ptp(contributions.values[..., 2]) > 0


def test_contributions_explain_the_margin_where_the_value_has_a_link() -> None:
    loaded = bundle("xgboost", "regression", "count:poisson")

    outputs = said(loaded, "predicted_score", "raw_score", "contributions")

    margin = np.log(outputs["predicted_score"].values)
    assert_allclose(outputs["raw_score"].values, margin, atol=1e-6)
    assert_allclose(outputs["contributions"].values.sum(axis=1), margin, atol=1e-5)


@pytest.mark.parametrize(
    ("algorithm", "task", "objective", "expected"),
    [
        ("xgboost", "regression", None, ("raw_score", "predicted_score", "contributions")),
        ("xgboost", "ranking", None, ("raw_score", "predicted_score", "contributions")),
        ("xgboost", "binary", None, (*CLASSIFICATION, *MARGINS, "contributions")),
        ("xgboost", "binary", "binary:logitraw", (*CLASSIFICATION, *MARGINS, "contributions")),
        ("xgboost", "binary", "binary:hinge", (*LABELS, *MARGINS, "contributions")),
        ("lightgbm", "multiclass", None, (*CLASSIFICATION, *MARGINS, "contributions")),
        ("logistic_regression", "multiclass", None, (*CLASSIFICATION, *MARGINS)),
        ("svm", "binary", None, (*LABELS, *MARGINS)),
        ("random_forest", "binary", None, CLASSIFICATION),
        ("ridge", "regression", None, ("predicted_score",)),
    ],
)  # fmt: skip
def test_a_key_that_the_model_cannot_give_lists_those_that_it_can(
    algorithm: str, task: Task, objective: str | None, expected: tuple[str, ...]
) -> None:
    loaded = bundle(algorithm, task, objective)

    for key in KEYS:
        if key in expected:
            assert np.isfinite(said(loaded, key)[key].values).all()
        else:
            with pytest.raises(UserError) as caught:
                Selection.of(loaded, (expected[0], key))
            assert f"SAGEMAKER_INFERENCE_OUTPUT names {key!r}, which this model" in str(
                caught.value
            )
            assert f"task {task!r}" in str(caught.value)
            assert str(caught.value).endswith(f"it gives {', '.join(expected)}")


@pytest.mark.parametrize(("algorithm", "objective"), [("svm", None), ("xgboost", "binary:hinge")])
def test_a_classifier_without_probabilities_serves_the_label(
    algorithm: str, objective: str | None
) -> None:
    loaded = bundle(algorithm, "binary", objective)

    score = said(loaded)["score"]

    margins = loaded.raw_scores(rows_for(algorithm))
    assert_array_equal(score.values, given(margins) > 0)
    assert given(score.labels).texts == ("no", "yes")


def test_a_misspelt_key_names_the_nearest_and_all() -> None:
    with pytest.raises(UserError) as caught:
        Selection.of(bundle("xgboost", "binary"), ("predicted_lable",))

    text = str(caught.value)
    assert "SAGEMAKER_INFERENCE_OUTPUT names 'predicted_lable'" in text
    assert "did you mean 'predicted_label'?" in text
    assert all(f"'{key}'" in text for key in KEYS)


@pytest.mark.parametrize("keys", [("",), ("probability", "  "), ("score",), ("nan",)])
def test_an_empty_name_and_what_is_served_by_default_are_no_keys(keys: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="known: 'predicted_label'"):
        Selection.of(bundle("xgboost", "binary"), keys)


def test_blanks_and_case_do_not_count_but_a_key_named_twice_does() -> None:
    loaded = bundle("xgboost", "binary")

    assert Selection.of(loaded, (" Probability", "labels\t")).keys == ("probability", "labels")
    with pytest.raises(UserError, match="names 'labels' twice"):
        Selection.of(loaded, ("labels", "probability", " LABELS "))


def test_keys_are_answered_in_the_order_of_the_user() -> None:
    loaded = bundle("xgboost", "binary")

    text = encode(
        JSON, Selection.of(loaded, ("labels", "probability")).outputs(rows_for("xgboost"))
    )

    rows = json.loads(text)["predictions"]
    assert len(rows) == 30
    assert all(list(row) == ["labels", "probability"] for row in rows)
    assert rows[0]["labels"] == ["no", "yes"]


@pytest.mark.parametrize(
    ("keys", "has_npy"),
    [
        ((), True),
        (("predicted_label",), True),
        (("predicted_label", "labels"), True),
        (("probability", "raw_scores"), True),
        (("predicted_label", "probability"), False),
        (("contributions",), False),
    ],
)
def test_one_array_is_an_answer_where_it_can_hold_what_is_selected(
    keys: tuple[str, ...], *, has_npy: bool
) -> None:
    selection = Selection.of(bundle("xgboost", "binary"), keys)

    assert selection.accepts == (MEDIA_TYPES if has_npy else MEDIA_TYPES[:-1])
    assert NPY not in selection.accepts_by_line
    assert selection.accepts_by_line[0] == CSV


def test_an_answer_in_lines_is_not_csv_where_a_class_has_a_line_break() -> None:
    loaded = bundle("xgboost", "binary")
    broken = replace(loaded, manifest=replace(loaded.manifest, classes=("a\nb", "yes")))

    assert CSV not in Selection.of(broken, ("predicted_label",)).accepts_by_line
    assert CSV in Selection.of(broken, ("predicted_label",)).accepts
    assert CSV in Selection.of(broken, ()).accepts_by_line


def test_the_bias_gets_a_name_that_no_feature_has() -> None:
    loaded = bundle("xgboost", "binary")
    columns = tuple(
        Column(name, column.kind, column.categories)
        for name, column in zip(("bias", "_bias", "c", "d"), COLUMNS, strict=True)
    )
    renamed = replace(loaded, manifest=replace(loaded.manifest, columns=columns))

    names = said(renamed, "contributions")["contributions"].names

    assert names == ("bias", "_bias", "c", "d", "__bias")


@pytest.mark.parametrize("field_name", ["classes", "columns"])
def test_a_name_that_is_no_text_stops_the_start(field_name: str) -> None:
    loaded = bundle("xgboost", "binary")
    broken = {
        "classes": ("no", "\ud800"),
        "columns": (*COLUMNS[:3], Column("\ud800", "number")),
    }
    manifest = replace(loaded.manifest, **{field_name: broken[field_name]})  # type: ignore[arg-type]

    with pytest.raises(UserError, match=r"'\\ud800', which is no text in UTF-8"):
        Selection.of(replace(loaded, manifest=manifest), ())


@dataclass
class Counted:
    """A model that counts how often it is run."""

    model: Model
    runs: list[str] = field(default_factory=list)
    cannot_explain: bool = False
    n_rounds: int | None = None
    warnings: tuple[str, ...] = ()
    train_prediction: Prediction | None = None

    def predict(self, features: NDArray[Any]) -> Prediction:
        self.runs.append("predict")
        return self.model.predict(features)

    def raw_scores(self, features: NDArray[Any]) -> NDArray[np.float64] | None:
        self.runs.append("raw_scores")
        return self.model.raw_scores(features)

    def contributions(self, features: NDArray[Any]) -> NDArray[np.float64] | None:
        if self.cannot_explain:
            raise AlgorithmError("no contributions of linear trees")
        self.runs.append("contributions")
        return self.model.contributions(features)

    def save(self, folder: Path) -> tuple[str, ...]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("objective", "keys", "expected"),
    [
        (None, (), ["predict"]),
        (None, ("labels",), []),
        (None, (*CLASSIFICATION,), ["predict"]),
        (None, ("contributions",), ["contributions"]),
        (None, (*MARGINS, *CLASSIFICATION), ["predict", "raw_scores"]),
        ("binary:hinge", ("predicted_label", *MARGINS), ["predict"]),
    ],
)
def test_a_model_is_run_only_for_what_is_selected(
    objective: str | None, keys: tuple[str, ...], expected: list[str]
) -> None:
    loaded = bundle("xgboost", "binary", objective)
    counted = Counted(loaded.models[0])
    selection = Selection.of(LoadedBundle(loaded.manifest, (counted,)), keys)
    counted.runs.clear()

    selection.outputs(rows_for("xgboost"))

    assert sorted(counted.runs) == expected


def test_a_library_that_cannot_explain_its_model_gives_no_contributions() -> None:
    loaded = bundle("lightgbm", "binary")
    mute = LoadedBundle(loaded.manifest, (Counted(loaded.models[0], cannot_explain=True),))

    with pytest.raises(UserError, match=r"'contributions', which .* it gives predicted_label, "):
        Selection.of(mute, ("contributions",))


def test_an_ensemble_serves_means() -> None:
    one = bundle("xgboost", "binary")
    few = make_rows(2).examples(slice(0, 90))
    other = fitted(make_spec("xgboost", "binary", 2), few)
    both = LoadedBundle(one.manifest, (one.models[0], other))

    outputs = said(both, "probability", "raw_score")

    for key, output in outputs.items():
        parts = [said(LoadedBundle(one.manifest, (m,)), key)[key].values for m in both.models]
        assert not np.allclose(parts[0], parts[1])
        assert_allclose(output.values, np.mean(parts, axis=0), rtol=1e-12)
