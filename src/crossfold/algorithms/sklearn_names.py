"""Which scikit-learn estimator stands behind each short name.

Plain strings, so that a request can be checked before scikit-learn is imported.
Source: scikit-learn's API reference (module and class names).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class EstimatorPaths:
    """Import paths of the estimator for classes and for values; None where there is none."""

    classifier: str | None
    regressor: str | None


ESTIMATORS: Mapping[str, EstimatorPaths] = MappingProxyType(
    {
        "svm": EstimatorPaths("sklearn.svm.SVC", "sklearn.svm.SVR"),
        "logistic_regression": EstimatorPaths("sklearn.linear_model.LogisticRegression", None),
        "linear_regression": EstimatorPaths(None, "sklearn.linear_model.LinearRegression"),
        "ridge": EstimatorPaths(
            "sklearn.linear_model.RidgeClassifier", "sklearn.linear_model.Ridge"
        ),
        "lasso": EstimatorPaths(None, "sklearn.linear_model.Lasso"),
        "elastic_net": EstimatorPaths(None, "sklearn.linear_model.ElasticNet"),
        "random_forest": EstimatorPaths(
            "sklearn.ensemble.RandomForestClassifier", "sklearn.ensemble.RandomForestRegressor"
        ),
        "extra_trees": EstimatorPaths(
            "sklearn.ensemble.ExtraTreesClassifier", "sklearn.ensemble.ExtraTreesRegressor"
        ),
        "decision_tree": EstimatorPaths(
            "sklearn.tree.DecisionTreeClassifier", "sklearn.tree.DecisionTreeRegressor"
        ),
        "hist_gradient_boosting": EstimatorPaths(
            "sklearn.ensemble.HistGradientBoostingClassifier",
            "sklearn.ensemble.HistGradientBoostingRegressor",
        ),
        "knn": EstimatorPaths(
            "sklearn.neighbors.KNeighborsClassifier", "sklearn.neighbors.KNeighborsRegressor"
        ),
        "mlp": EstimatorPaths(
            "sklearn.neural_network.MLPClassifier", "sklearn.neural_network.MLPRegressor"
        ),
        "naive_bayes": EstimatorPaths("sklearn.naive_bayes.GaussianNB", None),
    }
)
"""Short name → import paths."""

IMPORT_PREFIX = "sklearn."
"""What an import path must start with: nothing outside scikit-learn is ever imported by name."""


def is_import_path(name: str) -> bool:
    """Tell whether `name` looks like an import path of scikit-learn: ``sklearn.svm.SVC``."""
    parts = name.split(".")
    return (
        name.startswith(IMPORT_PREFIX)
        and len(parts) >= 3
        and all(part.isidentifier() and not part.startswith("_") for part in parts)
    )
