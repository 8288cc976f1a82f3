"""One training: read → fit → score → save."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.registry import is_boosted
from crossfold.contract import metric_lines
from crossfold.contract.stop import StopRequest
from crossfold.fitting.final_fit import FinalFit, fit_final, score_holdouts
from crossfold.fitting.fold_fit import watched_rows
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import read_job_data
from crossfold.fitting.model_files import ModelKeeper, save_model
from crossfold.fitting.preparation import make_problem, refuse_undefined
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
    refuse_undefined(problem.spec.metrics, problem.rows, "channel 'train'")
    rows, watched = _rows_to_fit(job, problem)
    final = _fit(job, problem, stop, rows=rows, watched=watched)
    # Saved before it is scored: a stop during the scores must not lose it.
    save_model(job.opt_ml.model, problem, final, kind="single")
    scores = _scores(problem, final, rows, watched)
    save_model(job.opt_ml.model, problem, final, kind="single", scores=scores)
    _report(job, problem, scores)
    if not final.complete:
        job.log(f"stopped: the model of the first {final.rounds_done} rounds was saved")


def _rows_to_fit(job: Job, problem: Problem) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return the rows to fit on, and those cut from them for early stopping to watch."""
    every = np.arange(problem.rows.table.n_rows)
    if problem.spec.early_stopping_rounds is None or "validation" in problem.holdouts:
        return every, None
    fit_rows, watched = watched_rows(problem, every, strategy="auto")
    job.log(
        f"there is no channel 'validation': {len(watched)} rows of channel 'train' "
        "(early_stopping_fraction) are watched by early stopping, scored, and not fitted on"
    )
    return fit_rows, watched


def _fit(
    job: Job,
    problem: Problem,
    stop: StopRequest,
    *,
    rows: NDArray[np.int64],
    watched: NDArray[np.int64] | None,
) -> FinalFit:
    objective = problem.spec.metrics[0].name

    def on_round(n_done: int, scores: Scores) -> None:
        job.log(metric_lines.round_line(n_done - 1, scores, objective))

    validation = None if watched is None else problem.rows.examples(watched)
    if "validation" in problem.holdouts:
        validation = problem.holdouts["validation"].examples()
    return fit_final(
        problem,
        stop,
        rows=None if watched is None else rows,
        validation=validation,
        on_round=on_round if is_boosted(problem.spec.algorithm) else None,
        keep=ModelKeeper(job.opt_ml.model, problem, "single").keep,
    )


def _scores(
    problem: Problem,
    final: FinalFit,
    rows: NDArray[np.int64],
    watched: NDArray[np.int64] | None,
) -> dict[str, Mapping[str, float]]:
    features, metrics = problem.rows.table.features, problem.spec.metrics
    scores: dict[str, Mapping[str, float]] = {}
    for split, chosen in (("train", rows), ("validation", watched)):
        if chosen is not None:
            prediction = final.model.predict(features[chosen])
            scores[split] = problem.rows.score(metrics, prediction, chosen)
    return scores | dict(score_holdouts(problem, final.model.predict))


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
