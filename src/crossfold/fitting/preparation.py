"""Request and tables → the problem to solve, with every check that needs the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from crossfold.algorithms.adapter import ModelSpec
from crossfold.algorithms.parameters.family import check_params
from crossfold.algorithms.registry import has_native_probabilities, kind_of
from crossfold.data.table import Table
from crossfold.errors import UserError
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import JobData
from crossfold.fitting.problem import FoldedProblem, Problem, Rows
from crossfold.fitting.target import TargetCoding, choose_target
from crossfold.folds.assignment import Assignment
from crossfold.folds.splitters import assign_folds
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

    return Problem(
        rows_of(data.train, "train"),
        coding,
        _model_spec(request, coding, job.n_threads),
        early_stopping_fraction=request.early_stopping_fraction,
        split_seed=request.folds.seed,
        holdouts={name: rows_of(table, name) for name, table in data.holdouts.items()},
        refit_rows=None if data.ready is None else data.ready.refit_rows,
        row_numbers=None if data.ready is None else data.ready.row_numbers,
    )


def fold_problem(job: Job, problem: Problem, data: JobData) -> FoldedProblem:
    """Split the rows, and refuse before any fit what cannot be scored.

    Raises
    ------
    UserError
        The split is impossible, or a metric is undefined on a fold's held-out rows.
    """
    table = data.train
    if data.ready is not None:
        assignment = Assignment.from_ready(data.ready.splits, table.n_rows)
    else:
        assignment = assign_folds(
            job.request.folds,
            table.n_rows,
            target=problem.rows.target,
            is_classification=bool(problem.coding.classes),
            groups=None if table.group is None else table.group.codes,
            time=table.time,
            fold_values=None if table.fold is None else table.fold.codes,
            class_names=problem.coding.classes,
        )
    for warning in assignment.warnings:
        job.log(f"warning: {warning}")
    folded = FoldedProblem(problem, assignment)
    check_metrics(folded, pooled=is_pooled(job.request, assignment))
    return folded


def is_pooled(request: JobRequest, assignment: Assignment) -> bool:
    """Say whether all held-out rows are scored together rather than fold by fold."""
    if request.driver.aggregate is not None:
        return request.driver.aggregate == "pooled"
    return assignment.pools_rows


def check_metrics(folded: FoldedProblem, *, pooled: bool) -> None:
    """Refuse a metric that the held-out rows cannot have."""
    splits = folded.assignment.splits
    parts = (
        {"the held-out rows": np.unique(np.concatenate([split.test for split in splits]))}
        if pooled
        else {f"fold {split.fold + 1} of repeat {split.repeat + 1}": split.test for split in splits}
    )
    for metric in folded.problem.spec.metrics:
        for name, rows in parts.items():
            reason = folded.problem.rows.undefined_reason(metric, rows)
            if reason is not None:
                msg = (
                    f"eval_metric {metric.name!r} is undefined in {name} ({len(rows)} rows): "
                    f"{reason}; use fewer folds, cv_strategy=stratified, cv_aggregate=pooled "
                    "or another eval_metric"
                )
                raise UserError(msg)


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
    return default_metrics(
        coding.task, has_native_probabilities(request.algorithm, request.params, coding.task)
    )
