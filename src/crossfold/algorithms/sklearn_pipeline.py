"""What stands before a scikit-learn estimator: imputing, one-hot encoding, scaling.

All of it is part of the pipeline, hence fitted on the rows fitted on.  The same numbers come from
the same pipeline in scikit-learn's `cross_validate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.table import Column

SPARSE_FROM = 1000
"""One-hot columns from which sparse storage is used where the estimator takes it: below, dense
storage is at most 8 kB a row, and solvers keep their dense form."""


def build_pipeline(
    estimator: Any, columns: Sequence[Column], features: NDArray[Any], *, standardize: bool
) -> Any:
    """Put median imputing (and scaling) of numbers and one-hot encoding before an estimator.

    Parameters
    ----------
    estimator : scikit-learn estimator
    columns : sequence of Column
    features : ndarray of shape (n_rows, n_features), float64
        The rows to fit on; only the number of their categories is looked at.
    standardize : bool
    """
    from sklearn.pipeline import Pipeline

    categories = [i for i, column in enumerate(columns) if column.kind == "category"]
    numbers = [i for i, column in enumerate(columns) if column.kind == "number"]
    if not categories:
        return Pipeline([*_number_steps(standardize=standardize), ("estimator", estimator)])
    from sklearn.compose import ColumnTransformer

    is_sparse = _takes_sparse(estimator) and _n_categories(features, categories) >= SPARSE_FROM
    parts: list[tuple[str, Any, list[int]]] = []
    if numbers:
        parts.append(("numbers", Pipeline(_number_steps(standardize=standardize)), numbers))
    parts.append(("categories", Pipeline(_category_steps(is_sparse=is_sparse)), categories))
    return Pipeline([("columns", ColumnTransformer(parts)), ("estimator", estimator)])


def _number_steps(*, standardize: bool) -> list[tuple[str, Any]]:
    from sklearn.impute import SimpleImputer

    steps: list[tuple[str, Any]] = [
        ("impute", SimpleImputer(strategy="median", keep_empty_features=True))
    ]
    if standardize:
        from sklearn.preprocessing import StandardScaler

        steps.append(("scale", StandardScaler()))
    return steps


def _category_steps(*, is_sparse: bool) -> list[tuple[str, Any]]:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    return [
        ("impute", SimpleImputer(strategy="most_frequent", keep_empty_features=True)),
        ("encode", OneHotEncoder(handle_unknown="ignore", sparse_output=is_sparse)),
    ]


def _takes_sparse(estimator: Any) -> bool:
    return bool(estimator.__sklearn_tags__().input_tags.sparse)


def _n_categories(features: NDArray[Any], positions: list[int]) -> int:
    return sum(len(np.unique(features[:, position])) for position in positions)
