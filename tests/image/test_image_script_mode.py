"""A user's script in the container, with sagemaker-training where the image has it."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.datasets import iris_rows
from tests.image.container import Image, mounted
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
    if image.python(HAS_PACKAGE) != "True":
        pytest.skip(f"{image.name} is without sagemaker-training; see `make test-script-mode`")

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
