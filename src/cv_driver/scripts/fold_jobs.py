"""A script's folds as training jobs of their own: what they are told, and what is fetched of them.

The jobs are `cv_driver.siblings`'s matter; a fold is run by `fold`.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossfold.contract.stop import StopRequest
from crossfold.contract.whole_file import write_whole_file
from crossfold.errors import PlatformError
from cv_driver.checkpoints import FoldCheckpoints
from cv_driver.launchers.launcher import Launcher
from cv_driver.scripts.fold_run import LOGS, ScriptFolds, kept_line, log_of_fold
from cv_driver.scripts.launcher import ScriptLauncher
from cv_driver.scripts.objective import OBJECTIVE, objective_text
from cv_driver.scripts.predictions import kept_predictions
from cv_driver.siblings.connection import Connection
from cv_driver.siblings.fold_job.plan import FoldPlan
from cv_driver.siblings.fold_job.results import Expected
from cv_driver.siblings.launch import FoldKind, open_jobs
from cv_driver.siblings.launcher.sibling_launcher import SiblingLauncher


def open_fold_jobs(
    connection: Connection,
    folds: ScriptFolds,
    checkpoints: FoldCheckpoints,
    missing: Sequence[int],
    stop: StopRequest,
) -> SiblingLauncher:
    """Check that the folds `missing` can be jobs, say what will be, and return their launcher.

    Raises
    ------
    UserError
        They cannot be made.
    PlatformError
        The service does not answer.
    Stopped
        A stop was asked for meanwhile.
    """
    job, assignment, metric = folds.job, folds.cut.assignment, folds.objective.metric
    plan = FoldPlan(
        connection.parent,
        job.request,
        job.hyperparameters,
        checkpoints.key,
        assignment.n_folds,
        metric,
        whole=checkpoints.fold_key,
        added={OBJECTIVE: objective_text(folds.objective)},
    )

    def fit_here(halt: StopRequest) -> Launcher:
        return ScriptLauncher(folds, halt)

    kind = FoldKind(plan, _expected(folds), fit_here, collect=FoldOutputs(folds).collect)
    return open_jobs(connection, kind, missing, stop)


@dataclass(frozen=True, slots=True)
class FoldOutputs:
    """Takes what folds' jobs left beside their results."""

    folds: ScriptFolds

    def collect(self, archive: Path, index: int) -> None:
        """Copy a fold's log, predictions and line of its score to where the driver has its own.

        Raises
        ------
        PlatformError
            The archive is damaged.
        """
        kept, log = self.folds.kept, log_of_fold(self.folds.job.opt_ml, index)
        wanted = {f"{LOGS}/{log.name}": log}
        for path in (kept_predictions(kept, index), kept_line(kept, index)):
            path.unlink(missing_ok=True)
            wanted[path.name] = path
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    if member.isreg() and member.name in wanted:
                        _copy(tar, member, wanted[member.name])
        except (EOFError, tarfile.TarError, zlib.error) as error:
            raise PlatformError(f"its output is damaged: {error}") from error


def _expected(folds: ScriptFolds) -> Expected:
    metric = folds.objective.metric
    return Expected(
        splits=folds.cut.assignment.splits,
        metrics=[] if metric is None else [metric],
        needs_predictions=False,
        gives_predictions=False,
    )


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None

    def write(aside: Path) -> None:
        with source, aside.open("wb") as target:
            shutil.copyfileobj(source, target)

    write_whole_file(path, write)
