"""The commands that train, in the container: each format, each library, the driver."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from crossfold.contract.paths import OptMl
from tests.datasets import cancer_rows, iris_rows
from tests.image.container import Image, Ran, mounted
from tests.opt_ml import build_opt_ml, run

pytestmark = pytest.mark.image

SMALL = {"num_round": 5, "seed": 3}
LIBRARIES = {
    "xgboost": SMALL,
    "lightgbm": SMALL,
    "random_forest": {"n_estimators": 5, "seed": 3},
}
CONTENT_TYPES = {
    "csv": "text/csv",
    "parquet": "application/x-parquet",
    "libsvm": "text/libsvm",
    "jsonl": "application/jsonlines",
}


@pytest.mark.parametrize("algorithm", LIBRARIES)
@pytest.mark.parametrize("suffix", CONTENT_TYPES)
def test_each_library_learns_from_each_format_what_it_learns_outside(
    image: Image, tmp_path: Path, algorithm: str, suffix: str
) -> None:
    inside, outside = (
        _job(tmp_path / place, algorithm, suffix, LIBRARIES[algorithm]) for place in ("in", "out")
    )

    ran = _train(image, inside)
    ended = run(outside)

    assert (ran.code, ended.code) == (0, 0), ran.log + ended.log
    metric = "train:logloss="
    assert _value(ran.log, metric) == pytest.approx(_value(ended.log, metric), rel=1e-6)
    manifest = json.loads((inside.model / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"] is True
    assert _libraries(manifest) == _libraries(ended.manifest)


@pytest.mark.parametrize("word", [None, "train"])
def test_the_image_trains_with_and_without_the_word(
    image: Image, tmp_path: Path, word: str | None
) -> None:
    """With an entry point of their own, users' estimators leave the word out."""
    opt_ml = build_opt_ml(tmp_path, SMALL, {"train": {"iris.csv": iris_rows()}})

    ran = image.run(*([word] if word else []), options=mounted(opt_ml.root))

    assert ran.code == 0, ran.log
    assert (opt_ml.model / "model.ubj").is_file()


def test_the_driver_cross_validates_and_refits(image: Image, tmp_path: Path) -> None:
    opt_ml = build_opt_ml(tmp_path, SMALL | {"cv_folds": 4}, {"train": {"i.csv": iris_rows()}})

    ran = image.run("cv_driver", options=mounted(opt_ml.root))

    assert ran.code == 0, ran.log
    results = json.loads((opt_ml.output_data / "cv_results.json").read_text(encoding="utf-8"))
    assert [fold["status"] for fold in results["folds"]] == ["succeeded"] * 4
    assert "validation:mlogloss_std=" in ran.log


def test_folds_of_their_own_process_find_their_command(image: Image, tmp_path: Path) -> None:
    own = SMALL | {"cv_folds": 3, "cv_launcher": "process"}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"iris.csv": iris_rows()}})

    ran = image.run("train", options=mounted(opt_ml.root))

    assert ran.code == 0, ran.log
    assert "validation:mlogloss=" in ran.log


def test_a_failure_reaches_its_file_and_the_exit_code(image: Image, tmp_path: Path) -> None:
    opt_ml = build_opt_ml(tmp_path, {"eta": "fast"}, {"train": {"iris.csv": iris_rows()}})

    ran = image.run("train", options=mounted(opt_ml.root))

    assert ran.code == 1
    assert opt_ml.failure.read_text(encoding="utf-8").startswith("UserError: ")


def test_training_neither_writes_outside_its_folders_nor_reads_a_users_modules(
    image: Image, tmp_path: Path
) -> None:
    """The root is read-only, the working folder and PYTHONPATH hold a wrong numpy."""
    opt_ml = build_opt_ml(tmp_path / "ml", SMALL, {"train": {"iris.csv": iris_rows()}})
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("numpy", "json", "train", "crossfold"):
        (hostile / f"{name}.py").write_text("raise SystemExit(97)", encoding="utf-8")

    ran = image.run(
        "train",
        options=[
            *mounted(opt_ml.root),
            *mounted(hostile, "/hostile", is_read_only=True),
            *("--workdir", "/hostile", "--env", "PYTHONPATH=/hostile"),
            *("--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - a folder of the container
        ],
    )

    assert ran.code == 0, ran.log


def _libraries(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the versions but Python's own, which the image chooses."""
    return {name: text for name, text in manifest["versions"].items() if name != "python"}


def _train(image: Image, opt_ml: OptMl) -> Ran:
    channel = mounted(opt_ml.channel("train"), "/opt/ml/input/data/train", is_read_only=True)
    return image.run("train", options=[*mounted(opt_ml.root), *channel])


def _job(root: Path, algorithm: str, suffix: str, own: dict[str, int]) -> OptMl:
    """Write a job with two classes, in which every column is a number."""
    shutil.rmtree(root, ignore_errors=True)
    hyperparameters = own | {"algorithm": algorithm, "task": "binary"}
    if suffix in {"jsonl", "parquet"}:
        hyperparameters |= {"label": "label"}
    opt_ml = build_opt_ml(root, hyperparameters, {"train": {}})
    entry = {"train": {"TrainingInputMode": "File", "ContentType": CONTENT_TYPES[suffix]}}
    opt_ml.input_data_config.write_text(json.dumps(entry), encoding="utf-8")
    folder = opt_ml.channel("train")
    folder.mkdir(parents=True)
    rows = np.array(cancer_rows(200), dtype=np.float64)
    _write(folder / f"rows.{suffix}", rows)
    return opt_ml


def _write(path: Path, rows: NDArray[np.float64]) -> None:
    names = ["label", *(f"f{i}" for i in range(1, rows.shape[1]))]
    if path.suffix == ".parquet":
        columns = dict(zip(names, map(pa.array, rows.T), strict=True))
        parquet.write_table(pa.table(columns), path)
        return
    lines = [_line(path.suffix, names, row) for row in rows.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(suffix: str, names: list[str], row: list[float]) -> str:
    if suffix == ".csv":
        return ",".join(map(repr, row))
    if suffix == ".jsonl":
        return json.dumps(dict(zip(names, row, strict=True)))
    label, *values = row
    return " ".join([repr(label), *(f"{i}:{x!r}" for i, x in enumerate(values, start=1))])


def _value(log: str, start: str) -> float:
    (line,) = (line for line in log.splitlines() if line.startswith(start))
    return float(line.removeprefix(start).removesuffix(";"))
