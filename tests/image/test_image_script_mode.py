"""A user's script in the container, with sagemaker-training where the image has it."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from tests.conftest import ROOT
from tests.datasets import cancer_rows, iris_rows
from tests.image.container import MOUNT, Image, mounted
from tests.script_jobs import script_job

pytestmark = pytest.mark.image

HAS_PACKAGE = "import importlib.util as u; print(u.find_spec('sagemaker_training') is not None)"
HANDLER = """
import signal, sys, time
def stop(number, frame):
    print("saving", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready")
time.sleep(60)
"""


def test_the_sample_script_trains_without_a_network_and_without_which(
    image: Image, tmp_path: Path
) -> None:
    rows = "".join(",".join(map(str, row)) + "\n" for row in iris_rows())
    files = {"sklearn_svm.py": (ROOT / "local_test/scripts/sklearn_svm.py").read_text()}
    given = {"c": "2", "kernel": '"linear"', "sagemaker_container_log_level": "20"}
    channels = {"train": {"a.csv": rows}}
    opt_ml = script_job(tmp_path, files, given, program="sklearn_svm.py", channels=channels)
    opt_ml.resource_config.write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    hidden = "rm -f /usr/bin/which* /bin/which*; exec train"

    ran = image.run("/bin/sh", "-c", hidden, options=mounted(opt_ml.root))

    assert ran.code == 0, ran.log
    assert "train:accuracy=" in ran.log
    assert "sagemaker-training failed" not in ran.log
    assert (opt_ml.model / "model.joblib").is_file()


def test_the_command_train_is_ours_and_pip_is_the_environments(image: Image) -> None:
    _require_pip(image)

    said = image.run("bash", "-c", 'cat "$(type -p train)"; type -p bash python3 pip')

    assert "from train.__main__ import main" in said.log
    assert said.log.splitlines()[-3:] == [
        "/usr/bin/bash",
        "/opt/crossfold/bin/python3",
        "/opt/crossfold/bin/pip",
    ]


def test_docker_stop_reaches_the_script_at_once(image: Image, tmp_path: Path) -> None:
    opt_ml = script_job(tmp_path, {"train.py": HANDLER})
    name = f"script-{uuid.uuid4().hex[:8]}"
    run = [image.docker, "run", "--name", name, "--network", "none"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        options = [*mounted(opt_ml.root), image.name, "train"]
        process = subprocess.Popen([*run, *options], stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 60
            while b"\nready" not in log.read_bytes() and time.monotonic() < deadline:
                time.sleep(0.05)
            stopped = time.monotonic()
            subprocess.run([image.docker, "stop", "--time", "30", name], check=True)
            seconds = time.monotonic() - stopped
            code = process.wait(30)
        finally:
            subprocess.run([image.docker, "rm", "--force", name], check=False)

    assert log.read_bytes().endswith(b"\nready\nsaving\n")
    assert code == 0
    assert seconds < 10


def test_the_sample_script_is_cross_validated_in_the_image_and_served_from_it(
    image: Image, tmp_path: Path
) -> None:
    """Rows, scores and predictions are those of scikit-learn on this machine."""
    table = np.array(iris_rows(), dtype=float)
    given = {"c": "0.5", "gamma": "0.1", "cv_folds": "5", "label": "0", "cv_max_parallel": "2"}
    opt_ml = script_job(
        tmp_path,
        {"sklearn_svm.py": (ROOT / "local_test/scripts/sklearn_svm.py").read_text()},
        given,
        program="sklearn_svm.py",
        channels={"train": {"iris.csv": _csv_of(table)}},
    )
    estimator = SVC(C=0.5, gamma=0.1)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    expected = cross_val_score(estimator, table[:, 1:], table[:, 0], cv=folds)
    predicted = estimator.fit(table[:, 1:], table[:, 0]).predict(table[::7, 1:])

    ran = image.run("train", options=mounted(opt_ml.root))
    with image.serving(*mounted(opt_ml.model, f"{MOUNT}/model", is_read_only=True)) as served:
        body = _csv_of(table[::7, 1:]).encode()
        reply = served.request(
            "POST", "/invocations", body, Content_Type="text/csv", Accept="text/csv"
        )

    assert ran.code == 0, ran.log
    assert "sagemaker-training failed" not in ran.log
    results = json.loads((opt_ml.output_data / "cv_results.json").read_text())
    scores = [fold["validation"]["accuracy"] for fold in results["folds"]]
    assert scores == pytest.approx(expected.tolist(), abs=1e-12)
    assert f"\nvalidation:accuracy={expected.mean()};\n" in ran.log
    assert [float(line) for line in reply.text.split("\n")] == predicted.tolist()


def test_the_dockerfile_of_the_pytorch_example_adds_the_wheel_that_its_context_has(
    image: Image, tmp_path: Path
) -> None:
    """A wheel of the same name stands in: this one is here on every machine, and small."""
    _require_pip(image)
    with zipfile.ZipFile(tmp_path / "torch-0.1+cpu-py3-none-any.whl", "w") as wheel:
        info = "torch-0.1+cpu.dist-info"
        wheel.writestr("torch.py", "__version__ = 'a stand-in'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 0.1+cpu\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    derived = Image(f"crossfold-test-{uuid.uuid4().hex[:8]}", image.docker)
    file = ROOT / "local_test/pytorch_script/Dockerfile"
    build = ("build", "--quiet", "--network", "none", "--build-arg", f"IMAGE={image.name}")
    command = [image.docker, *build, "--file", str(file), "--tag", derived.name, str(tmp_path)]
    try:
        subprocess.run(command, env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=True)
        said = derived.run("python", "-c", "import torch; print(torch.__version__)")
    finally:
        subprocess.run([image.docker, "rmi", "--force", derived.name], check=False)

    assert said.log == "a stand-in\n"


def test_the_pytorch_example_is_cross_validated_in_its_image_and_served_from_it(
    tmp_path: Path,
) -> None:
    name = os.environ.get("CROSSFOLD_TORCH_IMAGE")
    if not name:
        pytest.skip(
            "NO PYTORCH: CROSSFOLD_TORCH_IMAGE names no image; "
            "local_test/pytorch_script/Dockerfile makes one"
        )
    image = Image(name, os.environ.get("DOCKER", "docker"))
    table = np.array(cancer_rows(), dtype=float)
    opt_ml = script_job(
        tmp_path,
        {"net.py": (ROOT / "local_test/pytorch_script/net.py").read_text()},
        {"cv_folds": "5", "label": "0"},
        program="net.py",
        channels={"train": {"cancer.csv": _csv_of(table)}},
    )

    ran = image.run("train", options=mounted(opt_ml.root))
    with image.serving(*mounted(opt_ml.model, f"{MOUNT}/model", is_read_only=True)) as served:
        body = _csv_of(table[:, 1:]).encode()
        reply = served.request(
            "POST", "/invocations", body, Content_Type="text/csv", Accept="text/csv"
        )

    assert ran.code == 0, ran.log
    results = json.loads((opt_ml.output_data / "cv_results.json").read_text())
    assert [fold["validation"]["accuracy"] > 0.9 for fold in results["folds"]] == [True] * 5
    classes = [float(line) > 0.5 for line in reply.text.split("\n")]
    assert np.mean(classes == table[:, 0].astype(bool)) > 0.95


def _csv_of(table: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return "\n".join(",".join(map(repr, row)) for row in table.tolist())


def _require_pip(image: Image) -> None:
    if image.python(HAS_PACKAGE) != "True":
        pytest.skip(
            f"{image.name} is without pip and sagemaker-training; see `make test-script-mode`"
        )
