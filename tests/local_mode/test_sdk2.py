"""SDK v2's local mode with the image: what a user's script gets is what the model says."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.datasets import Rows, cancer_rows, iris_rows
from tests.local_mode.sdk import Ran, Sdk, unpacked
from tests.opt_ml import build_opt_ml, run
from tests.served_native import Native
from tests.serving import free_port

pytestmark = [pytest.mark.image, pytest.mark.slow, pytest.mark.timeout(1200)]

SMALL = {"num_round": 5, "seed": 3}
BATCHES = {"first.csv": slice(0, 500), "second.csv": slice(500, 569)}


@dataclass(frozen=True, slots=True)
class Cycle:
    """One script's fit, deploy, predict and transform, on tumours."""

    ran: Ran
    model: Path
    batch_output: Path

    def served(self) -> NDArray[np.float64]:
        return np.array(self.ran.came_back["answer"].split(), dtype=np.float64)

    def own(self) -> NDArray[np.float64]:
        """Let XGBoost itself read the model's file, and predict."""
        return np.array(Native(self.model).scores(_features(cancer_rows())))


@pytest.fixture(scope="module")
def cycle(sdk2: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Cycle:
    folder = tmp_path_factory.mktemp("sdk2")
    (folder / "batch").mkdir()
    for name, part in BATCHES.items():
        (folder / "batch" / name).write_text(_csv(_features(cancer_rows())[part]) + "\n")
    job = _job(folder, cancer_rows(), SMALL) | {
        "body": _csv(_features(cancer_rows())),
        "batch": f"file://{folder}/batch",
        "batch_output": f"file://{folder}/batch-output",
    }
    ran = sdk2.run(folder, job)
    assert ran.code == 0, ran.log
    model = unpacked(folder / "output" / "model.tar.gz", folder / "model")
    return Cycle(ran, model, folder / "batch-output")


def test_fit_leaves_the_model_that_the_command_leaves_outside(cycle: Cycle, tmp_path: Path) -> None:
    outside = run(build_opt_ml(tmp_path, SMALL, {"train": {"rows.csv": cancer_rows()}}))

    same = Native(outside.opt_ml.model).scores(_features(cancer_rows()))
    assert cycle.own() == pytest.approx(np.array(same), rel=1e-6)
    assert cycle.ran.came_back["model_data"].endswith("/output/model.tar.gz")


def test_the_log_reaches_the_user_line_by_line(cycle: Cycle) -> None:
    lines = cycle.ran.container_lines

    assert "channel 'train': 569 rows, 30 features" in lines
    assert [line[: len("[0]\ttrain-logloss:0")] for line in lines if line.startswith("[")] == [
        f"[{n}]\ttrain-logloss:0" for n in range(SMALL["num_round"])
    ]
    assert sum(line.startswith("train:logloss=") for line in lines) == 1


def test_the_endpoint_says_what_the_model_says(cycle: Cycle) -> None:
    assert cycle.served() == pytest.approx(cycle.own(), rel=1e-6)
    assert len(set(cycle.served())) > 10


def test_the_batch_output_has_one_line_per_input_line(cycle: Cycle) -> None:
    for name, part in BATCHES.items():
        lines = (cycle.batch_output / f"{name}.out").read_text().splitlines()

        assert [float(line) for line in lines] == pytest.approx(cycle.own()[part], rel=1e-6)


def test_the_driver_cross_validates(sdk2: Sdk, tmp_path: Path) -> None:
    ran = sdk2.run(tmp_path, _job(tmp_path, iris_rows(), SMALL | {"cv_folds": 3}))

    assert ran.code == 0, ran.log
    data = unpacked(tmp_path / "output" / "output.tar.gz", tmp_path / "unpacked") / "data"
    results = json.loads((data / "cv_results.json").read_text(encoding="utf-8"))
    assert [fold["status"] for fold in results["folds"]] == ["succeeded"] * 3
    with (data / "oof_predictions.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 150
    for metric in ("validation:mlogloss=", "validation:mlogloss_std="):
        assert sum(line.startswith(metric) for line in ran.container_lines) == 1, ran.log


def test_a_users_mistake_ends_the_script_and_says_why(sdk2: Sdk, tmp_path: Path) -> None:
    ran = sdk2.run(tmp_path, _job(tmp_path, iris_rows(), {"eta": "fast"}))

    assert ran.code != 0
    assert "Process exited with code: 1" in ran.log
    failure = unpacked(tmp_path / "output" / "output.tar.gz", tmp_path / "unpacked") / "failure"
    assert failure.read_text(encoding="utf-8").startswith("UserError: hyperparameter 'eta'")


def test_two_hosts_leave_the_leaders_whole_model(sdk2: Sdk, tmp_path: Path) -> None:
    job = _job(tmp_path, iris_rows(), SMALL | {"num_round": 500}) | {"instance_count": 2}

    ran = sdk2.run(tmp_path, job)

    assert ran.code == 0, ran.log
    lines = ran.container_lines
    assert sum(line.endswith(" trains on the replicated data") for line in lines) == 1
    assert sum(line.startswith("train:mlogloss=") for line in lines) == 1
    manifest = Native(unpacked(tmp_path / "output" / "model.tar.gz", tmp_path / "model")).manifest
    assert (manifest["complete"], manifest["rounds_done"]) == (True, 500)


def test_two_hosts_fail_when_the_leader_fails(sdk2: Sdk, tmp_path: Path) -> None:
    """The follower reads no data; its success may not pass for the job's."""
    rows: Rows = [*cancer_rows(), [1, 2, 3]]

    ran = sdk2.run(tmp_path, _job(tmp_path, rows, SMALL) | {"instance_count": 2})

    assert ran.code != 0, ran.log
    assert "Process exited with code: 1" in ran.log
    assert "UserError: channel 'train', file rows.csv, row 570 has 3 cells" in ran.log


def _job(folder: Path, rows: Rows, own: Mapping[str, Any]) -> dict[str, Any]:
    """One instance, channel ``train``, everything by ``file://``."""
    (folder / "output").mkdir()
    (folder / "train").mkdir()
    with (folder / "train" / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return {
        "instance_count": 1,
        "serving_port": free_port(),
        "hyperparameters": dict(own),
        "channels": {"train": f"file://{folder}/train"},
        "output": f"file://{folder}/output",
    }


def _features(rows: Rows) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64)[:, 1:]


def _csv(features: NDArray[np.float64]) -> str:
    return "\n".join(",".join(map(repr, row)) for row in features.tolist())
