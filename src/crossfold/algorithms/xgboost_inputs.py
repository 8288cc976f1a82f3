"""What XGBoost is given: parameters and matrices, for the task and the columns at hand.

Source: XGBoost documentation, "XGBoost Parameters"; the choice of matrix is `XGBModel`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, ModelSpec
from crossfold.algorithms.boosting import query_sizes, require_groups
from crossfold.algorithms.class_weights import fit_weights
from crossfold.algorithms.encoding import CategoryEncoder
from crossfold.data.table import Column
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task

MAX_PLAIN_BYTES = 64 * 1024 * 1024
"""Largest matrix that is not quantized while it is built.

A plain matrix takes twice the memory of its rows, but the first round is done sooner: after 0.29 s
in place of 0.37 s for 160,000 rows of 30 features, after 1 ms in place of 2 to 50 ms for 500
(XGBoost 3.2, two threads).  Larger ones are quantized to save that memory.
"""

_OBJECTIVES: Mapping[Task, str] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
    "ranking": "rank:ndcg",
}
_OBJECTIVES_OF_CLASSES: Mapping[Task, tuple[str, ...]] = {
    "binary": ("binary:logistic", "reg:logistic", "binary:logitraw", "binary:hinge"),
    "multiclass": ("multi:softprob", "multi:softmax"),
}


def objective_of(spec: ModelSpec) -> str:
    """Return the objective asked for, or the task's own.

    Raises
    ------
    UserError
        The objective does not fit the task.
    """
    objective = str(spec.params.get("objective", _OBJECTIVES[spec.task]))
    allowed = _OBJECTIVES_OF_CLASSES.get(spec.task)
    is_ranking = objective.startswith("rank:")
    if allowed is None and is_ranking == (spec.task == "ranking"):
        return objective
    if allowed is not None and objective in allowed:
        return objective
    known = ", ".join(allowed) if allowed else "rank:*" if spec.task == "ranking" else "no rank:*"
    message = (
        f"hyperparameter 'objective' is {objective!r}, which does not fit task {spec.task!r}; "
        f"expected {known}, or choose another task"
    )
    raise UserError(message)


def booster_params(spec: ModelSpec, objective: str) -> dict[str, Any]:
    """Return the booster's parameters: the user's, and what the job decides."""
    params = {"verbosity": 0, **spec.params, "objective": objective}
    params |= {"seed": spec.seed, "nthread": spec.n_threads, "disable_default_eval_metric": 1}
    if spec.task == "multiclass":
        params["num_class"] = spec.n_classes
    return params


def training_matrix(
    spec: ModelSpec, columns: tuple[Column, ...], encoder: CategoryEncoder, train: Examples
) -> Any:
    """Build the matrix to fit on: quantized at once if the method reads bins and rows are many.

    Both kinds of matrix give the same model.
    """
    reads_bins = (
        spec.params.get("tree_method", "auto") in {"auto", "hist"}
        and spec.params.get("booster") != "gblinear"
        and "updater" not in spec.params
        and not str(spec.params.get("device", "")).startswith("sycl")
    )
    options = _options(spec, columns, train, fit_weights(spec, train))
    features = encoder.encode(train.features)
    if reads_bins and features.nbytes > MAX_PLAIN_BYTES:
        return xgboost.QuantileDMatrix(features, max_bin=spec.params.get("max_bin"), **options)
    return xgboost.DMatrix(features, **options)


def watched_matrix(
    spec: ModelSpec,
    columns: tuple[Column, ...],
    encoder: CategoryEncoder,
    rows: Examples,
    *,
    like: Any,
) -> Any:
    """Build a matrix to score: in the bins of the matrix fitted on, where that one has bins."""
    options = _options(spec, columns, rows, rows.weight)
    features = encoder.encode(rows.features)
    if not isinstance(like, xgboost.QuantileDMatrix):
        return xgboost.DMatrix(features, **options)
    max_bin = spec.params.get("max_bin")
    return xgboost.QuantileDMatrix(features, ref=like, max_bin=max_bin, **options)


def feature_types(columns: tuple[Column, ...]) -> list[str] | None:
    """Return XGBoost's type of each feature; None when all are numbers."""
    if not any(column.kind == "category" for column in columns):
        return None
    return ["c" if column.kind == "category" else "q" for column in columns]


def _options(
    spec: ModelSpec,
    columns: tuple[Column, ...],
    rows: Examples,
    weight: NDArray[np.float64] | None,
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "label": rows.target,
        "weight": weight,
        "nthread": spec.n_threads,
        "enable_categorical": True,
        "feature_types": feature_types(columns),
    }
    if spec.task == "ranking":
        sizes = query_sizes(require_groups(rows))
        options |= {"group": sizes, "weight": _query_weights(weight, sizes)}
    if spec.params.get("objective") == "survival:aft":
        # Every label is an observed time: there is no column that says it was censored.
        options |= {"label_lower_bound": rows.target, "label_upper_bound": rows.target}
    return options


def _query_weights(
    weight: NDArray[np.float64] | None, sizes: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Return one weight for each query, as XGBoost wants them."""
    if weight is None:
        return None
    ends = np.cumsum(sizes)
    by_query: NDArray[np.float64] = weight[ends - sizes]
    if not np.array_equal(np.repeat(by_query, sizes), weight):
        message = (
            "weight_column has different weights within a query, but XGBoost weighs whole queries; "
            "give every row of a query the same weight"
        )
        raise UserError(message)
    return by_query
