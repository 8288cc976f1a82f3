"""Contradictions between hyperparameters that are each allowed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from crossfold.algorithms.parameters.family import Family
from crossfold.errors import UserError
from crossfold.folds.options import DEFAULT_FOLDS, FoldOptions
from crossfold.metrics.prediction import Task
from crossfold.request.job_request import JobRequest

_TWO = 2
_STRATEGIES_WITHOUT_NUMBER = ("leave_one_out", "leave_p_out")
_SPECIAL = {
    "gap": ("time_series",),
    "window": ("time_series",),
    "p": ("leave_p_out",),
    "test_fraction": ("shuffle_split",),
}


def check_task(
    algorithm: str, family: Family, asked: Task | Literal["auto"], objective: str | None
) -> Task | Literal["auto"]:
    """Return the task that user, objective and algorithm agree on; ``auto``: the labels decide.

    Raises
    ------
    UserError
        They do not agree.
    """
    decided = None if objective is None else family.task_of_objective.get(objective)
    if asked != "auto" and decided is not None and asked != decided:
        raise UserError(
            f"hyperparameters 'task' ({asked!r}) and 'objective' ({objective!r}) contradict each "
            f"other; the objective is for {decided!r}: drop one of the two"
        )
    task = decided or asked
    if task != "auto" and task not in family.tasks:
        raise UserError(
            f"hyperparameter 'task' is {task!r}, but algorithm {algorithm!r} can do "
            f"{_listed(family.tasks)} only; choose another algorithm or task"
        )
    if task == "auto" and len(family.tasks) == 1:
        (task,) = family.tasks
    return task


def check_n_classes(n_classes: int | None, task: Task | Literal["auto"]) -> Task | Literal["auto"]:
    """Return the task that a number of classes leaves possible.

    Raises
    ------
    UserError
        The task has another number of classes.
    """
    if n_classes is None or n_classes <= 1 or task == "multiclass":
        return task
    if task == "auto":
        return "multiclass" if n_classes > _TWO else task
    if task != "binary" or n_classes > _TWO:
        raise UserError(
            f"hyperparameter 'num_class' is {n_classes}, but task or objective ask for {task!r}; "
            "drop 'num_class' or use task=multiclass"
        )
    return task


def check_class_weight(request: JobRequest, tasks: Collection[Task]) -> None:
    """Refuse weights of classes where there are no classes."""
    if request.class_weight is not None and not {"binary", "multiclass"} & set(tasks):
        raise UserError(
            f"hyperparameter 'class_weight' is given, but {request.algorithm!r} is asked for "
            f"{_listed(tasks)}, which has no classes; drop it"
        )


def check_folds(request: JobRequest) -> None:
    """Refuse settings of cross-validation that contradict each other.

    Raises
    ------
    UserError
        As the message says.
    """
    folds = request.folds
    _check_strategy(request)
    if request.mode == "fold":
        _check_fold_index(request)
    needed = request.driver.min_success
    n_fits = _n_fits(folds)
    if needed is not None and n_fits is not None and needed > n_fits:
        raise UserError(
            f"hyperparameter 'cv_min_success' is {needed}, but there are {n_fits} folds; "
            f"expected at most {n_fits}"
        )


def _check_strategy(request: JobRequest) -> None:
    folds = request.folds
    if folds.strategy in _STRATEGIES_WITHOUT_NUMBER and folds.n_folds is not None:
        raise UserError(
            f"hyperparameters 'cv_strategy' ({folds.strategy!r}) and 'cv_folds' ({folds.n_folds}) "
            "contradict each other: the rows decide the number of folds; drop 'cv_folds'"
        )
    _check_columns(request)
    # A time column makes `auto` a time series, so only an explicit other strategy contradicts.
    for name, strategies in _SPECIAL.items():
        if folds.strategy in ("auto", *strategies):
            continue
        if getattr(folds, name) != getattr(FoldOptions(), name):
            raise UserError(
                f"hyperparameter 'cv_{name}' is for cv_strategy={' or '.join(strategies)}, "
                f"but cv_strategy is {folds.strategy!r}; drop one of the two"
            )


def _check_columns(request: JobRequest) -> None:
    data, strategy = request.data, request.folds.strategy
    if data.fold_column is not None and strategy not in ("auto", "predefined"):
        raise UserError(
            f"hyperparameters 'fold_column' ({data.fold_column!r}) and 'cv_strategy' "
            f"({strategy!r}) contradict each other; drop one of the two"
        )
    if data.time_column is not None and data.group_column is not None and request.mode != "single":
        raise UserError(
            "hyperparameters 'time_column' and 'group_column' are both given; folds that respect "
            "both are not supported: drop one of the two"
        )


def _check_fold_index(request: JobRequest) -> None:
    index, folds = request.driver.fold_index, request.folds
    n_fits = _n_fits(folds)
    if index is not None and n_fits is not None and index >= n_fits:
        raise UserError(
            f"hyperparameter 'cv_fold_index' is {index}; expected an integer from 0 to "
            f"{n_fits - 1}, one for each fold and repeat"
        )


def _n_fits(folds: FoldOptions) -> int | None:
    """Return folds times repeats; None where the rows or the folders decide."""
    if folds.n_folds is not None:
        return folds.n_folds * folds.n_repeats
    if folds.strategy in ("auto", "predefined", *_STRATEGIES_WITHOUT_NUMBER):
        return None
    return DEFAULT_FOLDS * folds.n_repeats


def _listed(words: Collection[str]) -> str:
    return ", ".join(sorted(words))
