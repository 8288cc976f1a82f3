"""The estimators that a careful user of each library would write; they share no code with ours.

Encoders are fitted inside the fold; the features have text in column 1 where their type is object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler


def _in_file_order(features: NDArray[Any]) -> list[Any]:
    """Encode texts as ordinals fitted inside the fold; the columns stay in their places."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    steps = [
        (f"c{i}", encoder if features.dtype == object and i == 1 else "passthrough", [i])
        for i in range(features.shape[1])
    ]
    return [ColumnTransformer(steps)]


class AsFloat:
    """Turns the encoded features into the library's element type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def fit(self, *_: Any) -> AsFloat:
        return self

    def transform(self, features: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(features, dtype=self.dtype)


def xgboost_peer(task: str, features: NDArray[Any]) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    types = ["c" if features.dtype == object and i == 1 else "q" for i in range(features.shape[1])]

    class Classifier(XGBClassifier):
        """Gives float64 that add up to 1: scikit-learn sums logarithms in the type it is given."""

        def predict_proba(  # type: ignore[override]
            self,
            X: Any,  # noqa: N803 - scikit-learn's name
            **options: Any,
        ) -> Any:
            found = super().predict_proba(X, **options).astype(np.float64)
            if found.shape[1] == 2:
                return np.column_stack([1 - found[:, 1], found[:, 1]])
            return found / found.sum(axis=1, keepdims=True)

    kind = XGBRegressor if task == "regression" else Classifier
    estimator = kind(
        n_estimators=6,
        max_depth=3,
        learning_rate=0.4,
        subsample=0.7,
        colsample_bytree=0.8,
        random_state=17,
        n_jobs=1,
        enable_categorical="c" in types,
        feature_types=types if "c" in types else None,
    )
    return make_pipeline(*_in_file_order(features), AsFloat(np.float32), estimator)


def lightgbm_peer(task: str, features: NDArray[Any]) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if task == "regression" else LGBMClassifier
    estimator = kind(
        n_estimators=6,
        num_leaves=7,
        min_child_samples=4,
        learning_rate=0.3,
        subsample=0.7,
        subsample_freq=1,
        random_state=17,
        n_jobs=1,
        verbosity=-1,
    )
    return make_pipeline(*_in_file_order(features), AsFloat(np.float64), estimator)


def sklearn_peer(estimator: Any, features: NDArray[Any], *, scaled: bool = False) -> Any:
    """Impute, encode and scale inside the fold; numbers first, as a user would write it."""
    numeric: list[Any] = [SimpleImputer(strategy="median")]
    numeric += [StandardScaler()] if scaled else []
    if features.dtype != object:
        return make_pipeline(*numeric, estimator)
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=np.nan),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    numbers = [i for i in range(features.shape[1]) if i != 1]
    parts = [
        ("numbers", make_pipeline(AsFloat(np.float64), *numeric), numbers),
        ("texts", texts, [1]),
    ]
    return make_pipeline(ColumnTransformer(parts), estimator)


def linear_peer(task: str, features: NDArray[Any]) -> Any:
    estimator = Ridge(alpha=0.5) if task == "regression" else LogisticRegression(max_iter=2000)
    return sklearn_peer(estimator, features, scaled=True)


def forest_peer(task: str, features: NDArray[Any]) -> Any:
    kind = RandomForestRegressor if task == "regression" else RandomForestClassifier
    return sklearn_peer(kind(n_estimators=7, random_state=17), features)


PEERS: dict[str, tuple[Callable[[str, NDArray[Any]], Any], dict[str, str]]] = {
    "xgboost": (
        xgboost_peer,
        {"num_round": "6", "max_depth": "3", "eta": "0.4", "subsample": "0.7"}
        | {"colsample_bytree": "0.8", "seed": "17"},
    ),
    "lightgbm": (
        lightgbm_peer,
        {"num_round": "6", "num_leaves": "7", "min_data_in_leaf": "4", "learning_rate": "0.3"}
        | {"bagging_fraction": "0.7", "bagging_freq": "1", "seed": "17"},
    ),
    "linear": (linear_peer, {"standardize": "true"}),
    "random_forest": (forest_peer, {"n_estimators": "7", "seed": "17"}),
}
