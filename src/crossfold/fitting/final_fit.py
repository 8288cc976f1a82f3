"""Fit the model that the job leaves behind, and score it on rows it has never seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, Model
from crossfold.algorithms.registry import algorithm_named
from crossfold.contract.stop import StopRequest
from crossfold.fitting.memory import give_back_memory
from crossfold.fitting.problem import Problem
from crossfold.fitting.watching import RoundWatcher, Scores
from crossfold.metrics.prediction import Prediction


@dataclass(frozen=True, slots=True)
class FinalFit:
    """The final model.

    Attributes
    ----------
    model : Model
    complete : bool
        False where a stop ended the fit early.
    rounds_done : int, optional
        Rounds that the model uses; None if it is not boosted.
    fit_seconds : float
    """

    model: Model
    complete: bool
    rounds_done: int | None
    fit_seconds: float


def fit_final(
    problem: Problem,
    stop: StopRequest,
    *,
    rows: NDArray[np.int64] | None = None,
    validation: Examples | None = None,
    on_round: Callable[[int, Scores], None] | None = None,
    keep: Callable[[Model, int], None] | None = None,
) -> FinalFit:
    """Fit on `rows` (all when None), telling `on_round` of each boosting round's scores.

    Raises
    ------
    Stopped
        A stop was asked for before a model existed.
    AlgorithmError
        The library failed.
    """
    stop.check()
    give_back_memory(problem.rows.table.features.nbytes)
    watcher = RoundWatcher(stop, on_round=on_round, keep=keep)
    started = time.perf_counter()
    model = algorithm_named(problem.spec.algorithm).fit(
        problem.spec,
        problem.rows.table.columns,
        problem.rows.examples(rows),
        validation=validation,
        evaluate_train=on_round is not None,
        watcher=watcher,
    )
    if model.n_rounds is None:
        stop.check()
    # A stop that came with the last round has cut nothing off.
    complete = not watcher.ended_by_stop or model.n_rounds == problem.spec.num_round
    return FinalFit(model, complete, model.n_rounds, time.perf_counter() - started)


def refit_spec(problem: Problem, best_rounds: list[int]) -> Problem:
    """Fix the rounds of the refit at the rounded mean of the folds' best; no early stopping."""
    if not best_rounds or problem.spec.early_stopping_rounds is None:
        return problem
    n_rounds = max(1, round(float(np.mean(best_rounds))))
    return replace(
        problem, spec=replace(problem.spec, num_round=n_rounds, early_stopping_rounds=None)
    )


def score_holdouts(
    problem: Problem, predict: Callable[[NDArray[np.float64]], Prediction]
) -> Mapping[str, dict[str, float]]:
    """Score the final model on each held-out channel: channel → metric → value."""
    return {
        name: rows.score(problem.spec.metrics, predict(rows.table.features))
        for name, rows in problem.holdouts.items()
    }
