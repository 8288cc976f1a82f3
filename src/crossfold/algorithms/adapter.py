"""What every algorithm family fulfils, whatever library stands behind it.

An `Algorithm` turns `Examples` into a `Model`; a `Model` turns features into a `Prediction` and
itself into files.  Nothing here imports a library: adapters do, when their name is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfold.data.table import Column
from crossfold.metrics.metric import Metric
from crossfold.metrics.prediction import Prediction, Task


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows to fit on or to watch.

    Attributes
    ----------
    features : ndarray of shape (n_rows, n_features), float32 or float64
        C order.  NaN is missing; category columns hold codes into `Column.categories`.
    target : ndarray of shape (n_rows,), float64
        Class codes 0 … n_classes - 1, or values.
    weight : ndarray of shape (n_rows,), float64, optional
    group : ndarray of shape (n_rows,), int32, optional
        Query code of each row, for ranking; rows of one query are adjacent.
    """

    features: NDArray[Any]
    target: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None
    group: NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True)
class FitState:
    """A fit on its way: all that another process needs to go on with it.

    Attributes
    ----------
    n_done : int
        Finished rounds.
    n_best : int
        The best of them, for early stopping; 0 without.
    best : float
        Its score.
    booster : bytes
        The library's own format.
    """

    n_done: int
    n_best: int
    best: float
    booster: bytes


class FitProgress(Protocol):
    """Where a fit on its way is kept."""

    def earlier(self) -> FitState | None:
        """Return what an earlier start has kept of this very fit."""

    def is_due(self) -> bool:
        """Say whether it is time to keep the fit again."""

    def save(self, state: FitState) -> None:
        """Keep the fit."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What to fit, decided and checked before any data is read.

    Attributes
    ----------
    algorithm : str
        Registry name (``xgboost``, ``lightgbm``, ``svm``, …) or an import path.
    task : {'binary', 'multiclass', 'regression', 'ranking'}
    n_classes : int
        0 when the task has no classes.
    params : mapping
        Typed values under the library's own names, without those below.
    num_round : int
        Boosting rounds, at least 1.
    early_stopping_rounds : int, optional
        Rounds without improvement of the first metric before a fit stops.
    metrics : tuple of Metric
        The first is the objective metric.
    n_threads : int
        Threads that one fit may use, at least 1.
    class_weight : 'balanced' or mapping of class code to weight, optional
        Multiplies the weights of the rows fitted on (never those scored), as scikit-learn's
        ``class_weight`` does; ``balanced`` is computed from the rows fitted on.
    progress : FitProgress, optional
        Keeps a fit on its way, so that another process can go on with it; only where the numbers
        are those of a fit that was never interrupted (see `continuation`).
    """

    algorithm: str
    task: Task
    n_classes: int
    params: Mapping[str, Any] = field(default_factory=dict)
    num_round: int = 100
    early_stopping_rounds: int | None = None
    seed: int = 0
    standardize: bool = False
    metrics: tuple[Metric, ...] = ()
    n_threads: int = 1
    class_weight: Literal["balanced"] | Mapping[int, float] | None = None
    progress: FitProgress | None = None


class Model(Protocol):
    """A fitted model with everything that its predictions need, encoders included."""

    @property
    def n_rounds(self) -> int | None:
        """Rounds that predictions use (the best ones after early stopping); None if not boosted."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the library had to say of the fit, one line each."""

    @property
    def train_prediction(self) -> Prediction | None:
        """Predictions of the rows fitted on, in their order, where the fit left them at no cost.

        Equal to what `predict` gives to 1e-12; None where only `predict` can tell.
        """

    def predict(self, features: NDArray[Any]) -> Prediction:
        """Predict rows of shape (n_rows, n_features), coded by the columns given to `fit`."""

    def raw_scores(self, features: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return margins or the decision function, before any link; None if there are none.

        Shape (n_rows,), or (n_rows, n_classes) for several classes.
        """

    def contributions(self, features: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return SHAP values with the bias last, adding up to the raw score; None if unknown.

        Shape (n_rows, n_features + 1), or (n_rows, n_classes, n_features + 1) for several classes.
        """

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write the library's own format into `folder`; return the file names."""


class FitWatcher(Protocol):
    """Hears of every boosting round, and may end the fit."""

    def after_round(
        self,
        n_done: int,
        scores: Mapping[str, Mapping[str, float]],
        model_so_far: Model,
    ) -> bool:
        """Take note of a finished round; return True to end the fit after it.

        Parameters
        ----------
        n_done : int
            Finished rounds, from 1.
        scores : mapping
            ``{'train': {metric: value}, 'validation': {…}}``; only what was evaluated.
        model_so_far : Model
            A live view of the booster: predict or save it now, or not at all.
        """


class Algorithm(Protocol):
    """One library family."""

    dtype: type[np.float32 | np.float64]
    """Element type of the features that this family wants."""

    def fit(
        self,
        spec: ModelSpec,
        columns: tuple[Column, ...],
        train: Examples,
        *,
        validation: Examples | None = None,
        evaluate_train: bool = False,
        watcher: FitWatcher | None = None,
    ) -> Model:
        """Fit on `train` alone; `validation` is scored each round and never fitted on.

        Raises
        ------
        AlgorithmError
            The library failed; its message is kept.
        """

    def load(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        columns: tuple[Column, ...],
        *,
        n_threads: int | None = None,
    ) -> Model:
        """Read what `Model.save` wrote; never unpickles.

        Parameters
        ----------
        folder : Path
        manifest : mapping
            ``task`` and ``n_classes``, and ``files`` where they have other names.
        columns : tuple of Column
        n_threads : int, optional
            Threads that loading and predicting may use; None for all that this process may use.
            With 1 no thread is ever started, so that a process may fork afterwards.
        """
