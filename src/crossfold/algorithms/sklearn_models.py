"""scikit-learn behind the `Algorithm` protocol: a pipeline that is fitted whole inside the fold.

Source: scikit-learn user guide, "Pipelines and composite estimators".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, FitWatcher, ModelSpec
from crossfold.algorithms.class_weights import fit_weights
from crossfold.algorithms.library_failures import (
    reason_of,
    recorded_warnings,
    told_as_algorithm_error,
)
from crossfold.algorithms.sklearn_estimators import (
    build_estimator,
    constructor_names,
    estimator_class,
    says_probabilities,
)
from crossfold.algorithms.sklearn_jobs import hold_jobs
from crossfold.algorithms.sklearn_pipeline import build_pipeline
from crossfold.algorithms.skops_files import read_skops, write_skops
from crossfold.algorithms.thread_pools import hold_threads
from crossfold.algorithms.threads import usable_threads, useful_threads
from crossfold.data.table import Column
from crossfold.errors import UserError
from crossfold.metrics.prediction import Prediction, Task

MODEL_FILE = "model.skops"

_FAILURES = (ValueError, TypeError, RuntimeError, AttributeError, ArithmeticError, IndexError)
# Their `predict` is the argmax of `predict_proba`: asking for both would do the work twice.
_LABELS_FROM_PROBABILITIES = frozenset(
    {"RandomForestClassifier", "ExtraTreesClassifier", "HistGradientBoostingClassifier"}
)
# How linear models tell that solver, penalty and loss do not go together.
_CONTRADICTION = re.compile(
    r"Unsupported set of arguments|\bpenalty\b|\bsolver\b.*\b(?:only|supports?)\b", re.IGNORECASE
)
# A class that the rows fitted on did not have: below every score, and finite so that means are.
_ABSENT_SCORE = -1e300


@dataclass(slots=True)
class SklearnModel:
    """A fitted pipeline; it speaks of all classes, also of those that its rows did not have."""

    pipeline: Any
    task: Task
    n_classes: int
    n_threads: int
    warnings: tuple[str, ...] = ()
    train_prediction: Prediction | None = None
    _has_probabilities: bool | None = field(default=None, repr=False)

    @property
    def n_rounds(self) -> None:
        """Return None: nothing here is counted in rounds."""
        return

    def predict(self, features: NDArray[Any]) -> Prediction:
        """Predict rows of shape (n_rows, n_features), coded by the columns given to `fit`."""
        with (
            recorded_warnings(),
            told_as_algorithm_error("scikit-learn", "predict", *_FAILURES),
            _told_as_too_large(),
        ):
            hold_threads(self.n_threads)
            if self.n_classes == 0:
                values = np.asarray(self.pipeline.predict(features), dtype=np.float64)
                return Prediction(values=values.reshape(len(features)))
            return self._predict_classes(features)

    def raw_scores(self, features: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the decision function; None for values and where the estimator has none."""
        if self.n_classes == 0 or not hasattr(self.pipeline[-1], "decision_function"):
            return None
        with (
            recorded_warnings(),
            told_as_algorithm_error("scikit-learn", "predict", *_FAILURES),
            _told_as_too_large(),
        ):
            hold_threads(self.n_threads)
            return self._scores(
                np.asarray(self.pipeline[-1].decision_function(self._prepared(features)))
            )

    def contributions(self, features: NDArray[Any]) -> None:
        """Return None: scikit-learn has no exact contributions."""
        del features

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``model.skops``."""
        write_skops(folder / MODEL_FILE, self.pipeline)
        return (MODEL_FILE,)

    def _predict_classes(self, features: NDArray[Any]) -> Prediction:
        estimator = self.pipeline[-1]
        prepared = self._prepared(features)
        probabilities = scores = labels = None
        if self._says_probabilities():
            raw = np.asarray(estimator.predict_proba(prepared), dtype=np.float64)
            probabilities = self._by_class(raw, 0.0)
            if type(estimator).__name__ in _LABELS_FROM_PROBABILITIES:
                labels = probabilities.argmax(axis=1).astype(np.int64)
        elif hasattr(estimator, "decision_function"):
            scores = self._scores(np.asarray(estimator.decision_function(prepared)))
        if labels is None:
            labels = np.asarray(estimator.predict(prepared)).astype(np.int64)
        return Prediction(labels=labels, probabilities=probabilities, scores=scores)

    def _prepared(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return what the estimator sees, once for labels, probabilities and scores.

        As `Pipeline.transform` does it; to slice the pipeline takes longer than a row.
        """
        prepared = features
        for _, step in self.pipeline.steps[:-1]:
            prepared = step.transform(prepared)
        return prepared

    def _says_probabilities(self) -> bool:
        if self._has_probabilities is None:
            estimator = self.pipeline[-1]
            params = estimator.get_params(deep=False)
            self._has_probabilities = says_probabilities(type(estimator), params)
        return self._has_probabilities

    def _scores(self, raw: NDArray[Any]) -> NDArray[np.float64] | None:
        raw = raw.astype(np.float64)
        if self.n_classes == 2:
            return raw if raw.ndim == 1 else None
        by_class = np.column_stack([-raw, raw]) if raw.ndim == 1 else raw
        if by_class.shape[1] != len(self._present()):
            # One score for each pair of classes says nothing of a single class.
            return None
        return self._by_class(by_class, _ABSENT_SCORE)

    def _by_class(self, present: NDArray[np.float64], absent: float) -> NDArray[np.float64]:
        codes = self._present()
        if len(codes) == self.n_classes:
            return present
        full = np.full((len(present), self.n_classes), absent)
        full[:, codes] = present
        return full

    def _present(self) -> NDArray[np.int64]:
        return np.asarray(self.pipeline[-1].classes_).astype(np.int64)


