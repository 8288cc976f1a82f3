"""Rows for tests of models: numbers with missing cells, categories, weights, queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, Model, ModelSpec
from crossfold.algorithms.registry import algorithm_named
from crossfold.data.table import Column
from crossfold.metrics.prediction import Prediction, Task

COLUMNS = (
    Column("größe", "number"),
    Column("age", "number"),
    Column("kind", "category", ("ash", "beech", "elm", "oak", "yew")),
    Column("price", "number"),
)
KIND = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """Features by the columns above, and a target, weights and queries."""

    features: NDArray[np.float64]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]
    group: NDArray[np.int32]

    def examples(
        self, rows: Any = slice(None), *, dtype: type = np.float64, weighted: bool = True
    ) -> Examples:
        return Examples(
            self.features[rows].astype(dtype),
            self.target[rows],
            self.weight[rows] if weighted else None,
            self.group[rows],
        )


def make_rows(n_classes: int, n_rows: int = 400, seed: int = 5) -> Rows:
    """Draw rows; `n_classes` 0 asks for values.  Every code of the category column occurs."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, 4)) * [1.0, 3.0, 1.0, 100.0]
    codes = rng.integers(0, 5, n_rows)
    signal = features[:, 0] + 0.5 * features[:, 1] + np.array([2.0, -1.0, 0.5, -3.0, 1.0])[codes]
    noisy = signal + rng.normal(size=n_rows)
    features[:, KIND] = codes
    for column in range(4):
        features[rng.random(n_rows) < 0.1, column] = np.nan
    target = noisy
    if n_classes:
        # Unequal classes, so that a mean over classes is not a mean over rows.
        edges = np.quantile(noisy, np.linspace(0, 1, n_classes + 1)[1:-1] ** 1.5)
        target = np.searchsorted(edges, noisy).astype(np.float64)
    group = np.sort(rng.integers(0, n_rows // 8, n_rows)).astype(np.int32)
    return Rows(features, target, rng.integers(1, 5, n_rows).astype(np.float64), group)


def make_spec(algorithm: str, task: Task, n_classes: int, **options: Any) -> ModelSpec:
    """Say what to fit, with few rounds."""
    return replace(ModelSpec(algorithm, task, n_classes, num_round=12, seed=3), **options)


def fitted(spec: ModelSpec, train: Examples, **options: Any) -> Model:
    """Fit with the columns above."""
    algorithm = algorithm_named(spec.algorithm)
    exact = replace(train, features=train.features.astype(algorithm.dtype))
    return algorithm.fit(spec, COLUMNS, exact, **options)


def scores_over_folds(
    spec: ModelSpec,
    rows: Rows,
    splits: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
    score: Callable[[NDArray[np.float64], Prediction], float],
    *,
    weighted: bool = True,
) -> list[float]:
    """Fit and score each fold through the protocol alone."""
    algorithm = algorithm_named(spec.algorithm)
    scores = []
    for train, test in splits:
        examples = rows.examples(train, dtype=algorithm.dtype, weighted=weighted)
        model = algorithm.fit(spec, COLUMNS, examples)
        prediction = model.predict(rows.features[test].astype(algorithm.dtype))
        scores.append(score(rows.target[test], prediction))
    return scores


def given(part: Any) -> Any:
    """Return a part of a prediction that must be there."""
    assert part is not None
    return part


class Rounds:
    """A watcher with a memory; it ends the fit after `stop_after` rounds."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.heard: list[tuple[int, dict[str, dict[str, float]]]] = []
        self.models: list[Model] = []
        self._stop_after = stop_after

    def after_round(self, n_done: int, scores: Any, model_so_far: Model) -> bool:
        self.heard.append((n_done, {name: dict(values) for name, values in scores.items()}))
        self.models.append(model_so_far)
        return n_done == self._stop_after
