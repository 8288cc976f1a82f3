"""cv_results.json: the split, every fold, the summary with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.problem import FoldedProblem
from crossfold.folds.assignment import Split
from crossfold.metrics.summary import INTERVAL_FORMULA, INTERVAL_NAME
from crossfold.results.aggregate import CvScores, Score

FORMAT = 1


@dataclass(frozen=True, slots=True)
class FailedFold:
    """A fold that was tolerated without a result."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class CvReport:
    """Everything that cv_results.json says.

    Attributes
    ----------
    folded : FoldedProblem
    results : sequence of FoldResult
    failed : sequence of FailedFold
    scores : CvScores
    aggregate : {'mean', 'pooled'}
    n_duplicates_across : int
        Rows whose features equal those of a row in another fold.
    final_model : mapping
        Kind, rounds, seconds and hold-out scores of the final model.
    fingerprints : mapping
        ``data`` and ``split``, sha256 in hexadecimal.
    versions : mapping of library to version
    seconds : mapping
        Wall time by phase.
    instance_seconds : mapping, optional
        Seconds × instances by use; None where folds were no jobs of their own.
    pruned : mapping, optional
        Why folds were left out; then there is no summary, as there would be one of some folds.
    """

    folded: FoldedProblem
    results: Sequence[FoldResult]
    failed: Sequence[FailedFold]
    scores: CvScores
    aggregate: str
    n_duplicates_across: int
    final_model: Mapping[str, Any]
    fingerprints: Mapping[str, str]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    instance_seconds: Mapping[str, float] | None = None
    pruned: Mapping[str, Any] | None = None


def cv_results_document(report: CvReport) -> dict[str, Any]:
    """Return the JSON document."""
    problem, assignment = report.folded.problem, report.folded.assignment
    return {
        "format": FORMAT,
        "algorithm": problem.spec.algorithm,
        "task": problem.coding.task,
        "classes": list(problem.coding.classes),
        "positive_label": problem.coding.positive_label,
        "objective": problem.spec.metrics[0].name,
        "aggregate": report.aggregate,
        "data": {
            "n_rows": problem.n_rows,
            "n_features": len(problem.rows.table.columns),
            "fingerprint": report.fingerprints["data"],
            "n_duplicates_across_folds": report.n_duplicates_across,
        },
        "split": {
            "strategy": assignment.strategy,
            "splitter": assignment.splitter,
            "n_folds": assignment.n_folds,
            "n_repeats": assignment.n_repeats,
            "seed": assignment.seed,
            "fingerprint": report.fingerprints["split"],
            "warnings": list(assignment.warnings),
        },
        "folds": _folds(report),
        "summary": _summary(report),
        "interval": {"name": INTERVAL_NAME, "formula": INTERVAL_FORMULA, "level": 0.95},
        "final_model": dict(report.final_model),
        "versions": dict(report.versions),
        "seconds": dict(report.seconds),
        **_where_there(report),
    }


def _where_there(report: CvReport) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    if report.instance_seconds is not None:
        entries["instance_seconds"] = dict(report.instance_seconds)
    if report.pruned is not None:
        entries |= {"pruned": True, "pruning": dict(report.pruned)}
    return entries


def _summary(report: CvReport) -> dict[str, Any]:
    if report.pruned is not None:
        return {"train": {}, "validation": {}}
    return summary_entries(report.scores)


def summary_entries(scores: CvScores) -> dict[str, Any]:
    """Return what the document says of all folds together."""
    return {
        split: {name: _score(score) for name, score in values.items()}
        for split, values in (("train", scores.train), ("validation", scores.validation))
    }


def failed_entries(folds: Iterable[FailedFold], splits: Sequence[Split]) -> list[dict[str, Any]]:
    """Return what the document says of folds without a result."""
    return [
        {
            "index": failed.index,
            "fold": splits[failed.index].fold,
            "repeat": splits[failed.index].repeat,
            "status": "failed",
            "reason": failed.reason,
        }
        for failed in folds
    ]


def _folds(report: CvReport) -> list[dict[str, Any]]:
    entries = [_fold(result) for result in report.results]
    splits = report.folded.assignment.splits
    entries += failed_entries(report.failed, splits)
    if report.pruned is not None:
        known = {int(entry["index"]) for entry in entries}
        entries += [
            {"index": index, "fold": split.fold, "repeat": split.repeat, "status": "pruned"}
            for index, split in enumerate(splits)
            if index not in known
        ]
    return sorted(entries, key=lambda entry: int(entry["index"]))


def _fold(result: FoldResult) -> dict[str, Any]:
    return {
        "index": result.index,
        "fold": result.fold,
        "repeat": result.repeat,
        "status": "succeeded",
        # Where a fold's output is lost, its scores are those that the service read in its log.
        "source": result.source,
        "n_train": result.n_train,
        "n_test": result.n_test,
        "best_round": result.best_round,
        "train": _finite(result.train),
        "validation": _finite(result.validation),
        "fit_seconds": result.fit_seconds,
        "score_seconds": result.score_seconds,
        "warnings": list(result.warnings),
    }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _score(score: Score) -> dict[str, Any]:
    summary = score.summary
    entry: dict[str, Any] = {"mean": score.value, "standard_deviation": score.std}
    if summary is not None:
        entry |= {
            "standard_error": summary.standard_error,
            "interval_95": None
            if summary.interval_low is None
            else [summary.interval_low, summary.interval_high],
        }
    return entry
