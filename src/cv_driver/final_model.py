"""The model that a cross-validation leaves behind: refitted, an ensemble of the folds', or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from crossfold.algorithms.adapter import Model
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from crossfold.fitting.final_fit import fit_final, refit_spec, score_holdouts
from crossfold.fitting.model_files import (
    ModelKeeper,
    load_fold_model,
    save_ensemble,
    save_model,
)
from crossfold.metrics.prediction import Prediction
from crossfold.persistence.bundle import average
from crossfold.request.job_request import JobRequest
from cv_driver.outcome import CvOutcome


@dataclass(frozen=True, slots=True)
class FinalModel:
    """What was left behind, and how well it does on the held-out channels."""

    kind: str
    complete: bool = True
    rounds_done: int | None = None
    fit_seconds: float = 0.0
    holdout_scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return what cv_results.json says of it."""
        return {
            "kind": self.kind,
            "complete": self.complete,
            "rounds_done": self.rounds_done,
            "fit_seconds": self.fit_seconds,
            "holdout": {name: dict(values) for name, values in self.holdout_scores.items()},
        }


def make_final_model(
    opt_ml: OptMl,
    request: JobRequest,
    outcome: CvOutcome,
    fold_models: Path,
    stop: StopRequest,
    log: Callable[[str], None],
) -> FinalModel:
    """Make the model that the request asks for, save it and score it on held-out channels.

    Raises
    ------
    Stopped
        A stop was asked for before the model existed.
    """
    kind = request.driver.final_model
    if kind == "none":
        return FinalModel("none")
    final = (
        _ensemble(opt_ml, outcome, fold_models)
        if kind == "ensemble"
        else _refit(opt_ml, outcome, stop, log)
    )
    for channel, values in final.holdout_scores.items():
        shown = ", ".join(f"{name} {value:.6g}" for name, value in values.items())
        log(f"final model on channel {channel!r}, never fitted on: {shown}")
    return final


def _refit(
    opt_ml: OptMl, outcome: CvOutcome, stop: StopRequest, log: Callable[[str], None]
) -> FinalModel:
    rounds = [result.best_round for result in outcome.results if result.best_round is not None]
    problem = refit_spec(outcome.folded.problem, rounds)
    if problem is not outcome.folded.problem:
        n_rounds = problem.spec.num_round
        log(f"refit with {n_rounds} rounds, the rounded mean of the folds' best {rounds}")
    final = fit_final(
        problem,
        stop,
        rows=problem.refit_rows,
        keep=ModelKeeper(opt_ml.model, problem, "refit").keep,
    )
    # Saved before it is scored: a stop during the scores must not lose it.
    save_model(opt_ml.model, problem, final, kind="refit")
    holdout = score_holdouts(problem, final.model.predict)
    save_model(opt_ml.model, problem, final, kind="refit", scores=_all_scores(outcome, holdout))
    if not final.complete:
        log(f"stopped: the model of the first {final.rounds_done} rounds was saved")
    return FinalModel("refit", final.complete, final.rounds_done, final.fit_seconds, holdout)


def _ensemble(opt_ml: OptMl, outcome: CvOutcome, fold_models: Path) -> FinalModel:
    problem = outcome.folded.problem
    models = [
        _fold_model(fold_models / f"fold-{result.index}", outcome) for result in outcome.results
    ]

    def predict(features: NDArray[Any]) -> Prediction:
        return average([model.predict(features) for model in models])

    holdout = score_holdouts(problem, predict)
    save_ensemble(opt_ml.model, problem, models, _all_scores(outcome, holdout))
    return FinalModel("ensemble", holdout_scores=holdout)


def _fold_model(folder: Path, outcome: CvOutcome) -> Model:
    files = sorted(path.name for path in folder.iterdir())
    return load_fold_model(folder, outcome.folded.problem, files)


def _all_scores(
    outcome: CvOutcome, holdout: Mapping[str, Mapping[str, float]]
) -> dict[str, Mapping[str, float]]:
    """Return the folds' means beside the hold-outs; the folds' name is ``validation``."""
    means = {name: score.value for name, score in outcome.scores.validation.items()}
    named = {f"holdout_{name}": values for name, values in holdout.items() if name != "test"}
    tested = {name: values for name, values in holdout.items() if name == "test"}
    return {"validation": means, **named, **tested}
