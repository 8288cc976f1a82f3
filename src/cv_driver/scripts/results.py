"""The folds' printed scores → mean and interval, results files and metric lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfold.contract import metric_lines
from crossfold.contract.paths import OptMl
from crossfold.contract.whole_file import write_whole_json
from crossfold.errors import UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Task
from crossfold.metrics.summary import INTERVAL_FORMULA, INTERVAL_NAME, summarize
from crossfold.persistence.manifest import library_versions
from crossfold.request.job_request import JobRequest
from crossfold.results.aggregate import CvScores, Score
from crossfold.results.cv_results_file import (
    FORMAT,
    FailedFold,
    failed_entries,
    summary_entries,
)
from crossfold.results.evaluation_file import SECTIONS, task_of_metrics
from cv_driver.scripts.channel import CutChannel
from cv_driver.scripts.printed_scores import Objective

# Where neither a label nor the metrics' names say what the task is.
_ANY_SECTION = "metrics"


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """The cross-validation of a script.

    Attributes
    ----------
    results, failed : sequence
    scores : CvScores
        The objective's is the first of `validation`.
    identity : mapping
        Fingerprints of data, split and code.
    has_predictions : bool
    instance_seconds : mapping, optional
        Seconds × instances by use; None where folds were no jobs of their own.
    """

    script: str
    cut: CutChannel
    results: Sequence[FoldResult]
    failed: Sequence[FailedFold]
    scores: CvScores
    identity: Mapping[str, Any]
    has_predictions: bool
    instance_seconds: Mapping[str, float] | None = None

    @property
    def objective(self) -> str:
        """The metric that counts."""
        return next(iter(self.scores.validation))


def mean_scores(results: Sequence[FoldResult], objective: Objective) -> CvScores:
    """Average the scores that every fold has.

    Raises
    ------
    UserError
        The folds have no score in common.
    """
    train = {name: _mean(results, "train", name) for name in _shared(results, "train")}
    names = _shared(results, "validation")
    if not names:
        raise UserError("the script printed other scores in each fold; expected the same names")
    if objective.metric in names:
        names = [objective.metric, *(name for name in names if name != objective.metric)]
    return CvScores(train, {name: _mean(results, "validation", name) for name in names}, None)


def write_script_results(
    opt_ml: OptMl,
    outcome: ScriptOutcome,
    final: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> None:
    """Write cv_results.json and evaluation.json, each whole or not at all."""
    document = _document(outcome) | {"final_model": dict(final), "seconds": dict(seconds)}
    write_whole_json(opt_ml.output_data / "cv_results.json", document)
    coding = outcome.cut.coding
    task = task_of_metrics(outcome.scores.validation) if coding is None else coding.task
    section = _ANY_SECTION if task is None else SECTIONS[task]
    entries = {
        _report_name(name, task): {"value": score.value, "standard_deviation": score.std}
        for name, score in outcome.scores.validation.items()
    }
    write_whole_json(opt_ml.output_data / "evaluation.json", {section: entries})


def print_script_metrics(
    request: JobRequest,
    outcome: ScriptOutcome,
    objective: Objective,
    kept: Path,
    log: Callable[[str], None],
) -> None:
    """Print what tuners read; the objective's lines come last, in the script's own form too."""
    mean = outcome.scores.validation[outcome.objective].value
    lines = [*_final_lines(outcome), *(_aliases(outcome) if request.alias_lines else ())]
    for line in lines:
        log(line)
    # Of all lines that a tuner's expression finds, the last one counts.
    pattern = objective.pattern()
    read = [line for line in lines if pattern is not None and pattern.search(line)]
    own = own_line(objective, outcome.objective, kept, mean)
    if read and not _finds(objective, read[-1], mean):
        log(own or metric_lines.final_line("validation", outcome.objective, mean))
    elif own is not None and not read:
        log(own)


def _final_lines(outcome: ScriptOutcome) -> list[str]:
    scores, lines = outcome.scores, []
    for name in [*list(scores.validation)[1:], outcome.objective]:
        if name in scores.train:
            lines.append(metric_lines.final_line("train", name, scores.train[name].value))
        std = scores.validation[name].std
        if std is not None:
            lines.append(metric_lines.final_line("validation", f"{name}_std", std))
        lines.append(metric_lines.final_line("validation", name, scores.validation[name].value))
    return lines


def _aliases(outcome: ScriptOutcome) -> list[str]:
    validation, train = outcome.scores.validation, outcome.scores.train.get(outcome.objective)
    accuracy = validation.get("accuracy")
    return metric_lines.alias_lines(
        outcome.objective,
        train=None if train is None else train.value,
        validation=validation[outcome.objective].value,
        accuracy=None if accuracy is None else accuracy.value,
    )


def own_line(objective: Objective, metric: str, kept: Path, mean: float) -> str | None:
    """Return the mean as the tuner's own expression finds it, where our line does not do."""
    pattern = objective.pattern()
    if pattern is None or objective.name is None:
        return None
    if objective.expression is None:
        is_ours = objective.name == f"validation:{metric}"
        return None if is_ours else f"{objective.name}={mean!r};"
    if _finds(objective, metric_lines.final_line("validation", metric, mean), mean):
        return None
    for path in sorted(kept.glob("objective_line-*")):
        line = path.read_text(encoding="utf-8").replace("\0", repr(mean))
        if _finds(objective, line, mean):
            return line
    return None


