"""Selected keys and ensembles say what the native libraries say, alike in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.served_formats import (
    CSV,
    JSON,
    JSON_LINES,
    NPY,
    READERS,
    WRITERS,
    read_csv,
    read_json,
    read_json_lines,
    read_npy,
)
from tests.served_models import ServedModel, ServedModels, assert_near, served_rows
from tests.served_native import Native

ROWS = served_rows()
KEYS = "SAGEMAKER_INFERENCE_OUTPUT"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ServedModels:
    return ServedModels(tmp_path_factory.mktemp)


_OF_LABELS = ("predicted_label", "labels")
_OF_PROBABILITIES = ("probability", "probabilities")
_OF_MARGINS = ("raw_score", "raw_scores")
_EVERY = (*_OF_LABELS, *_OF_PROBABILITIES, *_OF_MARGINS, "contributions")
_OF_VALUES = ("predicted_score", "raw_score", "contributions")
SELECTED: dict[str, tuple[str, ...]] = {
    "xgboost-binary": _EVERY,
    "xgboost-multiclass": _EVERY,
    "xgboost-softprob": _EVERY,
    "xgboost-logitraw": _EVERY,
    "xgboost-hinge": (*_OF_LABELS, *_OF_MARGINS, "contributions"),
    "lightgbm-binary": _EVERY,
    "lightgbm-multiclass": _EVERY,
    "linear-binary": (*_OF_LABELS, *_OF_PROBABILITIES, *_OF_MARGINS),
    "linear-multiclass": (*_OF_LABELS, *_OF_PROBABILITIES, *_OF_MARGINS),
    "hist_gradient_boosting-multiclass": (*_OF_LABELS, *_OF_PROBABILITIES, *_OF_MARGINS),
    "random_forest-multiclass": (*_OF_LABELS, *_OF_PROBABILITIES),
    "svm-binary": (*_OF_LABELS, *_OF_MARGINS),
    "svm-multiclass": (*_OF_LABELS, *_OF_MARGINS),
    "knn-binary": (*_OF_LABELS, *_OF_PROBABILITIES),
    "xgboost-regression": _OF_VALUES,
    "xgboost-poisson": _OF_VALUES,
    "xgboost-ranking": _OF_VALUES,
    "lightgbm-regression": _OF_VALUES,
    "linear-regression": ("predicted_score",),
}


def expected_of(native: Native, key: str, matrix: NDArray[np.float64]) -> Any:
    """Return what the library says under a key, with shape (n_rows, …)."""
    if key == "labels":
        return [native.classes] * len(matrix)
    by_key: dict[str, Callable[[Any], Any]] = {
        "predicted_label": native.labels,
        "predicted_score": native.predict,
        "contributions": native.contributions,
        "probability": native.probabilities,
        "probabilities": native.probabilities,
        "raw_score": native.margins,
        "raw_scores": native.margins,
    }
    said = by_key[key](matrix)
    if key in ("probability", "raw_score"):
        return said if said.ndim == 1 else said.max(axis=1)
    if native.task == "binary" and key in ("probabilities", "raw_scores"):
        return np.column_stack([1 - said if key == "probabilities" else -said, said])
    return said


def arrays_of(values: list[Any], names: list[str]) -> Any:
    """Turn objects into lists in the order of the names, and check that there are no others."""
    if isinstance(values[0], dict):
        assert all(list(value) == names for value in values)
        return [list(value.values()) for value in values]
    if isinstance(values[0], list) and isinstance(values[0][0], dict):
        return [arrays_of(value, names) for value in values]
    return values


@pytest.mark.parametrize("case", SELECTED)
def test_selected_keys_say_what_the_library_says(models: ServedModels, case: str) -> None:
    model, keys = models.of(case), SELECTED[case]
    native = Native(model.folder)
    matrix = native.matrix(ROWS)
    content_type, body = WRITERS["csv-permuted"](ROWS)
    selected = {KEYS: ",".join(keys)}

    said = read_json(model.answer(body, content_type, JSON, **selected))

    assert all(tuple(item) == keys for item in said)
    names = [*ROWS.names, "bias"]
    for key in keys:
        found = arrays_of([item[key] for item in said], names)
        assert_near(found, expected_of(native, key, matrix))
    lines = read_json_lines(model.answer(body, content_type, JSON_LINES, **selected))
    assert lines == said
    cells = read_csv(model.answer(body, content_type, CSV, **selected))
    assert [dict(zip(keys, map(_cell_value, keys, row), strict=True)) for row in cells] == said


def _cell_value(key: str, cell: str) -> Any:
    return cell if key == "predicted_label" else json.loads(cell)


@pytest.mark.parametrize("case", [case for case in SELECTED if "contributions" in SELECTED[case]])
def test_contributions_add_up_to_the_raw_score(models: ServedModels, case: str) -> None:
    content_type, body = WRITERS["json-records"](ROWS)
    is_listed = "raw_scores" in SELECTED[case] and Native(models.of(case).folder).task != "binary"
    key = "raw_scores" if is_listed else "raw_score"

    said = read_json_lines(
        models.of(case).answer(body, content_type, JSON_LINES, **{KEYS: f"contributions,{key}"})
    )

    for item in said:
        objects = item["contributions"] if is_listed else [item["contributions"]]
        sums = [sum(values.values()) for values in objects]
        scores = item[key] if is_listed else [item[key]]
        np.testing.assert_allclose(sums, scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("key", ["probability", "probabilities", "raw_score", "raw_scores"])
@pytest.mark.parametrize("case", ["xgboost-binary", "lightgbm-multiclass", "linear-multiclass"])
def test_a_selected_key_is_the_same_array_in_npy(models: ServedModels, case: str, key: str) -> None:
    content_type, body = WRITERS["jsonl-objects"](ROWS)
    model = models.of(case)

    array = read_npy(model.answer(body, content_type, NPY, **{KEYS: key}))

    assert array == [
        item[key] for item in read_json(model.answer(body, content_type, JSON, **{KEYS: key}))
    ]


# ---------------------------------------------------------------------------- ensembles

_ENSEMBLE = {"cv_folds": "3", "cv_final_model": "ensemble"}
_FIRST_ONLY = {"SAGEMAKER_INFERENCE_ENSEMBLE": "false"}


def natives_of(model: ServedModel) -> list[Native]:
    natives = [Native(model.folder, index) for index in range(3)]
    assert len(natives[0].manifest["models"]) == 3
    return natives


def served_scores(model: ServedModel, numbers: Callable[[str], Any], **environ: str) -> list[Any]:
    """Return what every format says of the rows, after checking that all say the same."""
    said = []
    for form, (accept, read) in zip(
        ("csv-permuted", "json-split", "parquet", "jsonl-objects"), READERS.items(), strict=True
    ):
        content_type, body = WRITERS[form](ROWS)
        said.append(read(model.answer(body, content_type, accept, **environ), numbers))
    assert said[1:] == said[:-1]
    return said[0]


@pytest.mark.parametrize(
    "case",
    [
        *(f"{family}-binary" for family in ("xgboost", "lightgbm", "linear")),
        *(f"{family}-regression" for family in ("xgboost", "lightgbm", "random_forest")),
        "xgboost-softprob",
    ],
)
def test_an_ensemble_says_the_mean_of_its_models(models: ServedModels, case: str) -> None:
    model = models.of(case, **_ENSEMBLE)
    each = [
        np.array(native.scores(native.matrix(ROWS), as_probabilities=True))
        for native in natives_of(model)
    ]

    assert np.abs(each[0] - each[1]).max() > 1e-2
    assert_near(served_scores(model, float), np.mean(each, axis=0))
    assert_near(served_scores(model, float, **_FIRST_ONLY), each[0])


@pytest.mark.parametrize(
    "case", ["xgboost-multiclass", "lightgbm-multiclass", "random_forest-multiclass"]
)
def test_an_ensemble_s_label_is_that_of_the_mean_probabilities(
    models: ServedModels, case: str
) -> None:
    model = models.of(case, **_ENSEMBLE)
    natives = natives_of(model)
    each = [native.probabilities(native.matrix(ROWS)) for native in natives]
    mean = np.mean(each, axis=0)
    classes = np.array(natives[0].classes)
    # Where two classes are as good as equal, either may be named.
    top = np.sort(mean, axis=1)
    is_clear = top[:, -1] - top[:, -2] > 1e-6

    said = np.array(served_scores(model, str))

    assert is_clear.mean() > 0.9
    assert (said == classes[mean.argmax(axis=1)])[is_clear].all()
    assert (said != classes[each[0].argmax(axis=1)]).any()
    assert served_scores(model, str, **_FIRST_ONLY) == natives[0].labels(natives[0].matrix(ROWS))


@pytest.mark.parametrize("case", ["svm-binary", "svm-multiclass"])
def test_an_ensemble_without_probabilities_votes_for_each_row(
    models: ServedModels, case: str
) -> None:
    model = models.of(case, **_ENSEMBLE)
    natives = natives_of(model)
    each = [native.labels(native.matrix(ROWS)) for native in natives]
    classes = natives[0].classes
    # The first of the most frequent, in the order of the classes.
    voted = [max(classes, key=labels.count) for labels in zip(*each, strict=True)]

    assert len(set(map(tuple, each))) == 3
    assert served_scores(model, str) == voted
    assert served_scores(model, str, **_FIRST_ONLY) == each[0]


@pytest.mark.parametrize("case", ["xgboost-binary", "lightgbm-multiclass"])
def test_an_ensemble_s_contributions_are_means_and_still_add_up(
    models: ServedModels, case: str
) -> None:
    model = models.of(case, **_ENSEMBLE)
    natives = natives_of(model)
    keys = {KEYS: "contributions,raw_scores"}
    content_type, body = WRITERS["csv"](ROWS)

    said = read_json(model.answer(body, content_type, JSON, **keys))

    found = np.array(arrays_of([item["contributions"] for item in said], [*ROWS.names, "bias"]))
    margins = np.array([item["raw_scores"] for item in said])
    assert_near(found, np.mean([n.contributions(n.matrix(ROWS)) for n in natives], axis=0))
    positive = margins[:, 1] if natives[0].task == "binary" else margins
    assert_near(positive, np.mean([n.margins(n.matrix(ROWS)) for n in natives], axis=0))
    np.testing.assert_allclose(found.sum(axis=-1), positive, rtol=1e-5, atol=1e-5)
