from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from crossfold.algorithms.registry import (
    algorithm_named,
    feature_dtype,
    has_native_probabilities,
    is_boosted,
    kind_of,
)
from crossfold.algorithms.sklearn_estimators import estimator_class
from crossfold.errors import UserError


def test_families_want_their_own_element_type() -> None:
    assert algorithm_named("xgboost").dtype is np.float32
    assert algorithm_named("lightgbm").dtype is np.float64
    assert algorithm_named("svm").dtype is np.float64


def test_unknown_name_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UserError, match="'xgbost'; did you mean 'xgboost'.*lightgbm.*naive_bayes"):
        algorithm_named("xgbost")


@pytest.mark.parametrize(
    "path",
    ["os.system", "sklearn", "sklearn.svm", "sklearn..SVC", "sklearn.svm._base.x", "sklearn.a b.c"],
)
def test_path_outside_scikit_learn_is_no_algorithm(path: str) -> None:
    with pytest.raises(UserError, match="algorithm"):
        algorithm_named(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("xgboost", "both"),
        ("svm", "both"),
        ("ridge", "both"),
        ("logistic_regression", "classifier"),
        ("naive_bayes", "classifier"),
        ("lasso", "regressor"),
        ("sklearn.svm.LinearSVR", "regressor"),
        ("sklearn.svm.NuSVC", "classifier"),
    ],
)
def test_kind_of(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_transformer_is_no_algorithm() -> None:
    with pytest.raises(UserError, match="no classifier or regressor"):
        kind_of("sklearn.preprocessing.StandardScaler")


def test_class_that_scikit_learn_has_not_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'sklearn.svm.LinearSVC'"):
        kind_of("sklearn.svm.LinearSVCC")


def test_module_that_scikit_learn_has_not_is_named() -> None:
    with pytest.raises(UserError, match="no module 'sklearn.smv'"):
        kind_of("sklearn.smv.SVC")


def test_estimator_that_needs_others_is_refused() -> None:
    with pytest.raises(UserError, match="needs no other estimator"):
        has_native_probabilities("sklearn.ensemble.VotingClassifier", {}, "binary")


def test_estimator_of_another_task_lists_those_that_fit() -> None:
    with pytest.raises(UserError, match="'lasso' has no classifier.*random_forest"):
        estimator_class("lasso", "binary")
    with pytest.raises(UserError, match="no regressor"):
        estimator_class("sklearn.svm.SVC", "regression")
    with pytest.raises(UserError, match="does not rank"):
        estimator_class("svm", "ranking")


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("xgboost", {}, True),
        ("xgboost", {"objective": "binary:hinge"}, False),
        ("xgboost", {"objective": "binary:logitraw"}, True),
        ("lightgbm", {}, True),
        ("svm", {}, False),
        ("ridge", {}, False),
        ("mlp", {}, True),
        ("sklearn.linear_model.SGDClassifier", {"loss": "hinge"}, False),
        ("sklearn.linear_model.SGDClassifier", {"loss": "log_loss"}, True),
    ],
)
def test_native_probabilities(name: str, params: dict[str, object], *, expected: bool) -> None:
    assert has_native_probabilities(name, params, "binary") is expected
    assert has_native_probabilities("random_forest", {}, "regression") is False


def test_boosted_are_the_libraries_with_rounds() -> None:
    assert [name for name in ("xgboost", "lightgbm", "random_forest") if is_boosted(name)] == [
        "xgboost",
        "lightgbm",
    ]


def test_registry_imports_no_library_of_its_own() -> None:
    """Start-up time: a job pays for the library that it uses, and for no other."""
    code = (
        "import sys; from crossfold.algorithms.registry import kind_of; kind_of('svm');"
        "from crossfold.persistence import bundle;"
        "names = ('sklearn', 'xgboost', 'lightgbm', 'scipy', 'skops');"
        "print([name for name in names if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "svm", "sklearn.svm.SVC"])
def test_the_dtype_known_without_an_import_is_the_familys(name: str) -> None:
    assert feature_dtype(name) is algorithm_named(name).dtype
