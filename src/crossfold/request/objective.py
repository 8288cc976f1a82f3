"""The metric that counts: ``eval_metric``, the tuner's objective, and the published log lines.

Source of the published names: AWS sample pipelines and containers; source of the tuner's
hyperparameter: AWS docs, "Define metrics and environment variables".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from crossfold.contract.hyperparameters import unquote
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task
from crossfold.request.job_request import JobRequest

PUBLISHED_OBJECTIVES = frozenset(
    {"test:score", "validation:score", "training:score", "final-score", "validation:accuracy"}
)
_OWN_OBJECTIVE = re.compile(r"(?:train|validation|test):(\S+)")


def metric_of_objective(text: str | None, tasks: Sequence[Task]) -> str | None:
    """Return our metric that a tuner's objective names, or None.

    Parameters
    ----------
    text : str, optional
        ``_tuning_objective_metric`` as it came, bare or JSON-quoted.
    tasks : sequence of task
        A metric counts that is defined for one of them.
    """
    if text is None:
        return None
    match = _OWN_OBJECTIVE.fullmatch(unquote(text))
    if match is None:
        return None
    name = match[1]
    return name if any(_is_known(name, task) for task in tasks) else None


def check_metrics(names: Sequence[str], tasks: Sequence[Task]) -> None:
    """Check that each metric is known for one of the tasks.

    Raises
    ------
    UserError
        A metric is unknown, or known for other tasks only.
    """
    for name in names:
        if not any(_is_known(name, task) for task in tasks):
            from crossfold.metrics.metric import metric_named

            metric_named(name, tasks[0])


def metrics_for(request: JobRequest, task: Task) -> tuple[str, ...]:
    """Return the metrics that a request asks for, once its task is known.

    A tuner's objective that means nothing for the task is left out, since it must never fail;
    an ``eval_metric`` that does is left for `metric_named` to refuse.
    """
    tuned = request.tuning_metric
    if tuned is None or _is_known(tuned, task) or tuned in request.asked_metrics:
        return request.metrics
    return request.asked_metrics


def _is_known(name: str, task: Task) -> bool:
    from crossfold.metrics.metric import metric_named

    try:
        metric_named(name, task)
    except UserError:
        return False
    return True
