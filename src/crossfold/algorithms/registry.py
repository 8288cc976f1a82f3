"""The algorithms by name.

Imports a library only when one of its algorithms is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np

from crossfold.algorithms.adapter import Algorithm
from crossfold.algorithms.sklearn_names import ESTIMATORS, is_import_path
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task

Kind = Literal["classifier", "regressor", "both"]

BOOSTED = ("xgboost", "lightgbm")


def algorithm_named(name: str) -> Algorithm:
    """Return the family behind a name: ``xgboost``, ``lightgbm``, a short name, an import path.

    Raises
    ------
    UserError
        Nothing has this name; the message lists what there is.
    """
    require_algorithm(name)
    if name == "xgboost":
        from crossfold.algorithms.xgboost_models import XgboostAlgorithm

        return XgboostAlgorithm()
    if name == "lightgbm":
        from crossfold.algorithms.lightgbm_models import LightgbmAlgorithm

        return LightgbmAlgorithm()
    from crossfold.algorithms.sklearn_models import SklearnAlgorithm

    return SklearnAlgorithm()


def feature_dtype(name: str) -> type[np.float32 | np.float64]:
    """Return the element type that an algorithm wants its features in, importing nothing.

    It is the `Algorithm.dtype` of `algorithm_named`.
    """
    return np.float32 if name == "xgboost" else np.float64


def absent_value(name: str) -> float:
    """Return what an entry stands for that a LIBSVM row leaves out: the library's own reading.

    Missing for XGBoost, as its own reader has it; zero for all others.
    """
    return float("nan") if name == "xgboost" else 0.0


def import_library(name: str) -> None:
    """Import what an algorithm stands on, and thereby scikit-learn's splitters."""
    algorithm_named(name)
    if name not in BOOSTED:
        from crossfold.algorithms.sklearn_estimators import class_at

        paths = ESTIMATORS.get(name)
        class_at(name if paths is None else paths.classifier or paths.regressor or name)


def algorithm_names() -> tuple[str, ...]:
    """List the names; any import path of a scikit-learn classifier or regressor is one as well."""
    return (*BOOSTED, *ESTIMATORS)


def require_algorithm(name: str) -> None:
    """Check a name without importing anything.

    Raises
    ------
    UserError
        The name is neither known nor an import path of scikit-learn.
    """
    if name in BOOSTED or name in ESTIMATORS or is_import_path(name):
        return
    nearest = get_close_matches(name, algorithm_names(), n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    message = (
        f"hyperparameter 'algorithm' is {name!r}; {hint}expected one of "
        f"{', '.join(algorithm_names())}, or an import path such as 'sklearn.svm.SVC'"
    )
    raise UserError(message)


def is_boosted(name: str) -> bool:
    """Tell whether an algorithm works in rounds that can be watched and stopped."""
    return name in BOOSTED


def kind_of(name: str) -> Kind:
    """Tell whether an algorithm predicts classes, values, or either.

    Imports the estimator's module where `name` is an import path.

    Raises
    ------
    UserError
        The name is unknown, or the path is no classifier or regressor.
    """
    require_algorithm(name)
    if name in BOOSTED:
        return "both"
    if name in ESTIMATORS:
        paths = ESTIMATORS[name]
        if paths.classifier is None:
            return "regressor"
        return "classifier" if paths.regressor is None else "both"
    from crossfold.algorithms.sklearn_estimators import class_at, kind_of_class

    return kind_of_class(class_at(name))


def has_native_probabilities(name: str, params: Mapping[str, Any], task: Task) -> bool:
    """Tell whether a classifier with these parameters says probabilities of its own.

    False for every task without classes.  Imports the estimator's module for scikit-learn.
    """
    require_algorithm(name)
    if task not in ("binary", "multiclass"):
        return False
    if name in BOOSTED:
        return params.get("objective") != "binary:hinge"
    from crossfold.algorithms.sklearn_estimators import estimator_class, says_probabilities

    return says_probabilities(estimator_class(name, task), params)
