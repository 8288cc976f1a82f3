"""Which launcher runs the folds: every driver asks, so that it imports no job's launcher."""

from __future__ import annotations

from pathlib import Path

from crossfold.algorithms.registry import is_boosted
from crossfold.contract.stop import StopRequest
from crossfold.fitting.job import Job
from crossfold.fitting.problem import FoldedProblem
from cv_driver.aws.environment import is_training_job
from cv_driver.launchers.cores import share_cores
from cv_driver.launchers.inline import InlineLauncher
from cv_driver.launchers.launcher import Launcher
from cv_driver.launchers.process import ProcessLauncher


def wants_siblings(job: Job) -> bool:
    """Say whether folds shall be jobs of their own."""
    driver = job.request.driver
    if driver.launcher != "auto":
        return driver.launcher == "sagemaker"
    return driver.resources.instance_type is not None and is_training_job(job.environ)


def log_choice(job: Job) -> None:
    """Log what ``cv_launcher=auto`` chose, where another choice was possible."""
    driver = job.request.driver
    instance_type, is_in_job = driver.resources.instance_type, is_training_job(job.environ)
    if driver.launcher != "auto" or (instance_type is None and not is_in_job):
        return
    if instance_type is None:
        job.log("cv_launcher=auto: inline, as fold_instance_type is not set")
    elif is_in_job:
        job.log(f"cv_launcher=auto: sagemaker, as fold_instance_type is {instance_type!r}")
    else:
        job.log(
            f"cv_launcher=auto: inline; fold_instance_type={instance_type!r} has no effect outside "
            "of a SageMaker training job"
        )


def choose_launcher(
    job: Job, folded: FoldedProblem, models: Path | None, stop: StopRequest
) -> Launcher:
    """Return the launcher on this machine that the request names.

    Parameters
    ----------
    job : Job
    folded : FoldedProblem
    models : Path, optional
        Receives the folds' models.
    stop : StopRequest
    """
    driver, table = job.request.driver, folded.problem.rows.table
    cores = share_cores(
        job.n_threads,
        len(folded.assignment.splits),
        n_cells=table.features.size,
        is_threaded=is_boosted(job.request.algorithm),
        max_parallel=driver.max_parallel,
    )
    if driver.launcher == "process":
        return ProcessLauncher(job, cores, job.environ, models_folder=models)
    return InlineLauncher(folded, cores, stop, models_folder=models)
