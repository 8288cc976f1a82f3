"""The PyTorch example, cross-validated and served where there is a PyTorch.

`make test-pytorch` makes the environment that it needs.  Without PyTorch it must fail well.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from crossfold.contract.paths import OptMl
from tests.conftest import ROOT
from tests.datasets import cancer_rows
from tests.script_jobs import ScriptEnded, run_script_job, script_job
from tests.serving import serving

NET = (ROOT / "local_test/pytorch_script/net.py").read_text(encoding="utf-8")
N_FOLDS = 2
N_ROWS = 251


@pytest.fixture(scope="module")
def torch_python() -> str:
    """Return an interpreter that has PyTorch and this checkout."""
    named = os.environ.get("CROSSFOLD_TORCH_PYTHON")
    python = Path(named) if named else ROOT / "build/torch/bin/python"
    if not python.exists():
        pytest.skip(
            f"NO PYTORCH: {python} is not there; `make test-pytorch` makes it where pip has "
            "a wheel of torch at hand, else name an interpreter in CROSSFOLD_TORCH_PYTHON"
        )
    return str(python)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the job left, and who can serve it."""

    job: ScriptEnded
    python: str


@pytest.fixture(scope="module")
def fitted(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    given = {"cv_folds": N_FOLDS, "label": 0, "epochs": 8, "cv_max_parallel": 2}
    rows = "".join(",".join(map(repr, row)) + "\n" for row in cancer_rows(N_ROWS))
    opt_ml = script_job(
        tmp_path_factory.mktemp("net"),
        {"net.py": NET},
        given,
        program="net.py",
        channels={"train": {"cancer.csv": rows}},
    )
    job = run_script_job(opt_ml, python=torch_python)
    assert job.code == 0, job.output.decode()
    return Fitted(job, torch_python)


def _table() -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(cancer_rows(N_ROWS), dtype=float)


def test_the_network_has_the_folds_of_scikit_learn_and_their_scores(fitted: Fitted) -> None:
    output = fitted.job.opt_ml.output_data
    with (output / "oof_predictions.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    table = _table()
    splits = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(table, table[:, 0])
    folds = json.loads((output / "cv_results.json").read_text(encoding="utf-8"))["folds"]

    assert [int(line["row"]) for line in lines] == list(range(N_ROWS))
    assert [int(line["label"]) for line in lines] == table[:, 0].tolist()
    for number, (_, held_out) in enumerate(splits):
        own = [line for line in lines if int(line["fold"]) == number]
        assert [int(line["row"]) for line in own] == held_out.tolist()
        expected = log_loss(table[held_out, 0], [float(line["probability"]) for line in own])
        assert folds[number]["validation"]["logloss"] == pytest.approx(expected, rel=1e-4)
        assert folds[number]["validation"]["accuracy"] > 0.9


def test_the_network_of_all_rows_is_served(fitted: Fitted) -> None:
    table = _table()
    body = "\n".join(",".join(map(repr, row)) for row in table[:, 1:].tolist()).encode()
    told = re.findall(rb"^train:logloss=(.*);$", fitted.job.output, re.MULTILINE)

    with serving(
        fitted.job.opt_ml,
        command=(fitted.python, "-Iu", "-m", "serve"),
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
    ) as server:
        reply = server.post(body, accept="text/csv")

    probabilities = [float(line) for line in reply.text.split("\n")]
    # The final run's own line comes before the mean of the folds.
    assert log_loss(table[:, 0], probabilities) == pytest.approx(float(told[0]), rel=1e-4)


def test_a_network_alone_is_called_as_the_image_of_pytorch_does(
    fitted: Fitted, tmp_path: Path
) -> None:
    """With nothing but model_fn a body becomes a tensor, and the network's logits the answer."""
    opt_ml = OptMl(tmp_path)
    shutil.copytree(fitted.job.opt_ml.model, opt_ml.model)
    source = NET.replace("def predict_fn", "def left_out")
    (opt_ml.model / "code/inference.py").write_text(source, encoding="utf-8")
    rows = _table()[::50, 1:]
    narrow = io.BytesIO()
    np.save(narrow, rows.astype(np.float32))
    text = io.BytesIO()
    np.save(text, rows.astype(">f8"))

    with serving(
        opt_ml,
        command=(fitted.python, "-Iu", "-m", "serve"),
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
    ) as server:
        by_json = server.post(json.dumps(rows.tolist()).encode(), content_type="application/json")
        by_npy = server.post(narrow.getvalue(), content_type="application/x-npy")
        swapped = server.post(text.getvalue(), content_type="application/x-npy")
        unlike = server.post(b"1,2,3")

    assert len(by_json.json()) == len(rows)
    assert by_npy.json() == by_json.json()
    assert (swapped.status, unlike.status) == (400, 500)
    assert swapped.error["message"].startswith("the array is none for PyTorch: ")
    assert "the network of the model's script failed with RuntimeError" in unlike.error["message"]


def test_without_pytorch_the_job_says_which_package_is_missing(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("this environment has PyTorch")
    opt_ml = script_job(tmp_path, {"net.py": NET}, {}, program="net.py")

    job = run_script_job(opt_ml)

    assert job.code == 1
    assert (job.failure or "").startswith(
        "AlgorithmError: ModuleNotFoundError: No module named 'torch'; net.py ended with exit code"
    )
