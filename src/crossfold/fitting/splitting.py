"""Which rows each fold holds out, and the refusal, before any fit, of what cannot be scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import UserError
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import JobData
from crossfold.fitting.problem import FoldedProblem, Problem
from crossfold.folds.assignment import Assignment
from crossfold.folds.options import FoldOptions
from crossfold.folds.splitters import assign_folds
from crossfold.request.job_request import JobRequest

# Fewer folds are tried down from the number asked for; each try draws a split.
_MOST_TRIES = 50


def split_rows(job: Job, problem: Problem, data: JobData) -> FoldedProblem:
    """Split the rows as the request or the ready folders say.

    Raises
    ------
    UserError
        The split is impossible, or a metric is undefined on held-out rows; where fewer folds
        would do, the message names how many.
    """
    if data.ready is not None:
        ready = data.ready
        assignment = Assignment.from_ready(ready.splits, data.train.n_rows, only=ready.only)
    else:
        assignment = _assign(problem, problem.fold_options)
    for warning in assignment.warnings:
        job.log(f"warning: {warning}")
    pooled = is_pooled(job.request, assignment)
    # Of rows that are pooled one fold alone says nothing; its driver has looked at all of them.
    is_part = pooled and data.ready is not None and data.ready.only is not None
    reason = None if is_part else _undefined(problem, assignment, pooled=pooled)
    if reason is not None:
        largest = None if data.ready or pooled else _largest_that_works(problem, assignment)
        advice = "use cv_strategy=stratified, cv_aggregate=pooled or another eval_metric"
        if largest is not None:
            advice = f"the largest cv_folds that works is {largest}; or {advice}"
        msg = f"{reason}; {advice}"
        raise UserError(msg)
    return FoldedProblem(problem, assignment)


def is_pooled(request: JobRequest, assignment: Assignment) -> bool:
    """Say whether all held-out rows are scored together rather than fold by fold."""
    if request.driver.aggregate is not None:
        return request.driver.aggregate == "pooled"
    return assignment.pools_rows


def _assign(problem: Problem, options: FoldOptions) -> Assignment:
    table = problem.rows.table
    return assign_folds(
        options,
        table.n_rows,
        target=problem.rows.target,
        is_classification=bool(problem.coding.classes),
        groups=None if table.group is None else table.group.codes,
        time=table.time,
        fold_values=None if table.fold is None else table.fold.codes,
        class_names=problem.coding.classes,
        fold_names=() if table.fold is None else table.fold.values,
    )


def _undefined(problem: Problem, assignment: Assignment, *, pooled: bool) -> str | None:
    """Return the first metric that held-out rows cannot have, with the reason."""
    for name, rows in _scored_together(assignment, pooled=pooled):
        for metric in problem.spec.metrics:
            reason = problem.rows.undefined_reason(metric, rows)
            if reason is not None:
                where = f"undefined in {name} ({len(rows)} rows)"
                return f"eval_metric {metric.name!r} is {where}: {reason}"
    return None


def _scored_together(
    assignment: Assignment, *, pooled: bool
) -> list[tuple[str, NDArray[np.int64]]]:
    splits = assignment.splits
    if pooled:
        return [("the held-out rows", np.unique(np.concatenate([split.test for split in splits])))]
    if assignment.n_repeats == 1:
        return [(f"fold {split.fold + 1}", split.test) for split in splits]
    return [(f"fold {split.fold + 1} of repeat {split.repeat + 1}", split.test) for split in splits]


def _largest_that_works(problem: Problem, assignment: Assignment) -> int | None:
    if assignment.strategy in ("predefined", "shuffle_split"):
        return None
    for n_folds in range(assignment.n_folds - 1, 1, -1)[:_MOST_TRIES]:
        try:
            fewer = _assign(problem, replace(problem.fold_options, n_folds=n_folds))
        except UserError:
            continue
        if _undefined(problem, fewer, pooled=False) is None:
            return n_folds
    return None
