"""Fit one fold on its training rows and score it on the rows it has never seen."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import FitProgress, FitWatcher, Model
from crossfold.algorithms.registry import algorithm_named
from crossfold.contract.stop import StopRequest
from crossfold.errors import UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.memory import give_back_memory
from crossfold.fitting.problem import FoldedProblem, Problem
from crossfold.fitting.watching import RoundWatcher
from crossfold.metrics.metric import Metric


def fit_fold(
    folded: FoldedProblem,
    index: int,
    *,
    n_threads: int,
    stop: StopRequest,
    save_model_to: Path | None = None,
    progress: FitProgress | None = None,
) -> FoldResult:
    """Fit and score split number `index`; nothing of its held-out rows reaches the fit.

    Parameters
    ----------
    folded : FoldedProblem
    index : int
        Position in the assignment, over folds × repeats.
    n_threads : int
        Threads that the fit may use.
    stop : StopRequest
    save_model_to : Path, optional
        Folder that receives the fold's model, for an ensemble.
    progress : FitProgress, optional
        Where the fit is kept on its way, and gone on with.

    Raises
    ------
    Stopped
        A stop was asked for before the fold was scored.
    AlgorithmError
        The library failed.
    """
    problem = replace(folded.problem, spec=replace(folded.problem.spec, progress=progress))
    stop.check()
    started = time.perf_counter()
    fit_rows, watch_rows = _rows_to_fit(folded, index)
    model = fit_model(
        problem, fit_rows, watch_rows, n_threads=n_threads, watcher=RoundWatcher(stop)
    )
    stop.check()
    give_back_memory(problem.rows.table.features.nbytes)
    result = _score(folded, index, model, fit_rows, started)
    if save_model_to is not None:
        _save_whole(model, save_model_to)
    del model
    give_back_memory(problem.rows.table.features.nbytes)
    return result


def _save_whole(model: Model, folder: Path) -> None:
    """Save aside and rename: a folder that is there holds a whole model."""
    aside = folder.with_name(f".{folder.name}")
    for earlier in (aside, folder):
        shutil.rmtree(earlier, ignore_errors=True)
    aside.mkdir(parents=True)
    model.save(aside)
    aside.rename(folder)


def _score(
    folded: FoldedProblem,
    index: int,
    model: Model,
    fit_rows: NDArray[np.int64],
    started: float,
) -> FoldResult:
    rows, split = folded.problem.rows, folded.assignment.splits[index]
    fitted, held_out = time.perf_counter(), split.test
    prediction = model.predict(rows.table.features[held_out])
    train_prediction = None if rows.by_query else model.train_prediction
    if train_prediction is None:
        train_prediction = model.predict(rows.table.features[fit_rows])
    train = rows.score(_defined(folded.problem, fit_rows), train_prediction, fit_rows)
    validation = rows.score(_defined(folded.problem, held_out), prediction, held_out)
    return FoldResult(
        index=index,
        fold=split.fold,
        repeat=split.repeat,
        rows=held_out,
        prediction=prediction,
        n_train=split.n_train,
        n_test=split.n_test,
        best_round=model.n_rounds,
        train=train,
        validation=validation,
        fit_seconds=fitted - started,
        score_seconds=time.perf_counter() - fitted,
        warnings=model.warnings,
    )


def _defined(problem: Problem, rows: NDArray[np.int64]) -> tuple[Metric, ...]:
    """Leave out the metrics that these rows alone cannot have, such as the R² of one row."""
    return tuple(
        metric
        for metric in problem.spec.metrics
        if problem.rows.undefined_reason(metric, rows) is None
    )


def fit_model(
    problem: Problem,
    fit_rows: NDArray[np.int64],
    watch_rows: NDArray[np.int64] | None,
    *,
    n_threads: int,
    watcher: FitWatcher,
) -> Model:
    """Fit on `fit_rows`; early stopping watches `watch_rows`."""
    spec = replace(problem.spec, n_threads=n_threads)
    return algorithm_named(spec.algorithm).fit(
        spec,
        problem.rows.table.columns,
        problem.rows.examples(fit_rows),
        validation=None if watch_rows is None else problem.rows.examples(watch_rows),
        watcher=watcher,
    )


def _rows_to_fit(
    folded: FoldedProblem, index: int
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    problem, rows = folded.problem, folded.assignment.splits[index].train
    if problem.spec.early_stopping_rounds is None:
        return rows, None
    return watched_rows(problem, rows, strategy=folded.assignment.strategy)


def watched_rows(
    problem: Problem, rows: NDArray[np.int64], *, strategy: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut from `rows` the part that early stopping watches, by the same strategy.

    Raises
    ------
    UserError
        There are too few rows, or the objective metric is undefined on those to watch.
    """
    from crossfold.folds.inner_holdout import inner_holdout

    table = problem.rows.table
    fit_rows, watch_rows = inner_holdout(
        rows,
        problem.early_stopping_fraction,
        strategy=strategy,
        seed=problem.fold_options.seed,
        target=problem.rows.target,
        is_classification=bool(problem.coding.classes),
        groups=None if table.group is None else table.group.codes,
        time=table.time,
        gap=problem.fold_options.gap,
    )
    reason = problem.rows.undefined_reason(problem.spec.metrics[0], watch_rows)
    if reason is not None:
        name = problem.spec.metrics[0].name
        msg = (
            f"early stopping would watch {len(watch_rows)} rows, on which eval_metric {name!r} is "
            f"undefined: {reason}; raise early_stopping_fraction or use another eval_metric"
        )
        raise UserError(msg)
    return fit_rows, watch_rows
