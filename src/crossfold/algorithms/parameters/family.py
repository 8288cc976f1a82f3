"""Which parameters an algorithm takes, and what they say about the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crossfold.algorithms.sklearn_names import ESTIMATORS, is_import_path
from crossfold.contract.parameters import Schema, nearest
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task

BOOSTERS = ("xgboost", "lightgbm")
# LightGBM's documentation: "choose only one of them".
_EXCLUSIVE = (("force_col_wise", "force_row_wise"), ("is_unbalance", "scale_pos_weight"))


@dataclass(frozen=True, slots=True)
class Family:
    """The parameters of one algorithm.

    Attributes
    ----------
    schema : Schema
        The library's parameters.
    own_names : mapping
        The library's names for what is ours: alias → our name (``n_estimators`` → ``num_round``).
    thread_names : tuple of str
        Parameters in `schema` that limit threads.
    task_of_objective : mapping
        Objective → task; empty where there is no objective to choose.
    tasks : frozenset of task
        What the algorithm can do.
    has_rounds : bool
        Whether it boosts in rounds that we count and stop.
    """

    schema: Schema
    tasks: frozenset[Task]
    own_names: Mapping[str, str] = field(default_factory=dict)
    thread_names: tuple[str, ...] = ()
    task_of_objective: Mapping[str, Task] = field(default_factory=dict)
    has_rounds: bool = False


def algorithm_name(text: str, what: str = "hyperparameter 'algorithm'") -> str:
    """Return the algorithm that a text names, in our spelling.

    Case, blanks, hyphens and underscores of short names do not matter: ``RandomForest`` is
    ``random_forest``.  `what` begins the message.

    Raises
    ------
    UserError
        There is no such algorithm.
    """
    if is_import_path(text):
        return text
    known = {_plain(name): name for name in (*BOOSTERS, *ESTIMATORS)}
    name = known.get(_plain(text))
    if name is None:
        near = nearest(_plain(text), known)
        hint = f"; nearest: {', '.join(known[word] for word in near)}" if near else ""
        raise UserError(
            f"{what} is {text!r}; expected {', '.join(known.values())}, or an import "
            f"path such as 'sklearn.svm.SVC'{hint}"
        )
    return name


def family_of(algorithm: str, task: Task | Literal["auto"] = "auto") -> Family:
    """Return what an algorithm takes for a task; ``auto`` takes whatever fits one of its tasks.

    Raises
    ------
    UserError
        An import path names no classifier or regressor of scikit-learn.
    """
    if algorithm == "xgboost":
        from crossfold.algorithms.parameters.xgboost import FAMILY as XGBOOST

        return XGBOOST
    if algorithm == "lightgbm":
        from crossfold.algorithms.parameters.lightgbm import FAMILY as LIGHTGBM

        return LIGHTGBM
    from crossfold.algorithms.parameters.sklearn import family_of_estimator

    return family_of_estimator(algorithm, task)


def check_params(algorithm: str, task: Task, params: Mapping[str, Any]) -> None:
    """Check typed parameters once the task is known.

    Raises
    ------
    UserError
        The task's estimator does not take one of them, or two contradict each other.
    """
    for first, second in _EXCLUSIVE:
        if params.get(first) and params.get(second):
            raise UserError(
                f"hyperparameters {first!r} and {second!r} contradict each other; keep one"
            )
    if algorithm == "lightgbm":
        from crossfold.algorithms.parameters.lightgbm_rules import check_sampling

        check_sampling(params)
    if algorithm not in BOOSTERS:
        from crossfold.algorithms.parameters.sklearn import check_values

        check_values(algorithm, task, params)


def task_of_objective(algorithm: str, objective: str) -> Task | None:
    """Return the task that a booster's objective decides; None where it decides none."""
    if algorithm not in BOOSTERS:
        return None
    return family_of(algorithm).task_of_objective.get(objective)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
