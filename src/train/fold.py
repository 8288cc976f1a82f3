"""One fold as a job of its own: the same rows and the same numbers as inside a driver."""

from __future__ import annotations

import shutil
from dataclasses import replace

from crossfold.contract import metric_lines
from crossfold.contract.stop import StopRequest
from crossfold.errors import UserError
from crossfold.fitting.fold_fit import fit_fold
from crossfold.fitting.fold_progress import FoldProgress
from crossfold.fitting.fold_result import (
    FOLD_MODEL,
    FOLD_RESULT,
    FoldResult,
    save_fold_result,
)
from crossfold.fitting.identity import identity_key, identity_of, refuse_other_identity
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import read_job_data
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import split_rows


def run_fold(job: Job, stop: StopRequest) -> None:
    """Fit and score the one fold that ``cv_fold_index`` names.

    Raises
    ------
    UserError
        There is no such fold.
    PlatformError
        The fold reads other data, or reads it otherwise, than the driver that started it.
    Stopped
        A stop was asked for before the fold was scored.
    """
    if job.request.driver.stop_marker is not None:
        from cv_driver.siblings.stop_marker import heed_driver

        heed_driver(job, stop)
    data = read_job_data(job, folded=True)
    problem = make_problem(job, data)
    folded = split_rows(job, problem, data)
    key = _key(job, folded)
    refuse_other_identity(key, job.request.driver.fingerprint)
    index, n_folds = job.request.driver.fold_index, len(folded.assignment.splits)
    is_alone = data.ready is not None and data.ready.only is not None
    if index is None or (index >= n_folds and not is_alone):
        msg = f"hyperparameter 'cv_fold_index' is {index!r}; this split has folds 0 … {n_folds - 1}"
        raise UserError(msg)
    result = _fit(job, folded, 0 if is_alone else index, key, stop)
    # Its rows are numbered as this job has read them; whoever has more knows which those are.
    result = replace(result, index=index)
    save_fold_result(job.opt_ml.output_data / FOLD_RESULT, result)
    objective = problem.spec.metrics[0].name
    for split, values in (("train", result.train), ("validation", result.validation)):
        for name in sorted(values, key=lambda name: name == objective):
            job.log(metric_lines.final_line(split, name, values[name]))
    if objective in result.validation:
        job.log(metric_lines.fold_alias_line(objective, result.validation[objective]))


def _fit(
    job: Job, folded: FoldedProblem, at: int, key: str | None, stop: StopRequest
) -> FoldResult:
    """Fit and score the fold at a place of the assignment, repeating nothing of checkpoints."""
    keeps_model = job.request.driver.final_model == "ensemble"
    model = job.opt_ml.model / FOLD_MODEL if keeps_model else None
    if key is None or not job.opt_ml.checkpoints.is_dir():
        return fit_fold(folded, at, n_threads=job.n_threads, stop=stop, save_model_to=model)
    progress = FoldProgress(job.opt_ml.checkpoints, key, at, job.log)
    result = progress.finished(with_model=keeps_model)
    if result is not None:
        job.log("the fold was finished by an earlier start; nothing is fitted again")
    else:
        result = fit_fold(
            folded,
            at,
            n_threads=job.n_threads,
            stop=stop,
            save_model_to=progress.model if keeps_model else None,
            progress=progress,
        )
        progress.finish(result)
    if model is not None:
        shutil.copytree(progress.model, model, dirs_exist_ok=True)
    return result


def _key(job: Job, folded: FoldedProblem) -> str | None:
    """Return the fold's fingerprint; None where nobody asks for it, as all data are read for it."""
    if job.request.driver.fingerprint is None and not job.opt_ml.checkpoints.is_dir():
        return None
    return identity_key(identity_of(job, folded, folded.problem.rows.table.fingerprint()))