def _finds(objective: Objective, line: str, mean: float) -> bool:
    """Say whether the tuner reads the mean from a line."""
    pattern = objective.pattern()
    match = None if pattern is None else pattern.search(line)
    return match is not None and match[1] == repr(mean)


def _shared(results: Sequence[FoldResult], split: str) -> list[str]:
    scores: list[Mapping[str, float]] = [getattr(result, split) for result in results]
    return [name for name in scores[0] if all(name in each for each in scores)]


def _mean(results: Sequence[FoldResult], split: str, name: str) -> Score:
    summary = summarize(
        [getattr(result, split)[name] for result in results],
        [result.n_train for result in results],
        [result.n_test for result in results],
    )
    return Score(summary.mean, summary.std, summary)


def _report_name(name: str, task: Task | None) -> str:
    try:
        return name if task is None else metric_named(name, task).report_name
    except UserError:
        return name  # a metric of the script's own


def _document(outcome: ScriptOutcome) -> dict[str, Any]:
    cut, assignment = outcome.cut, outcome.cut.assignment
    coding, spent = cut.coding, outcome.instance_seconds
    return {
        "format": FORMAT,
        "algorithm": "script",
        "script": outcome.script,
        "task": None if coding is None else coding.task,
        "classes": [] if coding is None else list(coding.classes),
        "objective": outcome.objective,
        "aggregate": "mean",
        "data": {
            f"n_{cut.unit}": assignment.n_rows,
            "fingerprint": outcome.identity["data"],
        },
        "split": {
            "unit": cut.unit,
            "strategy": assignment.strategy,
            "splitter": assignment.splitter,
            "n_folds": assignment.n_folds,
            "n_repeats": assignment.n_repeats,
            "seed": assignment.seed,
            "fingerprint": outcome.identity["split"],
            "warnings": list(assignment.warnings),
        },
        "folds": _folds(outcome),
        "summary": summary_entries(outcome.scores),
        "interval": {"name": INTERVAL_NAME, "formula": INTERVAL_FORMULA, "level": 0.95},
        "oof_predictions": outcome.has_predictions,
        "code": outcome.identity["code"],
        "versions": library_versions("script"),
        **({} if spent is None else {"instance_seconds": dict(spent)}),
    }


def _folds(outcome: ScriptOutcome) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {
            "index": result.index,
            "fold": result.fold,
            "repeat": result.repeat,
            "status": "succeeded",
            "source": "script" if result.source == "fold" else result.source,
            "n_train": result.n_train,
            "n_test": result.n_test,
            "train": dict(result.train),
            "validation": dict(result.validation),
            "fit_seconds": result.fit_seconds,
        }
        for result in outcome.results
    ]
    entries += failed_entries(outcome.failed, outcome.cut.assignment.splits)
    return sorted(entries, key=lambda entry: int(entry["index"]))
