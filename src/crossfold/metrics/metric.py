"""Metrics by name: the part of this room that others ask.

Knows names only; the formulas and what is known of each metric come from `catalogue`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from crossfold.errors import UserError
from crossfold.metrics import classification, ranking
from crossfold.metrics.catalogue import ALIASES, METRICS
from crossfold.metrics.definition import Direction, Metric, Needs
from crossfold.metrics.prediction import Task

__all__ = ["Direction", "Metric", "Needs", "default_metrics", "metric_named", "metric_names"]

_DEFAULTS: Mapping[Task, str] = {
    "binary": "logloss",
    "multiclass": "mlogloss",
    "regression": "rmse",
    "ranking": "ndcg",
}
_FAMILIES: Mapping[Task, tuple[str, ...]] = {
    "binary": ("f<beta>", "error@<t>"),
    "multiclass": (),
    "regression": (),
    "ranking": ("ndcg@<k>", "map@<k>"),
}
_F_BETA = re.compile(r"f(\d+(?:\.\d+)?)")
_AT = re.compile(r"(ndcg|map|error)@(.*)")
_RANKING_FORMULAS: Mapping[str, Callable[..., float]] = {
    "ndcg": ranking.ndcg,
    "map": ranking.average_precision,
}


def metric_named(name: str, task: Task) -> Metric:
    """Return the metric that `name`, an alias of it or a family (``f2``, ``ndcg@5``) stands for.

    Case and blanks around the name do not matter; `Metric.name` is canonical (``f2.0`` is ``f2``).

    Raises
    ------
    UserError
        The name is unknown or belongs to another task, or its number is out of range.
    """
    plain = name.strip().lower()
    known = METRICS.get(ALIASES[task].get(plain, plain))
    metric = known or _member_of_family(plain)
    if metric is None:
        raise UserError(_unknown(name, task))
    if task not in metric.tasks:
        tasks = " and ".join(sorted(metric.tasks))
        message = f"{_asked(name)} is for {tasks}, but the task is {task!r}; {_allowed(task)}"
        raise UserError(message)
    return metric


def default_metrics(task: Task, has_probabilities: bool = True) -> tuple[Metric, ...]:  # noqa: FBT001, FBT002
    """Return the metrics of a task when none is asked for; the first is the objective."""
    if task in {"binary", "multiclass"} and not has_probabilities:
        return (METRICS["accuracy"],)
    return (METRICS[_DEFAULTS[task]],)


def metric_names(task: Task) -> tuple[str, ...]:
    """Return the canonical names of a task's metrics, then its families (``f<beta>``)."""
    return (*(m.name for m in METRICS.values() if task in m.tasks), *_FAMILIES[task])


def _member_of_family(name: str) -> Metric | None:
    f_beta = _F_BETA.fullmatch(name)
    if f_beta:
        return _f_beta(name, float(f_beta[1]))
    at = _AT.fullmatch(name)
    if at is None:
        return None
    return _error_at(name, at[2]) if at[1] == "error" else _ranking_at(name, at[1], at[2])


def _f_beta(name: str, beta: float) -> Metric:
    if beta == 0:
        message = f"{_asked(name)}: beta is 0; expected a number above 0, or use 'precision'"
        raise UserError(message)
    number = f"{beta:.15g}"
    if number == "1":
        return METRICS["f1"]
    return replace(
        METRICS["f1"],
        name=f"f{number}",
        source=f"sklearn.metrics.fbeta_score (beta={number})",
        report_name=f"f{number.replace('.', '_')}",
        _compute=partial(classification.f_beta, beta=beta),
    )


def _error_at(name: str, text: str) -> Metric:
    if not re.fullmatch(r"\d*\.?\d+", text) or not 0 < float(text) < 1:
        message = f"{_asked(name)}: threshold {text!r}; expected a number between 0 and 1"
        raise UserError(message)
    threshold = float(text)
    canonical = f"error@{threshold:.15g}"
    return replace(
        METRICS["error"],
        name=canonical,
        needs="probabilities",
        source="XGBoost's error@t: positive when the probability is above t",
        report_name=canonical,
        _compute=partial(classification.error_at, threshold=threshold),
    )


def _ranking_at(name: str, base: str, text: str) -> Metric:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        message = f"{_asked(name)}: {text!r} after '@'; expected a whole number above 0"
        raise UserError(message)
    canonical = f"{base}@{int(text)}"
    compute = partial(_RANKING_FORMULAS[base], k=int(text))
    return replace(METRICS[base], name=canonical, report_name=canonical, _compute=compute)


def _unknown(name: str, task: Task) -> str:
    # Only a failing job needs it.
    from difflib import get_close_matches

    near = get_close_matches(name.strip().lower(), [*metric_names(task), *ALIASES[task]], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{_asked(name)} is unknown for task {task!r}{hint} {_allowed(task)}"


def _asked(name: str) -> str:
    return f"hyperparameter 'eval_metric': metric {name!r}"


def _allowed(task: Task) -> str:
    return f"expected one of {', '.join(metric_names(task))}"
