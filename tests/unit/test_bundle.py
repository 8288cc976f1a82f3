from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from crossfold.algorithms.adapter import Model
from crossfold.errors import PlatformError, UserError
from crossfold.metrics.prediction import Prediction
from crossfold.persistence.bundle import average, clear_bundle, load_bundle, save_bundle
from crossfold.persistence.manifest import Manifest
from tests.unit.model_examples import COLUMNS, fitted, given, make_rows, make_spec

ROWS = make_rows(2)


def _manifest(algorithm: str, **options: Any) -> Manifest:
    manifest = Manifest(
        algorithm,
        "binary",
        COLUMNS,
        "y",
        ("no", "yes"),
        "yes",
        "float32" if algorithm == "xgboost" else "float64",
        "single",
    )
    return replace(manifest, **options)


def _model(algorithm: str, rows: slice = slice(None), **options: Any) -> Model:
    return fitted(make_spec(algorithm, "binary", 2, **options), ROWS.examples(rows))


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "random_forest", "svm"])
def test_what_is_saved_predicts_alike(algorithm: str, tmp_path: Path) -> None:
    model = _model(algorithm, n_threads=1)

    written = save_bundle(tmp_path, _manifest(algorithm), [model])
    loaded = load_bundle(tmp_path)

    before, after = model.predict(ROWS.features), loaded.predict(ROWS.features)
    assert_array_equal(before.labels, after.labels)
    if before.probabilities is not None:
        assert_allclose(before.probabilities, given(after.probabilities), rtol=0, atol=1e-12)
    assert loaded.manifest == written
    assert written.models[0].rounds == model.n_rounds
    names = {"xgboost": "model.ubj", "lightgbm": "model.txt"}
    assert _names(tmp_path) == ["manifest.json", names.get(algorithm, "model.skops")]


def test_categories_known_to_a_fit_are_saved_with_it(tmp_path: Path) -> None:
    few = slice(0, 4)
    model = fitted(
        make_spec("xgboost", "binary", 2, params={"min_child_weight": 0}), ROWS.examples(few)
    )

    save_bundle(tmp_path, _manifest("xgboost"), [model])

    assert (tmp_path / "categories.json").exists()
    assert_array_equal(
        load_bundle(tmp_path).predict(ROWS.features.astype(np.float32)).probabilities,
        model.predict(ROWS.features.astype(np.float32)).probabilities,
    )


def test_ensemble_averages_its_models_and_lies_at_one_root(tmp_path: Path) -> None:
    models = [_model("lightgbm", rows) for rows in (slice(0, 200), slice(200, 400))]

    save_bundle(tmp_path, _manifest("lightgbm", final_model="ensemble"), models)
    prediction = load_bundle(tmp_path).predict(ROWS.features)

    expected = np.mean([given(m.predict(ROWS.features).probabilities) for m in models], axis=0)
    assert_allclose(given(prediction.probabilities), expected, rtol=0, atol=1e-12)
    assert_array_equal(prediction.labels, expected.argmax(axis=1))
    assert _names(tmp_path) == ["manifest.json", "model-0.txt", "model-1.txt"]


def test_another_bundle_is_replaced_and_foreign_files_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    ensemble = _manifest("lightgbm", final_model="ensemble")
    save_bundle(tmp_path, ensemble, [_model("lightgbm"), _model("lightgbm")])

    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])

    assert _names(tmp_path) == ["manifest.json", "model.ubj", "notes.txt"]


def test_files_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    leftover = tmp_path / ".bundle-killed"
    leftover.mkdir()
    (leftover / "model.ubj").write_bytes(b"half")

    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])

    assert _names(tmp_path) == ["manifest.json", "model.ubj"]


@dataclass
class _FailingModel:
    """Fills the disk with its second file."""

    error: Exception
    n_rounds: int | None = 1
    train_prediction: Prediction | None = None
    warnings: tuple[str, ...] = ()

    def predict(self, features: Any) -> Prediction:
        raise NotImplementedError

    def raw_scores(self, features: Any) -> None:
        raise NotImplementedError

    def contributions(self, features: Any) -> None:
        raise NotImplementedError

    def save(self, folder: Path) -> tuple[str, ...]:
        (folder / "model.ubj").write_bytes(b"half")
        raise self.error


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), PlatformError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (MemoryError(), MemoryError),
    ],
)
def test_failed_writer_leaves_the_earlier_bundle(
    error: Exception, raised: type[BaseException], tmp_path: Path
) -> None:
    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(raised):
        save_bundle(tmp_path, _manifest("xgboost"), [_FailingModel(error)])

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_full_disk_is_the_platforms(tmp_path: Path) -> None:
    failing = _FailingModel(OSError(errno.ENOSPC, "No space left on device"))

    with pytest.raises(PlatformError, match="No space left on device; free space"):
        save_bundle(tmp_path, _manifest("xgboost"), [failing])

    assert list(tmp_path.iterdir()) == []


