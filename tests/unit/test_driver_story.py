"""The driver's story where AWS is near: what a stop waits for, and what is printed when."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from crossfold.contract.stop import PATIENCE_S, StopRequest
from crossfold.fitting.job import Job
from cv_driver.siblings import opening, publication
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
        return SimpleNamespace(until_opened=contextlib.nullcontext)

    monkeypatch.setattr(opening, "connect_parent", connect_parent)
    drive(tmp_path)

    stop, log = drive(tmp_path, cv_launcher="sagemaker")

    assert not any("folds run as" in line for line in log)
    assert stop.patience_s == PATIENCE_S


def test_the_objective_is_in_the_log_before_anything_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop while S3 is slow must not cost the tuner its trial."""
    seen: list[str] = []

    def publish(job: Job, _siblings: object) -> None:
        seen.extend(cast("StringIO", job.stream).getvalue().splitlines())

    monkeypatch.setattr(publication, "publish_results", publish)

    drive(tmp_path, TRAINING_JOB_NAME="trial", TRAINING_JOB_ARN="arn")

    assert any(line.startswith("validation:rmse=") for line in seen)


def test_folds_in_this_process_do_not_pay_for_jobs_of_their_own() -> None:
    code = (
        "import sys, cv_driver.driver; "
        "print(sorted(n for n in sys.modules if n.startswith(('cv_driver.siblings.', 'boto'))))"
    )

    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)

    assert told.stdout.decode().strip() == "['cv_driver.siblings.wanted']"
