"""Request and tables → the problem to solve, with every check that needs the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from crossfold.algorithms.adapter import ModelSpec
from crossfold.algorithms.parameters.family import check_params
from crossfold.algorithms.registry import has_native_probabilities, kind_of
from crossfold.algorithms.scale_hint import scale_hint
from crossfold.data.table import Table
from crossfold.errors import UserError
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import JobData
from crossfold.fitting.problem import Problem, Rows
from crossfold.fitting.target import TargetCoding, choose_target
from crossfold.metrics.metric import Metric, default_metrics, metric_named
from crossfold.request.job_request import JobRequest
from crossfold.request.objective import metrics_for


def make_problem(job: Job, data: JobData) -> Problem:
    """Decide task, classes, metrics and model specification.

    Raises
    ------
    UserError
        Labels, task, estimator or metrics contradict one another.
    """
    request = job.request
    coding = choose_target(
        data.train,
        task=request.task,
        kind=kind_of(request.algorithm),
        positive_label=request.positive_label,
    )
    job.log(coding.reason)
    if coding.task == "binary":
        job.log(f"classes: {coding.classes[0]!r} and, positive, {coding.classes[1]!r}")
    _check_n_classes(request, coding)
    check_params(request.algorithm, coding.task, request.params)

    def rows_of(table: Table, channel: str) -> Rows:
        target, is_ranking = coding.encode(table, channel), coding.task == "ranking"
        return Rows(table, target, n_classes=len(coding.classes), by_query=is_ranking)

    spec = _model_spec(request, coding, job.n_threads)
    hint = scale_hint(spec, data.train.columns, data.train.features)
    if hint is not None:
        job.log(f"hint: {hint}")
    holdouts = {name: rows_of(table, name) for name, table in data.holdouts.items()}
    for name, rows in holdouts.items():
        refuse_undefined(spec.metrics, rows, f"channel {name!r}")
    return Problem(
        rows_of(data.train, "train"),
        coding,
        spec,
        early_stopping_fraction=request.early_stopping_fraction,
        fold_options=request.folds,
        holdouts=holdouts,
        refit_rows=None if data.ready is None else data.ready.refit_rows,
        row_numbers=None if data.ready is None else data.ready.row_numbers,
    )


def _model_spec(request: JobRequest, coding: TargetCoding, n_threads: int) -> ModelSpec:
    return ModelSpec(
        algorithm=request.algorithm,
        task=coding.task,
        n_classes=len(coding.classes),
        params=request.params,
        num_round=request.n_rounds,
        early_stopping_rounds=request.early_stopping_rounds,
        seed=request.seed,
        standardize=request.standardize,
        metrics=_metrics(request, coding),
        n_threads=n_threads,
        class_weight=_class_weight(request, coding),
    )


def refuse_undefined(metrics: tuple[Metric, ...], rows: Rows, where: str) -> None:
    """Refuse, before any fit, a metric that rows to be scored cannot have.

    Raises
    ------
    UserError
        Names metric, place and reason.
    """
    for metric in metrics:
        reason = rows.undefined_reason(metric)
        if reason is not None:
            msg = (
                f"eval_metric {metric.name!r} is undefined in {where} "
                f"({rows.table.n_rows} rows): {reason}; use another eval_metric or other rows"
            )
            raise UserError(msg)


def _check_n_classes(request: JobRequest, coding: TargetCoding) -> None:
    if request.n_classes is not None and request.n_classes != len(coding.classes):
        msg = (
            f"hyperparameter 'num_class' is {request.n_classes}, but the label has "
            f"{len(coding.classes)} classes; leave it out, it is counted"
        )
        raise UserError(msg)


def _class_weight(
    request: JobRequest, coding: TargetCoding
) -> Literal["balanced"] | Mapping[int, float] | None:
    """Turn class names into codes."""
    asked = request.class_weight
    if asked is None or isinstance(asked, str):
        return asked
    code_of = {name: code for code, name in enumerate(coding.classes)}
    unknown = sorted(set(asked) - set(code_of))
    if unknown:
        msg = (
            f"hyperparameter 'class_weight' names the class {unknown[0]!r}; "
            f"the label's classes are {', '.join(map(repr, coding.classes)) or 'none'}"
        )
        raise UserError(msg)
    return {code_of[name]: weight for name, weight in asked.items()}


def _metrics(request: JobRequest, coding: TargetCoding) -> tuple[Metric, ...]:
    names = metrics_for(request, coding.task)
    if names:
        return tuple(metric_named(name, coding.task) for name in names)
    if request.class_metric is not None and coding.task in {"binary", "multiclass"}:
        return (metric_named(request.class_metric, coding.task),)
    return default_metrics(
        coding.task, has_native_probabilities(request.algorithm, request.params, coding.task)
    )