@dataclass(slots=True)
class SklearnAlgorithm:
    """scikit-learn's classifiers and regressors."""

    dtype: type[np.float32 | np.float64] = np.float64

    def fit(
        self,
        spec: ModelSpec,
        columns: tuple[Column, ...],
        train: Examples,
        *,
        validation: Examples | None = None,
        evaluate_train: bool = False,
        watcher: FitWatcher | None = None,
    ) -> SklearnModel:
        """Fit on `train` alone; without rounds there is nothing to score or to watch meanwhile.

        Raises
        ------
        AlgorithmError
            scikit-learn failed; its message is kept.
        UserError
            The estimator refuses a parameter, or takes no weights where there are some.
        """
        del validation, evaluate_train, watcher
        found = estimator_class(spec.algorithm, spec.task)
        is_classifier = spec.n_classes > 0
        target = train.target.astype(np.int64) if is_classifier else train.target
        present = np.unique(target).tolist() if is_classifier else []
        n_jobs = useful_threads(spec.n_threads, train.features.size)
        estimator = build_estimator(replace(spec, n_threads=n_jobs), found, present)
        weight = _weight_to_pass(spec, found, estimator, train)
        pipeline = build_pipeline(estimator, columns, train.features, standardize=spec.standardize)
        options = {} if weight is None else {"estimator__sample_weight": weight}
        with (
            recorded_warnings() as texts,
            told_as_algorithm_error("scikit-learn", "fit", *_FAILURES),
            _told_as_user_error(),
        ):
            hold_threads(spec.n_threads)
            pipeline.fit(train.features, target, **options)
        return SklearnModel(pipeline, spec.task, spec.n_classes, spec.n_threads, tuple(texts))

    def load(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        columns: tuple[Column, ...],
        *,
        n_threads: int | None = None,
    ) -> SklearnModel:
        """Read what `SklearnModel.save` wrote; `manifest` has ``task`` and ``n_classes``.

        Raises
        ------
        UserError
            The file holds a type that is not scikit-learn's own, or does not fit the columns.
        """
        (name,) = manifest.get("files", (MODEL_FILE,))
        n_allowed = n_threads or usable_threads()
        pipeline = read_skops(folder / name)
        if getattr(pipeline, "n_features_in_", None) != len(columns):
            message = f"model file {name!r} does not fit the manifest's columns; train again"
            raise UserError(message)
        hold_jobs(pipeline, n_allowed)
        return SklearnModel(pipeline, manifest["task"], int(manifest["n_classes"]), n_allowed)


def _weight_to_pass(
    spec: ModelSpec, found: type[Any], estimator: Any, train: Examples
) -> NDArray[np.float64] | None:
    """Return the weights for the estimator's `fit`; class weights too if it has no other way."""
    from sklearn.utils.validation import has_fit_parameter

    has_own = "class_weight" in constructor_names(found)
    weight = train.weight if has_own else fit_weights(spec, train)
    if weight is None or has_fit_parameter(estimator, "sample_weight"):
        return weight
    asked = "weight_column" if train.weight is not None else "class_weight"
    message = (
        f"{asked} is given, but {found.__name__} takes no weights; leave it out or choose another "
        "algorithm"
    )
    raise UserError(message)


@contextmanager
def _told_as_too_large() -> Iterator[None]:
    """Tell a value that a step before the estimator made infinite as the sender's."""
    try:
        yield
    except ValueError as error:
        if "value too large" not in str(error):
            raise
        message = (
            "a value is so large that the model's own scaling takes it beyond what the estimator "
            "can hold; correct it, or leave it empty"
        )
        raise UserError(message) from error


@contextmanager
def _told_as_user_error() -> Iterator[None]:
    """Tell a parameter out of its range, or two that exclude each other, as the user's."""
    from sklearn.utils._param_validation import InvalidParameterError

    try:
        yield
    except InvalidParameterError as error:
        message = f"hyperparameter out of range: {' '.join(str(error).split())}"
        raise UserError(message) from error
    except ValueError as error:
        if not _CONTRADICTION.search(str(error)):
            raise
        message = f"hyperparameters contradict each other: {reason_of(error).rstrip('.')}"
        raise UserError(message) from error
