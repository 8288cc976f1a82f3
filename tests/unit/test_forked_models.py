"""A server loads once and forks; a child waits forever for threads that a library had started."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from crossfold.algorithms.registry import algorithm_named, feature_dtype, is_boosted
from crossfold.data.table import Column
from crossfold.persistence.bundle import load_bundle, save_bundle
from crossfold.persistence.manifest import Dtype, Manifest
from tests.unit.model_examples import COLUMNS, fitted, given, make_rows, make_spec

PROGRAM = """
import os, select, signal, sys
from pathlib import Path
import numpy as np
from crossfold.algorithms.registry import algorithm_named, feature_dtype, is_boosted
from crossfold.data.table import Column
from crossfold.persistence.bundle import load_bundle

def n_threads():
    return len(os.listdir("/proc/self/task"))

def check(folder):
    bundle = load_bundle(folder, n_threads=1)
    rows = np.load(folder / "rows.npy")
    assert n_threads() == 1, f"{folder}: {n_threads()} threads after loading"
    before = bundle.predict(rows)
    bundle.predict(rows[:1])
    bundle.raw_scores(rows)
    bundle.contributions(rows)
    assert n_threads() == 1, f"{folder}: {n_threads()} threads after predicting"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        after = bundle.predict(rows)
        assert np.array_equal(before.probabilities, after.probabilities)
        bundle.contributions(rows)
        os.write(writing, b"%d" % n_threads())
        os._exit(0)
    os.close(writing)
    is_done = select.select([reading], [], [], 20)[0]
    os.kill(child, signal.SIGKILL)
    assert is_done, f"{folder}: the child hangs"
    told = os.read(reading, 9)
    assert told == b"1", f"{folder}: the child has {told} threads"

for folder in sys.argv[1:]:
    check(Path(folder))
"""

LINEAR: dict[str, Any] = {"booster": "gblinear"}
FAMILIES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "xgboost": [("xgboost", {}), ("xgboost", LINEAR)],
    "lightgbm": [("lightgbm", {})],
    "scikit-learn": [
        ("hist_gradient_boosting", {"max_iter": 5}),
        ("random_forest", {"n_estimators": 5}),
        ("knn", {}),
        ("mlp", {"max_iter": 300}),
        ("sklearn.ensemble.BaggingClassifier", {}),
    ],
}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux does")
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_child_of_a_fork_predicts_on_one_thread(family: str, tmp_path: Path) -> None:
    folders: list[str] = []
    for algorithm, params in FAMILIES[family]:
        folders.append(str(tmp_path / str(len(folders))))
        _save(algorithm, params, Path(folders[-1]))

    command = [sys.executable, "-c", PROGRAM, *folders]
    # BLAS starts its threads when it is imported: only its environment keeps it from that.
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr[-600:]


def test_jobs_of_another_machine_are_held_to_the_threads_allowed(tmp_path: Path) -> None:
    rows = make_rows(2)
    few = replace(rows.examples(), weight=None, group=None)
    path = "sklearn.ensemble.BaggingClassifier"
    forest = {"estimator": RandomForestClassifier(3), "n_estimators": 2}
    model: Any = fitted(make_spec(path, "binary", 2, params=forest), few)
    before = model.predict(rows.features)
    _ask_for_jobs(model)
    model.pipeline[-1].estimators_[0].n_jobs = -1
    save_bundle(tmp_path, _manifest(path, COLUMNS), [model])

    bundle: Any = load_bundle(tmp_path, n_threads=1)

    estimator = bundle.models[0].pipeline[-1]
    assert (estimator.n_jobs, estimator.estimators_[0].n_jobs) == (1, 1)
    after = bundle.predict(rows.features)
    np.testing.assert_array_equal(given(before.probabilities), given(after.probabilities))


def _save(algorithm: str, params: dict[str, Any], folder: Path) -> None:
    rows = make_rows(2, n_rows=5000)
    few = replace(rows.examples(slice(0, 400)), weight=None, group=None)
    # Linear boosting knows no categories.
    is_linear = params == LINEAR
    columns = tuple(Column(c.name, "number") for c in COLUMNS) if is_linear else COLUMNS
    exact = replace(few, features=few.features.astype(feature_dtype(algorithm)))
    spec = make_spec(algorithm, "binary", 2, params=params, n_threads=2)
    model = algorithm_named(algorithm).fit(spec, columns, exact)
    if not is_boosted(algorithm):
        _ask_for_jobs(model)
    manifest = _manifest(algorithm, columns)
    save_bundle(folder, manifest, [model])
    np.save(folder / "rows.npy", rows.features.astype(manifest.dtype))


def _manifest(algorithm: str, columns: tuple[Column, ...]) -> Manifest:
    dtype: Dtype = "float32" if algorithm == "xgboost" else "float64"
    return Manifest(algorithm, "binary", columns, "y", ("no", "yes"), "yes", dtype, "single")


def _ask_for_jobs(model: Any) -> None:
    estimator = model.pipeline[-1]
    if "n_jobs" in estimator.get_params():
        estimator.n_jobs = 64
