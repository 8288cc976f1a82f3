"""Real data that scikit-learn bundles, as rows of a CSV file with the label first."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

Rows = list[list[object]]


def iris_rows() -> Rows:
    """150 flowers, classes 0, 1, 2, no header."""
    features, label = load_iris(return_X_y=True)
    rows: Rows = np.column_stack([label, features]).tolist()
    return rows


def diabetes_rows() -> Rows:
    """442 patients with a header; the label is ``progression``."""
    data = load_diabetes()
    header = ["progression", *data.feature_names]
    return [header, *np.column_stack([data.target, data.data]).tolist()]


def cancer_rows(n_rows: int = 569) -> Rows:
    """Tumours, label 0 or 1, no header."""
    features, label = load_breast_cancer(return_X_y=True)
    rows: Rows = np.column_stack([label, features])[:n_rows].tolist()
    return rows
