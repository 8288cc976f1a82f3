"""One training: read → fit → score → save."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples
from crossfold.algorithms.registry import is_boosted
from crossfold.contract import metric_lines
from crossfold.contract.stop import StopRequest
from crossfold.fitting.final_fit import FinalFit, fit_final, score_holdouts
from crossfold.fitting.fold_fit import watched_rows
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import read_job_data
from crossfold.fitting.model_files import ModelKeeper, save_model
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.problem import Problem
from crossfold.results.evaluation_file import write_evaluation

Scores = Mapping[str, Mapping[str, float]]


def train_single(job: Job, stop: StopRequest) -> None:
    """Fit one model on channel ``train``; early stopping watches ``validation``.

    Raises
    ------
    Stopped
        A stop was asked for before a model existed.
    CrossfoldError
        The request, the data or the library is at fault.
    """
    data = read_job_data(job, folded=False)
    problem = make_problem(job, data)
    final = _fit(job, problem, stop)
    fitted = final.model.predict(problem.rows.table.features)
    scores = {"train": problem.rows.score(problem.spec.metrics, fitted)}
    scores |= score_holdouts(problem, final.model.predict)
    save_model(job.opt_ml.model, problem, final, kind="single", scores=scores)
    _report(job, problem, scores)
    if not final.complete:
        job.log(f"stopped: the model of the first {final.rounds_done} rounds was saved")


def _fit(job: Job, problem: Problem, stop: StopRequest) -> FinalFit:
    rows, validation = _watched(job, problem)
    objective = problem.spec.metrics[0].name

    def on_round(n_done: int, scores: Scores) -> None:
        job.log(metric_lines.round_line(n_done - 1, scores, objective))

    return fit_final(
        problem,
        stop,
        rows=rows,
        validation=validation,
        on_round=on_round if is_boosted(problem.spec.algorithm) else None,
        keep=ModelKeeper(job.opt_ml.model, problem, "single").keep,
    )


def _watched(job: Job, problem: Problem) -> tuple[NDArray[np.int64] | None, Examples | None]:
    """Return the rows to fit on and what early stopping watches."""
    if "validation" in problem.holdouts:
        return None, problem.holdouts["validation"].examples()
    if problem.spec.early_stopping_rounds is None:
        return None, None
    every = np.arange(problem.rows.table.n_rows)
    fit_rows, watch_rows = watched_rows(problem, every, strategy="auto")
    job.log(
        f"early stopping watches {len(watch_rows)} rows cut from channel 'train' "
        "(early_stopping_fraction), as there is no channel 'validation'"
    )
    return fit_rows, problem.rows.examples(watch_rows)


def _report(job: Job, problem: Problem, scores: Scores) -> None:
    held_out = next((name for name in ("validation", "test") if name in scores), None)
    if held_out is not None:
        path = job.opt_ml.output_data / "evaluation.json"
        report = {name: (value, None) for name, value in scores[held_out].items()}
        write_evaluation(path, problem.coding.task, report)
    objective = problem.spec.metrics[0].name
    for split, values in scores.items():
        for name in sorted(values, key=lambda name: name == objective):
            job.log(metric_lines.final_line(split, name, values[name]))
