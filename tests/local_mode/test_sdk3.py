"""SDK v3's local mode with the image: the image is started without a word."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets import iris_rows
from tests.local_mode.sdk import Ran, Sdk, unpacked
from tests.opt_ml import build_opt_ml, run
from tests.served_native import Native

pytestmark = [pytest.mark.image, pytest.mark.slow, pytest.mark.timeout(1200)]

SMALL = {"num_round": 5, "seed": 3}


def test_the_trainer_leaves_the_model_that_the_command_leaves_outside(
    sdk3: Sdk, tmp_path: Path
) -> None:
    features = np.array(iris_rows(), dtype=np.float64)[:, 1:]
    outside = run(build_opt_ml(tmp_path / "out", SMALL, {"train": {"rows.csv": iris_rows()}}))

    ran = _train(sdk3, tmp_path, SMALL)

    assert ran.code == 0, ran.log
    model = Native(_artifact(tmp_path, "model"))
    same = Native(outside.opt_ml.model)
    assert model.manifest["complete"] is True
    assert model.probabilities(features) == pytest.approx(same.probabilities(features), rel=1e-6)
    assert sum(line.startswith("train:mlogloss=") for line in ran.container_lines) == 1, ran.log
    assert f"[{SMALL['num_round'] - 1}]\ttrain-mlogloss:" in ran.log


def test_the_driver_cross_validates(sdk3: Sdk, tmp_path: Path) -> None:
    ran = _train(sdk3, tmp_path, SMALL | {"cv_folds": 3})

    assert ran.code == 0, ran.log
    text = (_artifact(tmp_path, "output") / "data" / "cv_results.json").read_text(encoding="utf-8")
    assert [fold["status"] for fold in json.loads(text)["folds"]] == ["succeeded"] * 3
    assert sum(line.startswith("validation:mlogloss=") for line in ran.container_lines) == 1


def test_a_users_mistake_ends_the_script_and_says_why(sdk3: Sdk, tmp_path: Path) -> None:
    ran = _train(sdk3, tmp_path, {"eta": "fast"})

    assert ran.code != 0
    assert "Process exited with code: 1" in ran.log
    failure = (_artifact(tmp_path, "output") / "failure").read_text(encoding="utf-8")
    assert failure.startswith("UserError: hyperparameter 'eta'")


def test_two_hosts_leave_the_leaders_whole_model(sdk3: Sdk, tmp_path: Path) -> None:
    ran = _train(sdk3, tmp_path, SMALL | {"num_round": 500}, n_hosts=2)

    assert ran.code == 0, ran.log
    lines = ran.container_lines
    assert sum(line.endswith(" trains on the replicated data") for line in lines) == 1
    manifest = Native(_artifact(tmp_path, "model")).manifest
    assert (manifest["complete"], manifest["rounds_done"]) == (True, 500)


def _train(sdk3: Sdk, folder: Path, own: Mapping[str, Any], *, n_hosts: int = 1) -> Ran:
    (folder / "train").mkdir()
    with (folder / "train" / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(iris_rows())
    channels = {"train": str(folder / "train")}
    return sdk3.run(
        folder, {"instance_count": n_hosts, "hyperparameters": dict(own), "channels": channels}
    )


def _artifact(folder: Path, name: str) -> Path:
    """Unpack ``model`` or ``output``, which stay where the containers' files are."""
    archive = folder / "containers" / "compressed_artifacts" / f"{name}.tar.gz"
    return unpacked(archive, folder / "unpacked" / name)
