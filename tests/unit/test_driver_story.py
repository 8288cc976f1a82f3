"""The driver's story where AWS is near: what a stop waits for, and what is printed when."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from crossfold.contract.channels import read_channels_config
from crossfold.contract.stop import PATIENCE_S, StopRequest
from crossfold.fitting.job import Job
from crossfold.request.reading import read_request
from cv_driver import publication
from cv_driver.scripts import driver as script_driver
from cv_driver.scripts import objective
from cv_driver.scripts.driver import drive_script
from cv_driver.siblings import connection
from tests.in_process import write_job
from train.job import run_job

_ROWS = "\n".join(f"{at % 3},{at},{at * at % 7}" for at in range(60))
_GIVEN = {"cv_folds": "3", "num_round": "2", "objective": "reg:squarederror"}


def drive(
    root: Path, *, cv_launcher: str = "inline", **environ: str
) -> tuple[StopRequest, list[str]]:
    """Run a driver; return its stop and its log."""
    given = _GIVEN | {"cv_launcher": cv_launcher}
    opt_ml = write_job(root, given, {"train": {"rows.csv": _ROWS}})
    stop, stream = StopRequest(), StringIO()
    run_job(opt_ml, environ, stop, stream, force_driver=False)
    return stop, stream.getvalue().splitlines()


def test_a_stop_of_the_final_fit_is_not_patient_where_all_folds_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted driver has connected to its siblings, and finds every fold in a checkpoint."""

    def connect_parent(_job: Job, stop: StopRequest) -> object:
        stop.patience_s = 100.0
        return SimpleNamespace(
            until_opened=contextlib.nullcontext, parent=SimpleNamespace(image=None)
        )

    monkeypatch.setattr(connection, "connect_parent", connect_parent)
    drive(tmp_path)

    stop, log = drive(tmp_path, cv_launcher="sagemaker")

    assert not any("folds run as" in line for line in log)
    assert stop.patience_s == PATIENCE_S


def test_the_objective_is_in_the_log_before_anything_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop while S3 is slow must not cost the tuner its trial."""
    seen: list[str] = []

    def publish(job: Job, _siblings: object, _stop: object) -> None:
        seen.extend(cast("StringIO", job.stream).getvalue().splitlines())

    monkeypatch.setattr(publication, "publish_results", publish)

    drive(tmp_path, TRAINING_JOB_NAME="trial", TRAINING_JOB_ARN="arn")

    assert any(line.startswith("validation:rmse=") for line in seen)


class Printing:
    """A script that prints one score."""

    name, digest = "train.py", "0" * 64
    files: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self,
        job: Job,
        stop: StopRequest,
        *,
        into: int | None = None,
        log: str | None = None,
        grace_s: float | None = None,
    ) -> None:
        assert (log is None and grace_s is None) or into is not None
        stop.check()
        if into is not None:
            os.write(into, b"validation:score=0.5;\n")


def drive_own_script(root: Path, **environ: str) -> list[str]:
    """Run a driver of a user's script; return its log."""
    given = {"cv_folds": "3", "sagemaker_program": "train.py"}
    opt_ml = write_job(root, given, {"train": {"rows.csv": _ROWS}})
    opt_ml.output_data.mkdir(parents=True)
    code = root / "code"
    code.mkdir()
    stream = StringIO()
    channels, request = read_channels_config(opt_ml), read_request(given, environ)
    job = Job(opt_ml, request, given, channels, environ, stream)
    drive_script(job, lambda: Printing(code), StopRequest())
    return stream.getvalue().splitlines()


def test_a_scripts_objective_is_in_the_log_before_anything_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def publish(job: Job, _siblings: object, _stop: object) -> None:
        seen.extend(cast("StringIO", job.stream).getvalue().splitlines())

    monkeypatch.setattr(script_driver, "publish_results", publish)
    monkeypatch.setattr(objective, "_definitions", lambda _job: {})

    drive_own_script(tmp_path, TRAINING_JOB_NAME="trial", TRAINING_JOB_ARN="arn")

    assert "validation:score=0.5;" in seen


def test_outside_of_a_job_nothing_is_said_of_s3(tmp_path: Path) -> None:
    assert not [line for line in drive_own_script(tmp_path) if "S3" in line]


def test_folds_in_this_process_do_not_pay_for_jobs_of_their_own() -> None:
    code = (
        "import sys, cv_driver.driver; "
        "near = ('cv_driver.aws.', 'cv_driver.siblings.', 'boto'); "
        "print(sorted(name for name in sys.modules if name.startswith(near)))"
    )

    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)

    assert told.stdout.decode().strip() == "['cv_driver.aws.environment']"
