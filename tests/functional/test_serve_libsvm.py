"""An index of a LIBSVM body means the column that it meant in training, whoever wrote either file.

Files are read on the native side by scikit-learn's `load_svmlight_file`, told which index is the
first; XGBoost takes what is absent for missing, every other library for zero.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_svmlight_file

from tests.served_formats import JSON, READERS, WRITERS, Rows, csv_text, npy
from tests.served_models import ServedModel, in_json, train
from tests.served_native import Native

LIBSVM = "text/libsvm"
N_FEATURES, N_ROWS = 5, 150
ALGORITHMS: dict[str, dict[str, str]] = {
    "xgboost": {"algorithm": "xgboost", "num_round": "8"},
    "gblinear": {"algorithm": "xgboost", "booster": "gblinear", "num_round": "8"},
    "lightgbm": {"algorithm": "lightgbm", "num_round": "8", "min_data_in_leaf": "4"},
    "linear": {"algorithm": "ridge", "alpha": "0.1"},
    "forest": {"algorithm": "random_forest", "n_estimators": "7"},
    "knn": {"algorithm": "knn", "standardize": "true"},
}
Sparse = Sequence[tuple[float, dict[int, float]]]
"""Label, and the entries that are there by the number of their feature, counted from 0."""


def sparse_rows(n_rows: int, seed: int) -> Sparse:
    """Draw rows with absent entries and explicit zeros; feature 0 matters most.

    Zero is neither the median nor the mean of a feature: an imputer cannot hide what is absent.
    """
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(n_rows):
        values = np.round((random.normal(size=N_FEATURES) + 2) * [3, 100, 0.01, 1, 20], 5)
        entries = {i: float(v) for i, v in enumerate(values) if random.random() < 0.7}
        if random.random() < 0.2:
            entries[int(random.integers(N_FEATURES))] = 0.0
        weights = [5, 0.1, 300, 4, -0.3]
        label = sum(weights[i] * v for i, v in entries.items()) + (100 if 0 in entries else 0)
        rows.append((round(label, 4), dict(sorted(entries.items()))))
    # Feature 0 and the last are in both files that are trained on, whatever was drawn.
    rows[0] = (rows[0][0], {0: 1.5, N_FEATURES - 1: 2.5})
    return rows


def libsvm_text(rows: Sparse, first_index: int, *, labels: bool = True) -> str:
    lines = []
    for label, entries in rows:
        cells = [f"{i + first_index}:{value!r}" for i, value in entries.items()]
        lines.append(" ".join([*([repr(label)] if labels else []), *cells]))
    return "\n".join(lines) + "\n"


def as_cells(rows: Sparse, absent: float | None) -> list[list[float | None]]:
    return [[entries.get(i, absent) for i in range(N_FEATURES)] for _, entries in rows]


def loaded(text: str, n_features: int) -> Any:
    """Return a sparse matrix, in which index i is column i."""
    features, _ = load_svmlight_file(
        io.BytesIO(text.encode()), n_features=n_features, zero_based=True
    )
    return features


def native_scores(model: ServedModel, text: str) -> list[float]:
    """Let the library predict what scikit-learn reads."""
    native = Native(model.folder)
    features = loaded(text, len(native.manifest["columns"]))
    return native.scores(features if native.family == "xgboost" else features.toarray())


def scores(model: ServedModel, body: str, content_type: str = LIBSVM) -> list[Any]:
    """Return what is said, after checking that every format says the same."""
    said = [
        read(model.answer(body.encode(), content_type, accept), float)
        for accept, read in READERS.items()
    ]
    assert said[1:] == said[:-1]
    return said[0]


def refusal(model: ServedModel, body: str) -> str:
    response = model.ask(body.encode(), LIBSVM, JSON)
    assert response.status_code == 400
    return str(json.loads(response.data)["error"]["message"])


TRAINED_ON = sparse_rows(N_ROWS, seed=2)
ROWS = sparse_rows(60, seed=8)
# The first row has no feature 0, nor have those of a body made of it and its like.
ROWS = [(1.0, {1: 55.0, 3: 1.25}), (2.0, {1: -20.0, 4: 3.0}), (3.0, {3: 4.0, 4: -30.0}), *ROWS]
N_WITHOUT_FIRST = 3


class Trained:
    """A model of each algorithm for each way to write the same rows."""

    def __init__(self, new_folder: Any) -> None:
        self._new_folder = new_folder
        self._models: dict[tuple[str, str], ServedModel] = {}

    def of(self, algorithm: str, source: str) -> ServedModel:
        key = (algorithm, source)
        if key not in self._models:
            own = {**ALGORITHMS[algorithm], "task": "regression"}
            name, text, more = self._file(algorithm, source)
            files = {"train": {name: text}}
            self._models[key] = train(self._new_folder("opt_ml"), {**own, **more}, files)
        return self._models[key]

    def _file(self, algorithm: str, source: str) -> tuple[str, str, dict[str, str]]:
        if source in ("from 0", "from 1"):
            return "a.libsvm", libsvm_text(TRAINED_ON, int(source[-1])), {}
        absent = None if ALGORITHMS[algorithm]["algorithm"] == "xgboost" else 0.0
        cells = as_cells(TRAINED_ON, absent)
        labels = [label for label, _ in TRAINED_ON]
        at = 2 if source == "csv, label third" else 0
        cells = [[*row[:at], y, *row[at:]] for y, row in zip(labels, cells, strict=True)]
        names = [f"x{i}" for i in range(N_FEATURES)]
        names[at:at] = ["y"]
        header = source == "csv with names"
        own = {"label": "y"} if header else {"header": "false", "label": str(at)}
        return "a.csv", csv_text(Rows(tuple(names), cells), header=header), own


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp)


@pytest.mark.parametrize("first_index", [0, 1])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_file_trained_on_serves_as_it_stands(
    trained: Trained, algorithm: str, first_index: int
) -> None:
    model = trained.of(algorithm, f"from {first_index}")
    text = libsvm_text(TRAINED_ON, first_index)

    said = scores(model, text)

    np.testing.assert_allclose(said, native_scores(model, text), rtol=1e-6, atol=1e-6)
    labels = np.array([label for label, _ in TRAINED_ON])
    assert np.corrcoef(said, labels)[0, 1] > 0.7
    assert scores(model, text, "text/x-libsvm; charset=utf-8") == said


@pytest.mark.parametrize("first_index", [0, 1])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_other_rows_equal_the_library_s_own(
    trained: Trained, algorithm: str, first_index: int
) -> None:
    model = trained.of(algorithm, f"from {first_index}")
    for rows in (ROWS[:1], ROWS[:2], ROWS):
        text = libsvm_text(rows, first_index, labels=False)
        # The other reader wants a label on each line.
        labelled = libsvm_text(rows, first_index)

        expected = native_scores(model, labelled)

        np.testing.assert_allclose(scores(model, text), expected, rtol=1e-6, atol=1e-6)
        assert scores(model, labelled) == scores(model, text)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_body_whose_least_index_is_1_is_not_shifted(trained: Trained, algorithm: str) -> None:
    """A reader that guesses takes such a body for one that counts from 1."""
    model = trained.of(algorithm, "from 0")
    rows = ROWS[:N_WITHOUT_FIRST]
    text = libsvm_text(rows, 0)
    assert min(index for _, entries in rows for index in entries) == 1

    said = scores(model, text)

    expected = native_scores(model, text)
    shifted = native_scores(model, libsvm_text([(y, _down(e)) for y, e in rows], 0))
    np.testing.assert_allclose(said, expected, rtol=1e-6, atol=1e-6)
    assert np.abs(np.array(said) - shifted).min() > 1e-3
    # What else is in the body changes no row.
    together = scores(model, text + libsvm_text(TRAINED_ON, 0))
    np.testing.assert_allclose(together[: len(rows)], said, rtol=1e-12)


def _down(entries: dict[int, float]) -> dict[int, float]:
    return {index - 1: value for index, value in entries.items()}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_from_a_file_without_header_takes_indices_as_places_in_that_file(
    trained: Trained, algorithm: str
) -> None:
    """The label was at place 0, so that features count from 1; index 0 is none of them."""
    model = trained.of(algorithm, "csv")
    absent = None if ALGORITHMS[algorithm]["algorithm"] == "xgboost" else 0.0
    cells = Rows(tuple("12345"), as_cells(ROWS, absent))

    said = scores(model, libsvm_text(ROWS, 1))

    native = Native(model.folder)
    np.testing.assert_allclose(said, native.scores(native.matrix(cells)), rtol=1e-6, atol=1e-6)
    for form in ("csv", "json-rows", "json-objects", "parquet-permuted"):
        assert in_json(model, WRITERS[form](cells)) == said
    assert "0" in refusal(model, libsvm_text([*ROWS[-3:], (0.0, {0: 1.0})], 0))


@pytest.mark.parametrize("algorithm", ["xgboost", "linear"])
def test_the_place_of_the_label_is_left_out_of_the_count(trained: Trained, algorithm: str) -> None:
    """The label was at place 2: features are 0, 1, 3, 4, 5, and so are the indices."""
    model = trained.of(algorithm, "csv, label third")
    absent = None if algorithm == "xgboost" else 0.0
    names = ("0", "1", "3", "4", "5")
    moved = [(y, {i + (i >= 2): v for i, v in entries.items()}) for y, entries in ROWS]

    said = scores(model, libsvm_text(moved, 0))

    assert said == in_json(model, WRITERS["json-objects"](Rows(names, as_cells(ROWS, absent))))
    assert "2" in refusal(model, "0:1.5 2:3.5")


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "linear"])
def test_a_model_with_names_takes_indices_as_places_from_0(
    trained: Trained, algorithm: str
) -> None:
    model = trained.of(algorithm, "csv with names")
    absent = None if algorithm == "xgboost" else 0.0
    cells = Rows(tuple(f"x{i}" for i in range(N_FEATURES)), as_cells(ROWS, absent))

    for n_rows in (N_WITHOUT_FIRST, len(ROWS)):
        said = scores(model, libsvm_text(ROWS[:n_rows], 0))
        assert said == in_json(model, WRITERS["csv-permuted"](cells.first(n_rows)))
    assert str(N_FEATURES) in refusal(model, f"0:1.5 {N_FEATURES}:3.5")


@pytest.mark.parametrize("first_index", [0, 1])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_from_libsvm_takes_every_other_format(
    trained: Trained, algorithm: str, first_index: int
) -> None:
    """Columns are called by their indices; a file that counts from 1 has an empty column 0."""
    model = trained.of(algorithm, f"from {first_index}")
    absent = None if ALGORITHMS[algorithm]["algorithm"] == "xgboost" else 0.0
    cells = [[*[absent] * first_index, *row] for row in as_cells(ROWS, absent)]
    names = tuple(str(index) for index in range(N_FEATURES + first_index))
    rows = Rows(names, cells)

    said = scores(model, libsvm_text(ROWS, first_index))

    for form in ("csv", "json-rows", "json-objects", "jsonl-objects", "parquet-permuted"):
        assert in_json(model, WRITERS[form](rows)) == said
    assert in_json(model, npy(rows.matrix())) == said


@pytest.mark.parametrize("algorithm", ["xgboost", "linear"])
def test_labels_queries_comments_and_blank_lines_are_not_values(
    trained: Trained, algorithm: str
) -> None:
    model = trained.of(algorithm, "from 0")
    plain = libsvm_text(ROWS[:4], 0, labels=False).splitlines()
    body = (
        f"# three kinds\n3.5 qid:7 {plain[0]} # a remark 4:9\n\n-1 {plain[1]}\r\n"
        f"  qid:3 {plain[2]}\n \t\n{plain[3].replace(' ', '   ')}"
    )

    assert scores(model, body) == scores(model, "\n".join(plain))


@pytest.mark.parametrize("algorithm", ["xgboost", "linear"])
def test_a_row_may_be_empty_where_it_has_a_label(trained: Trained, algorithm: str) -> None:
    model = trained.of(algorithm, "from 0")

    said = scores(model, "1\n0 0:1.5\n")

    expected = native_scores(model, "1\n0 0:1.5\n")
    np.testing.assert_allclose(said, expected, rtol=1e-6, atol=1e-6)
    assert said[0] != said[1]


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_a_ranking_file_serves_as_it_stands(tmp_path: Path, algorithm: str) -> None:
    """Each line has a query, which is no value."""
    lines = libsvm_text(
        [
            (float(i % 4), {0: i % 4 + e.get(0, 0.0) / 9, **e})
            for i, (_, e) in enumerate(TRAINED_ON)
        ],
        0,
    ).splitlines()
    text = "\n".join(
        line.replace(" ", f" qid:{number // 10} ", 1) for number, line in enumerate(lines)
    )
    own = {**ALGORITHMS[algorithm], "task": "ranking"}
    model = train(tmp_path, own, {"train": {"a.libsvm": text}})

    said = scores(model, text)

    assert len(set(said)) > 10
    np.testing.assert_allclose(said, native_scores(model, text), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "linear"])
def test_an_index_may_hold_a_category(tmp_path: Path, algorithm: str) -> None:
    """What is absent is missing to XGBoost, and the category ``0`` to the others."""
    absent = None if algorithm == "xgboost" else 0
    random = np.random.default_rng(6)
    lines = []
    cells: list[list[float | None]] = []
    for category in [3, 0, 7, *random.integers(0, 4, 120).tolist()]:
        value = round(float(random.normal()), 3)
        lines.append(f"{value + 5 * (category % 3)} 0:{value}" + f" 2:{category}" * (category > 0))
        cells.append([value, absent, category or absent])
    own = {**ALGORITHMS[algorithm], "task": "regression", "categorical_columns": "2"}
    model = train(tmp_path, own, {"train": {"a.libsvm": "\n".join(lines[:2] + lines[3:])}})

    said = scores(model, "\n".join(lines))

    native = Native(model.folder)
    rows = Rows(("0", "1", "2"), cells)
    np.testing.assert_allclose(said, native.scores(native.matrix(rows)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "body", ["0:1 5:2", "1 0:1 99999999999999:2", "0:1 2:3\n1:2 7:1", "-1:3", "0:1 1", "2:1 1:3"]
)
def test_what_training_would_refuse_is_a_400(trained: Trained, body: str) -> None:
    assert refusal(trained.of("xgboost", "from 0"), body)


def test_explicit_zeros_are_values_to_xgboost_and_absent_to_others(trained: Trained) -> None:
    for algorithm in ALGORITHMS:
        model = trained.of(algorithm, "from 0")
        zero, none = scores(model, "1:50 4:1 \n 0:0 1:50 4:1")
        is_xgboost = ALGORITHMS[algorithm]["algorithm"] == "xgboost"
        assert (zero == none) != (is_xgboost and algorithm != "gblinear")
