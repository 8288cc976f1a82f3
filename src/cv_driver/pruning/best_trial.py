"""The tuning job's best trial so far, from what its job left in S3.

Whatever is not as it must be is a `NotComparable` with the reason: then no trial is pruned.
Source: API reference, DescribeHyperParameterTuningJob (BestTrainingJob).
"""

from __future__ import annotations

import json
import math
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.problem import FoldedProblem
from crossfold.metrics.metric import Metric
from crossfold.results.aggregate import aggregate
from crossfold.results.oof_reading import read_oof_predictions
from cv_driver.aws.api import SageMakerApi
from cv_driver.aws.call_sequence import Call, CallSequence
from cv_driver.aws.described_job import output_uri
from cv_driver.pruning.comparison import Best

_FILES = ("cv_results.json", "oof_predictions.csv")
# The service keeps single precision, and some published lines have five decimals.
_TOLD = 1e-5
_SCORED = 1e-9


class NotComparable(Exception):
    """Why no trial can be compared with the best one."""


def fetch_best(api: SageMakerApi, tuning_job: str, metric: Metric, folder: Path) -> CallSequence:
    """Bring the best trial's result files into `folder`; return its summary; three calls.

    Raises
    ------
    NotComparable
        There is no best trial yet, or the tuner wants the opposite.
    CallFailed
        A call failed.
    """
    tuning = yield Call("describe", partial(api.describe_tuning, tuning_job))
    best = tuning.get("BestTrainingJob")
    if not best:
        raise NotComparable(f"no trial of {tuning_job} has ended with a score yet")
    told = best.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
    wanted = str(told.get("Type", metric.direction)).lower()
    if wanted != metric.direction:
        raise NotComparable(f"the tuner wants to {wanted} {told.get('MetricName')}")
    described = yield Call("describe", partial(api.describe, str(best["TrainingJobName"])))
    archive = folder / "output.tar.gz"
    yield Call("object", partial(api.download, output_uri(described), archive))
    with tarfile.open(archive) as tar:
        for name in _FILES:
            source = tar.extractfile(name)
            if source is None:
                raise NotComparable(f"{name} of {best['TrainingJobName']} is no file")
            with source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
    return best


def read_best(
    folder: Path,
    summary: Mapping[str, Any],
    folded: FoldedProblem,
    fingerprints: Mapping[str, str],
    *,
    pooled: bool,
) -> Best:
    """Read the files that `fetch_best` brought.

    Raises
    ------
    NotComparable
        They are of other rows, folds or metrics, or are not what the tuner was told.
    ValueError, KeyError, TypeError
        They are damaged.
    """
    name = str(summary["TrainingJobName"])
    document = json.loads((folder / "cv_results.json").read_bytes())
    metrics = folded.problem.spec.metrics
    _check_alike(name, document, folded, fingerprints, pooled=pooled)
    results = _results(folder, document, folded)
    _check_scores(name, results, folded, metrics[0], pooled=pooled)
    value = aggregate(results, folded.problem, pooled=pooled).validation[metrics[0].name].value
    mean = document["summary"]["validation"][metrics[0].name]["mean"]
    if not math.isclose(value, mean, rel_tol=_SCORED, abs_tol=_SCORED):
        raise NotComparable(f"{name} says {mean!r}, its held-out predictions {value!r}")
    told = (summary.get("FinalHyperParameterTuningJobObjectiveMetric") or {}).get("Value", value)
    if not math.isclose(value, float(told), rel_tol=_TOLD, abs_tol=_TOLD):
        raise NotComparable(
            f"the tuner was told {told!r} by {name}; its validation:{metrics[0].name} is {value!r}"
        )
    return Best(name, results)


def _check_alike(
    name: str,
    document: Mapping[str, Any],
    folded: FoldedProblem,
    fingerprints: Mapping[str, str],
    *,
    pooled: bool,
) -> None:
    if document.get("pruned"):
        raise NotComparable(f"{name} was pruned itself")
    coding, objective = folded.problem.coding, folded.problem.spec.metrics[0].name
    pairs = {
        "data": (document["data"]["fingerprint"], fingerprints["data"]),
        "folds": (document["split"]["fingerprint"], fingerprints["split"]),
        "task": (document["task"], coding.task),
        "classes": (document["classes"], list(coding.classes)),
        "positive class": (document["positive_label"], coding.positive_label),
        "objective": (document["objective"], objective),
        "aggregate": (document["aggregate"], "pooled" if pooled else "mean"),
    }
    other = [what for what, (theirs, own) in pairs.items() if theirs != own]
    if other:
        raise NotComparable(f"{name} has other {' and other '.join(other)}")
    lost = [each for each in document["folds"] if each["status"] != "succeeded"]
    if lost or len(document["folds"]) != len(folded.assignment.splits):
        raise NotComparable(f"{name} has not all folds")


def _results(folder: Path, document: Mapping[str, Any], folded: FoldedProblem) -> list[FoldResult]:
    predictions = read_oof_predictions(folder / "oof_predictions.csv", folded)
    entries = sorted(document["folds"], key=lambda entry: int(entry["index"]))
    names = {metric.name for metric in folded.problem.spec.metrics}
    return [
        FoldResult.of_split(
            index,
            split,
            validation=_numbers(entry["validation"], names),
            train=_numbers(entry["train"], names),
            prediction=prediction,
        )
        for index, (split, prediction, entry) in enumerate(
            zip(folded.assignment.splits, predictions, entries, strict=True)
        )
    ]


def _numbers(values: Mapping[str, float | None], names: set[str]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None and name in names}


def _check_scores(
    name: str,
    results: Sequence[FoldResult],
    folded: FoldedProblem,
    metric: Metric,
    *,
    pooled: bool,
) -> None:
    """Check that the predictions are those that the folds were scored by."""
    needed = {each.name for each in folded.problem.spec.metrics}
    for result in results:
        if pooled:
            continue
        if set(result.validation) != needed:
            raise NotComparable(f"{name} was scored by other metrics")
        assert result.prediction is not None, "every fold was read with its predictions"
        value = folded.problem.rows.score([metric], result.prediction, result.rows)[metric.name]
        told = result.validation[metric.name]
        if not math.isclose(value, told, rel_tol=_SCORED, abs_tol=_SCORED):
            raise NotComparable(f"fold {result.index + 1} of {name} does not score as it says")