def test_only_a_full_disk_asks_for_more_disk(tmp_path: Path) -> None:
    taken = tmp_path / "model"
    taken.write_bytes(b"")

    with pytest.raises(PlatformError, match="File exists; expected a folder") as caught:
        save_bundle(taken, _manifest("xgboost"), [_model("xgboost")])

    assert "VolumeSizeInGB" not in str(caught.value)


def test_writer_killed_between_files_leaves_no_model(tmp_path: Path) -> None:
    """The process ends itself at each rename in turn; what it leaves is a whole model or none."""
    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])
    code = (
        "import os, sys; from pathlib import Path\n"
        "n = [int(sys.argv[2])]\n"
        "replace = Path.replace\n"
        "def dying(self, target):\n"
        "    n[0] -= 1\n"
        "    if n[0] == 0: os._exit(9)\n"
        "    return replace(self, target)\n"
        "Path.replace = dying\n"
        "from tests.unit.test_bundle import _manifest, _model, save_bundle\n"
        "m = _manifest('xgboost', final_model='ensemble')\n"
        "one = _model('xgboost', num_round=5)\n"
        "save_bundle(Path(sys.argv[1]), m, [one, one])\n"
    )
    root = Path(__file__).parent.parent.parent
    environ = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    for nth in (2, 4):
        command = [sys.executable, "-c", code, str(tmp_path), str(nth)]
        assert subprocess.run(command, env=environ, check=False).returncode == 9
        try:
            bundle = load_bundle(tmp_path)
        except UserError as error:
            assert "manifest.json" in str(error)
        else:
            assert len(bundle.models) == 1


def test_folder_without_a_manifest_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no 'manifest.json'"):
        load_bundle(tmp_path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])
    (tmp_path / "model.ubj").unlink()

    with pytest.raises(UserError, match="has no 'model.ubj'"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", ["model.ubj", "manifest.json"])
def test_link_is_refused(name: str, tmp_path: Path) -> None:
    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])
    (tmp_path / name).rename(tmp_path / "elsewhere")
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UserError, match=f"'{name}' is a link"):
        load_bundle(tmp_path)


def test_manifest_beyond_all_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])
    monkeypatch.setattr("crossfold.persistence.bundle.MAX_MANIFEST_BYTES", 100)

    with pytest.raises(UserError, match="expected at most 100"):
        load_bundle(tmp_path)


def test_labels_are_voted_for_where_there_are_no_probabilities() -> None:
    votes = [[0, 1, 2], [1, 1, 0], [1, 2, 1]]

    joined = average([Prediction(labels=np.array(labels)) for labels in votes])

    assert_array_equal(joined.labels, [1, 1, 0])


def test_values_are_averaged() -> None:
    joined = average(
        [Prediction(values=np.array([1.0, 2.0])), Prediction(values=np.array([4.0, 0.0]))]
    )

    assert_array_equal(joined.values, [2.5, 1.0])


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_clearing_removes_a_bundles_files_and_no_others(tmp_path: Path) -> None:
    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])
    (tmp_path / "notes.txt").write_text("mine")

    clear_bundle(tmp_path)

    assert _names(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "random_forest"])
def test_file_cut_short_is_one_clear_error(algorithm: str, tmp_path: Path) -> None:
    written = save_bundle(tmp_path, _manifest(algorithm), [_model(algorithm, n_threads=1)])
    path = tmp_path / written.models[0].files[0]
    data = path.read_bytes()
    for size in (0, 1, 9, len(data) // 50, len(data) // 2):
        path.write_bytes(data[:size])

        with pytest.raises(UserError, match="model") as told:
            load_bundle(tmp_path, n_threads=1)

        assert "\n" not in str(told.value)


def test_names_that_are_no_text_are_a_damaged_model(tmp_path: Path) -> None:
    save_bundle(tmp_path, _manifest("xgboost"), [_model("xgboost")])
    path = tmp_path / "model.ubj"
    path.write_bytes(path.read_bytes().replace(b"binary:logistic", b"binary:logisti\xff"))

    with pytest.raises(UserError, match="model") as told:
        load_bundle(tmp_path)

    assert "\n" not in str(told.value)


def test_categories_beyond_all_measure_are_a_damaged_model(tmp_path: Path) -> None:
    few = _model("xgboost", slice(0, 4), params={"min_child_weight": 0})
    save_bundle(tmp_path, _manifest("xgboost"), [few])
    for text in ('{"2": [99999999999999999999]}', "[" * 100_000):
        (tmp_path / "categories.json").write_text(text, encoding="utf-8")

        with pytest.raises(UserError) as told:
            load_bundle(tmp_path)

        assert "\n" not in str(told.value)


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_model_of_other_classes_than_the_manifests_is_refused(
    algorithm: str, tmp_path: Path
) -> None:
    manifest = _manifest(algorithm, task="multiclass", classes=("a", "b", "c"), positive_label=None)
    save_bundle(tmp_path, manifest, [_model(algorithm)])

    with pytest.raises(UserError, match="gives 1 scores for a row, .* 'multiclass' with 3"):
        load_bundle(tmp_path)
