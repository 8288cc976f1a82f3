"""Folds as child processes: the command ``train`` with a root of its own, as a job would have.

Channels are links to the driver's, so data is never copied on disk; what a fold prints goes to a
file and never into the driver's log.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossfold.contract.paths import OptMl
from crossfold.errors import PlatformError
from crossfold.fitting.fold_result import FOLD_MODEL, FOLD_RESULT, load_fold_result
from crossfold.fitting.job import Job
from cv_driver.fold_hyperparameters import fold_hyperparameters
from cv_driver.launchers.cores import Cores
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome, Succeeded

_POLL_S = 0.02
# A fold stops within its own grace; after that it is killed.
_STOP_S = 6.0
_INHERITED_SWITCHES = ("CV_FOLDS", "SAGEMAKER_PROGRAM")


@dataclass(frozen=True, slots=True)
class _Child:
    job: FoldJob
    opt_ml: OptMl
    process: subprocess.Popen[bytes]


class ProcessLauncher:
    """Runs each fold as ``train`` in a child process."""

    def __init__(
        self,
        job: Job,
        cores: Cores,
        environ: Mapping[str, str],
        *,
        models_folder: Path | None = None,
    ) -> None:
        self._job = job
        self._cores = cores
        self._environ = environ
        self._models_folder = models_folder
        self._folder = Path(tempfile.mkdtemp(prefix="crossfold-"))
        self._children: list[_Child] = []

    @property
    def capacity(self) -> int:
        """Folds at once."""
        return self._cores.n_folds

    def start(self, job: FoldJob) -> None:
        """Lay out the fold's root and start its process."""
        opt_ml = OptMl(self._folder / f"fold-{job.index}-{job.attempt}")
        self._lay_out(opt_ml, job)
        with (opt_ml.root / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [sys.executable, "-Iu", "-m", "train", "--owner", str(os.getpid())],
                env=self._environment(opt_ml),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self._children.append(_Child(job, opt_ml, process))

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Wait until a fold's process ends."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = [child for child in self._children if child.process.poll() is not None]
            if ended or time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        self._children = [child for child in self._children if child not in ended]
        return [self._outcome(child) for child in ended]

    def stop(self) -> None:
        """Send SIGTERM to every live fold, then SIGKILL to what is left."""
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + _STOP_S
        for child in self._children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def close(self) -> None:
        """Remove the folds' folders."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _lay_out(self, opt_ml: OptMl, job: FoldJob) -> None:
        opt_ml.hyperparameters.parent.mkdir(parents=True)
        opt_ml.output_data.mkdir(parents=True)
        opt_ml.data.symlink_to(self._job.opt_ml.data.resolve())
        own = fold_hyperparameters(self._job.hyperparameters, self._job.request, job.index)
        opt_ml.hyperparameters.write_text(json.dumps(own), encoding="utf-8")
        for name in ("input_data_config", "resource_config"):
            source: Path = getattr(self._job.opt_ml, name)
            if source.is_file():
                shutil.copyfile(source, getattr(opt_ml, name))

    def _environment(self, opt_ml: OptMl) -> dict[str, str]:
        kept = {
            name: text for name, text in self._environ.items() if name not in _INHERITED_SWITCHES
        }
        threads = str(self._cores.n_threads)
        return kept | {"SAGEMAKER_BASE_DIR": str(opt_ml.root), "OMP_NUM_THREADS": threads}

    def _outcome(self, child: _Child) -> Outcome:
        if child.process.returncode != 0:
            reason = _failure_of(child)
            shutil.rmtree(child.opt_ml.root, ignore_errors=True)
            return Failed(child.job, reason, transient=reason.startswith("PlatformError"))
        try:
            result = load_fold_result(child.opt_ml.output_data / FOLD_RESULT)
        except PlatformError as error:
            return Failed(child.job, f"PlatformError: {error}", transient=True)
        if self._models_folder is not None:
            _move(child.opt_ml.model / FOLD_MODEL, self._models_folder / f"fold-{child.job.index}")
        shutil.rmtree(child.opt_ml.root, ignore_errors=True)
        return Succeeded(child.job, result)


def _failure_of(child: _Child) -> str:
    try:
        return child.opt_ml.failure.read_text(encoding="utf-8").strip()
    except OSError:
        code = child.process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"PlatformError: the process {how} without a word"


def _move(source: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)
