"""Outcomes → results files and metric lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from crossfold.contract import metric_lines
from crossfold.contract.paths import OptMl
from crossfold.contract.whole_file import write_whole_json
from crossfold.fitting.problem import FoldedProblem
from crossfold.persistence.manifest import library_versions
from crossfold.request.job_request import JobRequest
from crossfold.results.cv_results_file import CvReport, cv_results_document
from crossfold.results.evaluation_file import write_evaluation
from crossfold.results.oof_file import write_oof_predictions
from cv_driver.final_model import FinalModel
from cv_driver.outcome import CvOutcome

Log = Callable[[str], None]


def write_results(
    opt_ml: OptMl, outcome: CvOutcome, final: FinalModel, seconds: Mapping[str, float]
) -> None:
    """Write cv_results.json, evaluation.json and oof_predictions.csv, each whole or not at all."""
    folder, problem = opt_ml.output_data, outcome.folded.problem
    report = CvReport(
        outcome.folded,
        outcome.results,
        outcome.failed,
        outcome.scores,
        "pooled" if outcome.pooled else "mean",
        outcome.n_duplicates_across,
        final.document(),
        outcome.fingerprints,
        library_versions(problem.spec.algorithm),
        seconds,
        outcome.instance_seconds,
        None if outcome.pruned is None else outcome.pruned.document(),
    )
    write_whole_json(folder / "cv_results.json", cv_results_document(report))
    values = {name: (score.value, score.std) for name, score in outcome.scores.validation.items()}
    finished = [result.index for result in outcome.results]
    write_evaluation(
        folder / "evaluation.json",
        problem.coding.task,
        values,
        pruned=None
        if outcome.pruned is None
        else {"finished_folds": finished, "n_folds": len(outcome.folded.assignment.splits)},
    )


def write_predictions(opt_ml: OptMl, outcome: CvOutcome) -> None:
    """Write the out-of-fold predictions; those of some folds alone under a name that says so."""
    name = "oof_predictions.csv" if outcome.pruned is None else "oof_predictions_pruned.csv"
    path = opt_ml.output_data / name
    write_oof_predictions(path, outcome.results, outcome.folded.problem)


def count_duplicates_across(folded: FoldedProblem, groups: NDArray[np.int64]) -> int:
    """Count the held-out rows whose exact copy lies among the rows of another fold.

    `groups` numbers each row of the table by its features, as `duplicate_groups` does.
    """
    fold_of_row = np.full(len(groups), -1)
    for split in folded.assignment.splits:
        if split.repeat == 0:
            fold_of_row[split.test] = split.fold
    n_groups = int(groups.max(initial=-1)) + 1
    low, high = np.full(n_groups, np.iinfo(np.int64).max), np.full(n_groups, -1)
    held = fold_of_row >= 0
    np.minimum.at(low, groups[held], fold_of_row[held])
    np.maximum.at(high, groups[held], fold_of_row[held])
    return int(np.count_nonzero((low < high)[groups[held]]))


def print_metric_lines(
    request: JobRequest, outcome: CvOutcome, final: FinalModel, log: Log
) -> None:
    """Print what tuners read; the objective's lines come last."""
    scores, objective = outcome.scores, outcome.folded.problem.spec.metrics[0].name
    for channel, values in final.holdout_scores.items():
        for name, value in values.items():
            if channel == "test":
                log(metric_lines.final_line("test", name, value))
    for name in [*list(scores.validation)[1:], objective]:
        if name in scores.train:
            log(metric_lines.final_line("train", name, scores.train[name].value))
        std = scores.validation[name].std
        if std is not None:
            log(metric_lines.final_line("validation", f"{name}_std", std))
        log(metric_lines.final_line("validation", name, scores.validation[name].value))
    for line in _published_lines(request, outcome):
        log(line)


def _published_lines(request: JobRequest, outcome: CvOutcome) -> list[str]:
    scores, spec = outcome.scores, outcome.folded.problem.spec
    objective = spec.metrics[0].name
    if objective not in scores.train:
        return []
    train, validation = scores.train[objective].value, scores.validation[objective].value
    lines = []
    if request.published_form == "_kfold":
        lines += [metric_lines.summary_round_line(spec.num_round, objective, train, validation)]
    if request.alias_lines:
        lines += metric_lines.alias_lines(
            objective, train=train, validation=validation, accuracy=scores.accuracy
        )
    return lines
