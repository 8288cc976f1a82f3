"""From a plan of folds to its `SiblingLauncher`: checked, announced and put together, once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crossfold.contract.stop import PATIENCE_S, StopRequest
from crossfold.fitting.job import Job
from crossfold.fitting.own_folders import OwnFolders, layout_of_folders, own_folders
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import is_pooled
from cv_driver.aws.parent import Parent
from cv_driver.checkpoints import FoldCheckpoints
from cv_driver.launchers.cores import Cores
from cv_driver.launchers.inline import InlineLauncher
from cv_driver.launchers.launcher import Launcher
from cv_driver.siblings.connection import Connection, make_calls_until_stopped
from cv_driver.siblings.fold_job.channels import folder_prefixes
from cv_driver.siblings.fold_job.plan import FoldPlan, output_path
from cv_driver.siblings.fold_job.results import Expected
from cv_driver.siblings.launcher.driver_fits import OwnFits
from cv_driver.siblings.launcher.sibling_launcher import SiblingLauncher
from cv_driver.siblings.launcher.work import FoldWork
from cv_driver.siblings.preflight.plan_checks import check_plan
from cv_driver.siblings.stop_marker import marker_uri


@dataclass(frozen=True, slots=True)
class FoldKind:
    """What is run as jobs of its own: folds of our algorithms, or of a user's script.

    Attributes
    ----------
    plan : FoldPlan
    expected : Expected
    fit_here : callable
        Returns a launcher by which the driver fits folds itself, one at a time; it ends with the
        request that it is given.
    models : Path, optional
        Parent of the folds' models; None where no ensemble is asked for.
    collect : callable, optional
        As in `FoldWork`.
    """

    plan: FoldPlan
    expected: Expected
    fit_here: Callable[[StopRequest], Launcher]
    models: Path | None = None
    collect: Callable[[Path, int], None] | None = None


def open_launcher(
    connection: Connection,
    job: Job,
    folded: FoldedProblem,
    checkpoints: FoldCheckpoints,
    missing: Sequence[int],
    stop: StopRequest,
) -> SiblingLauncher:
    """Return the launcher of an algorithm's folds; see `open_jobs`."""
    models = checkpoints.models if job.request.driver.final_model == "ensemble" else None
    objective = folded.problem.spec.metrics[0].name
    n_folds = folded.assignment.n_folds
    folders = _own_folders(connection.parent, job, folded, missing, stop)
    plan = FoldPlan(
        connection.parent,
        job.request,
        job.hyperparameters,
        checkpoints.key,
        n_folds,
        objective,
        folders=folders,
        whole=checkpoints.fold_key,
    )

    def fit_here(halt: StopRequest) -> Launcher:
        return InlineLauncher(folded, Cores(1, job.n_threads), halt, models_folder=models)

    return open_jobs(
        connection, FoldKind(plan, _expected(job, folded, folders), fit_here, models), missing, stop
    )


def open_jobs(
    connection: Connection, kind: FoldKind, missing: Sequence[int], stop: StopRequest
) -> SiblingLauncher:
    """Check that the folds `missing` can be made, say what will be, and return their launcher.

    Raises
    ------
    UserError
        They cannot be made.
    PlatformError
        The service does not answer.
    Stopped
        A stop was asked for meanwhile.
    """
    world, parent, plan = connection.world, connection.parent, kind.plan
    driver = plan.request.driver
    line = make_calls_until_stopped(
        check_plan(world.api, plan, missing, now=world.now()), world, stop
    )
    world.log(line)
    start = f"{world.now():.0f}-{world.chance.getrandbits(32):08x}"
    work = FoldWork(
        plan=plan,
        expected=kind.expected,
        folder=Path(tempfile.mkdtemp(prefix="crossfold-")),
        models=kind.models,
        marker=marker_uri(output_path(plan), parent.name, start),
        max_jobs=driver.max_jobs,
        collect=kind.collect,
    )
    if driver.driver_fits == "never":
        return SiblingLauncher(world, work)
    halt = StopRequest(stop)
    own = OwnFits(kind.fit_here(halt), driver.driver_fits, halt, partial(_hurry, stop))
    return SiblingLauncher(world, work, own)


def _hurry(stop: StopRequest) -> None:
    """Ask for no more than the usual seconds: there are no jobs to end any more."""
    stop.patience_s = PATIENCE_S


def _own_folders(
    parent: Parent,
    job: Job,
    folded: FoldedProblem,
    missing: Sequence[int],
    stop: StopRequest,
) -> OwnFolders | None:
    """Return the folds whose channels are narrowed to their own ready folders."""
    layout = layout_of_folders(job)
    if layout is None or not folder_prefixes(parent, job.request.driver, layout):
        return None
    folders = own_folders(job, folded, layout, missing, stop)
    n_alone = len(folders.fingerprints)
    job.log(f"{n_alone} of {len(missing)} folds read their own ready folders alone")
    return folders


def _expected(job: Job, folded: FoldedProblem, folders: OwnFolders | None) -> Expected:
    return Expected(
        splits=folded.assignment.splits,
        metrics=[metric.name for metric in folded.problem.spec.metrics],
        needs_predictions=is_pooled(job.request, folded.assignment),
        alone=() if folders is None else folders.fingerprints,
    )
