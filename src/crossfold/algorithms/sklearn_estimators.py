"""scikit-learn's estimators as classes: found by name, asked what they can do, built.

Source: scikit-learn's API reference and "Developing scikit-learn estimators".
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal

from crossfold.algorithms.adapter import ModelSpec
from crossfold.algorithms.sklearn_names import ESTIMATORS, is_import_path
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task

# Its probabilities come from a second model, fitted by an inner cross-validation (Platt scaling).
_PLATT_SCALED = frozenset({"SVC", "NuSVC"})
# Takes n_jobs, ignores it and warns.
_IGNORES_THREADS = frozenset({"LogisticRegression"})


def estimator_class(name: str, task: Task) -> type[Any]:
    """Return the class behind a short name or import path for a task.

    Raises
    ------
    UserError
        There is none, or it does not do this task.
    """
    wanted: Literal["classifier", "regressor"] = (
        "classifier" if task in ("binary", "multiclass") else "regressor"
    )
    if task == "ranking":
        message = f"algorithm {name!r} does not rank; task 'ranking' needs xgboost or lightgbm"
        raise UserError(message)
    if name not in ESTIMATORS:
        found = class_at(name)
        if kind_of_class(found) != wanted:
            message = f"algorithm {name!r} is no {wanted}, but the task is {task!r}"
            raise UserError(message)
        return found
    paths = ESTIMATORS[name]
    path = paths.classifier if wanted == "classifier" else paths.regressor
    if path is None:
        able = [
            other
            for other, its in ESTIMATORS.items()
            if (its.classifier if wanted == "classifier" else its.regressor) is not None
        ]
        message = (
            f"algorithm {name!r} has no {wanted} for task {task!r}; expected one of "
            f"xgboost, lightgbm, {', '.join(able)}"
        )
        raise UserError(message)
    return class_at(path)


def class_at(path: str) -> type[Any]:
    """Import the class at a path such as ``sklearn.svm.SVC``; nothing but scikit-learn's.

    Raises
    ------
    UserError
        There is no such class.
    """
    module_name, _, class_name = path.rpartition(".")
    if not is_import_path(path):
        message = f"algorithm {path!r} is no import path such as 'sklearn.svm.SVC'"
        raise UserError(message)
    try:
        module = import_module(module_name)
    except ImportError as error:
        message = f"algorithm {path!r}: scikit-learn has no module {module_name!r}"
        raise UserError(message) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        known = [name for name, item in vars(module).items() if isinstance(item, type)]
        nearest = get_close_matches(class_name, known, n=1)
        hint = f"; did you mean {module_name + '.' + nearest[0]!r}?" if nearest else ""
        message = f"algorithm {path!r}: {module_name!r} has no class {class_name!r}{hint}"
        raise UserError(message)
    return found


def kind_of_class(found: type[Any]) -> Literal["classifier", "regressor"]:
    """Tell whether an estimator predicts classes or values.

    Raises
    ------
    UserError
        It does neither.
    """
    from sklearn.base import ClassifierMixin, RegressorMixin

    if issubclass(found, ClassifierMixin):
        return "classifier"
    if issubclass(found, RegressorMixin):
        return "regressor"
    message = (
        f"algorithm '{found.__module__}.{found.__name__}' is no classifier or regressor; "
        "expected an estimator such as 'sklearn.svm.SVC'"
    )
    raise UserError(message)


def says_probabilities(found: type[Any], params: Mapping[str, Any]) -> bool:
    """Tell whether the classifier has probabilities of its own, without Platt scaling."""
    return found.__name__ not in _PLATT_SCALED and hasattr(_built(found, params), "predict_proba")


def build_estimator(spec: ModelSpec, found: type[Any], present: list[int]) -> Any:
    """Build the estimator with its seed, threads and, where it has them, class weights.

    Parameters
    ----------
    spec : ModelSpec
    found : type
    present : list of int
        Codes of the classes among the rows to fit on.

    Raises
    ------
    UserError
        The constructor refuses a parameter.
    """
    names = constructor_names(found)
    params = dict(spec.params)
    if "random_state" in names:
        params.setdefault("random_state", spec.seed)
    if "n_jobs" in names and spec.n_threads > 1 and found.__name__ not in _IGNORES_THREADS:
        params["n_jobs"] = spec.n_threads
    if spec.class_weight is not None and "class_weight" in names:
        params["class_weight"] = (
            "balanced"
            if spec.class_weight == "balanced"
            else {code: float(spec.class_weight.get(code, 1.0)) for code in present}
        )
    return _built(found, params)


def constructor_names(found: type[Any]) -> frozenset[str]:
    """Return the names of an estimator's parameters."""
    return frozenset(inspect.signature(found).parameters)


def _built(found: type[Any], params: Mapping[str, Any]) -> Any:
    if found.__name__ in _PLATT_SCALED and params.get("probability") is True:
        message = (
            "hyperparameter 'probability' is True, but probabilities of a support vector machine "
            "come from Platt scaling, which is not done here; leave it out"
        )
        raise UserError(message)
    unknown = sorted(set(params) - constructor_names(found))
    if unknown:
        known = sorted(constructor_names(found))
        nearest = get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        message = (
            f"hyperparameter {unknown[0]!r} is unknown to {found.__name__}; {hint}"
            f"expected one of {', '.join(known)}"
        )
        raise UserError(message)
    try:
        return found(**params)
    except TypeError as error:
        message = (
            f"algorithm '{found.__module__}.{found.__name__}' cannot be built from "
            f"hyperparameters: {error}; choose an estimator that needs no other estimator"
        )
        raise UserError(message) from error
