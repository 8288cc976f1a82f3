"""evaluation.json in the shape of SageMaker's model-quality reports.

Source: AWS docs, "Model Quality Metrics and CloudWatch Monitoring":
``{"regression_metrics": {"rmse": {"value": …, "standard_deviation": …}}}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossfold.contract.whole_file import write_whole_json
from crossfold.errors import UserError
from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Task

SECTIONS: dict[Task, str] = {
    "binary": "binary_classification_metrics",
    "multiclass": "multiclass_classification_metrics",
    "regression": "regression_metrics",
    "ranking": "ranking_metrics",
}


def write_evaluation(
    path: Path,
    task: Task,
    scores: Mapping[str, tuple[float, float | None]],
    *,
    pruned: Mapping[str, Any] | None = None,
) -> None:
    """Write metric → (value, standard deviation or None) as the report.

    Where the trial was pruned the values are estimates, and `pruned` says which folds ran.
    """
    entries = {
        metric_named(name, task).report_name: {"value": value, "standard_deviation": std}
        for name, (value, std) in scores.items()
    }
    marks = {} if pruned is None else {"pruned": True, **pruned}
    write_whole_json(path, {**marks, SECTIONS[task]: entries})


def task_of_metrics(names: Iterable[str]) -> Task | None:
    """Return the task that alone has all these metrics; None where none or several have.

    >>> task_of_metrics(["rmse", "mae"]), task_of_metrics(["accuracy"]), task_of_metrics(["loss"])
    ('regression', None, None)
    """
    names = tuple(names)
    tasks: list[Task] = [task for task in SECTIONS if all(_has(task, name) for name in names)]
    return tasks[0] if len(tasks) == 1 else None


def _has(task: Task, name: str) -> bool:
    try:
        metric_named(name, task)
    except UserError:
        return False
    return True
