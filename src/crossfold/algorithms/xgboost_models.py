"""XGBoost behind the `Algorithm` protocol, through its native interface.

The same calls as `xgboost.XGBModel.fit` makes, so that numbers agree with scikit-learn's
`cross_validate` of its wrappers.  Source: XGBoost documentation, "XGBoost Parameters" and "Python
API Reference".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xgboost
from numpy.typing import NDArray
from xgboost.core import XGBoostError

from crossfold.algorithms.adapter import Examples, FitWatcher, ModelSpec
from crossfold.algorithms.boosting import (
    Boosting,
    RoundScores,
    binary_prediction,
    boost,
    multiclass_prediction,
    require_item_per_feature,
    require_values_per_row,
    require_whole,
    score_round,
    sigmoid,
    softmax,
    without_features,
)
from crossfold.algorithms.continuation import can_continue_xgboost
from crossfold.algorithms.dense_prediction import DensePredictor
from crossfold.algorithms.encoding import CategoryEncoder, fit_encoder, load_encoder
from crossfold.algorithms.library_failures import (
    failure,
    reason_of,
    recorded_warnings,
    told_as_algorithm_error,
)
from crossfold.algorithms.threads import processors, usable_threads, useful_threads
from crossfold.algorithms.xgboost_file import require_sound_trees
from crossfold.algorithms.xgboost_inputs import (
    booster_params,
    feature_types,
    objective_of,
    training_matrix,
    watched_matrix,
)
from crossfold.data.table import Column
from crossfold.errors import UserError
from crossfold.metrics.prediction import Prediction, Task

MODEL_FILE = "model.ubj"

Output = Literal["value", "margin"]

# The library's definition is ours for these; others are scored by our own formulas.
_NATIVE_METRICS = frozenset({"logloss", "mlogloss", "rmse", "mae", "auc", "error", "merror"})
# No slice of these is the model of an earlier round: it must be copied when it is the best.
_UNSLICEABLE = frozenset({"gblinear", "dart"})
_FAILURES = (XGBoostError, ValueError, TypeError)
_MOST_ROWS = 1 << 16


@dataclass(slots=True)
class XgboostModel:
    """A booster with the category codes and the columns that it was fitted on."""

    booster: Any
    task: Task
    objective: str
    is_linear: bool
    encoder: CategoryEncoder
    columns: tuple[Column, ...]
    n_threads: int
    warnings: tuple[str, ...] = ()
    train_prediction: Prediction | None = None
    _few_rows: DensePredictor | None = field(default=None, repr=False)

    @property
    def n_rounds(self) -> int:
        """Rounds in the booster; predictions use all of them."""
        return int(self.booster.num_boosted_rounds())

    def predict(self, features: NDArray[Any]) -> Prediction:
        """Predict rows of shape (n_rows, n_features), coded by the columns given to `fit`."""
        encoded = self.encoder.encode(features)
        try:
            return _as_prediction(
                self.task, self.objective, lambda kind: self._output(encoded, kind)
            )
        except _FAILURES as error:
            raise failure("xgboost", "predict", error) from error

    def raw_scores(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Return margins: the trees' sum and the base score, before the objective's link."""
        with told_as_algorithm_error("xgboost", "predict", *_FAILURES):
            margins = self._output(self.encoder.encode(features), "margin")
        return margins.astype(np.float64)

    def contributions(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Return SHAP values with the bias last; they add up to the margin."""
        matrix = self._matrix(self.encoder.encode(features))
        with told_as_algorithm_error("xgboost", "explain", *_FAILURES):
            values = self.booster.predict(matrix, pred_contribs=True, validate_features=False)
        return np.asarray(values, dtype=np.float64)

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``model.ubj``, and the categories known where the columns do not tell."""
        # Through Python's own file, so that a full disk is an OSError.
        (folder / MODEL_FILE).write_bytes(self.booster.save_raw("ubj"))
        return (MODEL_FILE, *self.encoder.save(folder, self.columns))

    def _output(self, encoded: NDArray[Any], kind: Output) -> NDArray[np.float32]:
        if self.is_linear:
            return _predict_matrix(self.booster, self._matrix(encoded), kind)
        few = self._few_rows
        if few is not None and few.takes(encoded):
            output = few.output(encoded, is_margin=kind == "margin")
            if output is not None:
                return output
        # For many rows, and to tell why the library failed.
        parts = [
            _array(self.booster.inplace_predict(rows, predict_type=kind, validate_features=False))
            for rows in _slices(encoded)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _matrix(self, encoded: NDArray[Any]) -> Any:
        return xgboost.DMatrix(
            encoded,
            feature_types=feature_types(self.columns),
            enable_categorical=True,
            nthread=self.n_threads,
        )


@dataclass(slots=True)
class XgboostAlgorithm:
    """XGBoost."""

    dtype: type[np.float32 | np.float64] = np.float32

    def fit(
        self,
        spec: ModelSpec,
        columns: tuple[Column, ...],
        train: Examples,
        *,
        validation: Examples | None = None,
        evaluate_train: bool = False,
        watcher: FitWatcher | None = None,
    ) -> XgboostModel:
        """Fit on `train` alone; `validation` is scored each round and never fitted on.

        Raises
        ------
        AlgorithmError
            XGBoost failed; its message is kept.
        UserError
            The objective does not fit the task, a list does not fit the features, or the weights
            differ within a query.
        """
        require_item_per_feature(spec, columns)
        objective = objective_of(spec)
        spec = replace(spec, n_threads=useful_threads(spec.n_threads, train.features.size))
        with (
            recorded_warnings() as texts,
            told_as_algorithm_error("xgboost", "fit", *_FAILURES),
        ):
            encoder = fit_encoder(train.features, columns)
            matrices = {"train": training_matrix(spec, columns, encoder, train)}
            # The matrix has its own copy: the rows may go, where the caller keeps none.
            train = without_features(train)
            watched = {"train": train} if evaluate_train else {}
            if validation is not None:
                watched["validation"] = validation
                like = matrices["train"]
                matrices["validation"] = watched_matrix(
                    spec, columns, encoder, validation, like=like
                )
            model = XgboostModel(
                None,
                spec.task,
                objective,
                is_linear=spec.params.get("booster") == "gblinear",
                encoder=encoder,
                columns=columns,
                n_threads=spec.n_threads,
            )
            _Fitting(spec, model, matrices, watched).run(watcher)
        model.warnings = tuple(texts)
        return model

    def load(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        columns: tuple[Column, ...],
        *,
        n_threads: int | None = None,
    ) -> XgboostModel:
        """Read what `XgboostModel.save` wrote; `manifest` has ``task`` and may have ``files``.

        Raises
        ------
        UserError
            The file is no booster, or does not fit the columns.
        """
        files = {Path(name).suffix: folder / name for name in manifest.get("files", (MODEL_FILE,))}
        path = files.get(".ubj", folder / MODEL_FILE)
        booster = _read_booster(path, len(columns), n_threads)
        learner = json.loads(booster.save_config())["learner"]
        is_linear = learner["gradient_booster"]["name"] == "gblinear"
        n_values = max(1, int(learner["learner_model_param"]["num_class"]))
        require_values_per_row(path.name, n_values, manifest)
        return XgboostModel(
            booster,
            manifest["task"],
            objective=learner["objective"]["name"],
            is_linear=is_linear,
            encoder=load_encoder(files.get(".json"), columns),
            columns=columns,
            n_threads=n_threads or usable_threads(),
            _few_rows=DensePredictor.of(booster, getattr(xgboost.core, "_LIB", None)),
        )


class _Fitting:
    """One fit: matrices, booster and the scores of its rounds."""

    def __init__(
        self,
        spec: ModelSpec,
        model: XgboostModel,
        matrices: Mapping[str, Any],
        watched: Mapping[str, Examples],
    ) -> None:
        self._spec = spec
        self._model = model
        self._matrices = matrices
        self._watched = watched
        # Train rows are fitted on with class weights, but scored without them.
        can_ask = spec.class_weight is None or "train" not in watched
        known = [m.name for m in spec.metrics if m.name in _NATIVE_METRICS]
        self._native = known if watched and can_ask else []
        params = booster_params(spec, model.objective)
        if self._native:
            params["eval_metric"] = self._native
        self._goes_on = can_continue_xgboost(spec, model.objective)
        self._earlier = spec.progress.earlier() if spec.progress and self._goes_on else None
        model_file = None if self._earlier is None else bytearray(self._earlier.booster)
        self._booster: Any = xgboost.Booster(params, list(matrices.values()), model_file)
        self._best: Any = None
        model.booster = self._booster

    def run(self, watcher: FitWatcher | None) -> None:
        """Boost, and leave in the model the rounds that predictions shall use."""
        steps = (self._update, self._scores, self._keep, self._model)
        state = (lambda: bytes(self._booster.save_raw("ubj"))) if self._goes_on else None
        fit = Boosting(*steps, self._earlier, state)
        n_rounds = boost(self._spec, fit, watcher, is_watched="validation" in self._watched)
        booster = self._booster
        if self._best is not None:
            booster = self._best
        elif n_rounds < booster.num_boosted_rounds():
            booster = booster[:n_rounds]
        elif self._spec.params.get("booster") not in _UNSLICEABLE:
            # The margins of the last round are cached: no tree is walked again.
            self._model.train_prediction = self._predict(self._matrices["train"])
        # Frees the prediction caches, and with them the matrices.
        self._model.booster = booster.reset()

    def _update(self, n_done: int) -> bool:
        self._booster.update(self._matrices["train"], n_done)
        return False

    def _keep(self, n_done: int) -> None:
        if self._spec.params.get("booster") in _UNSLICEABLE:
            self._best = self._booster.copy()

    def _scores(self, n_done: int) -> RoundScores:
        native = self._native_scores(n_done) if self._native else {}
        return {
            name: score_round(
                self._spec.metrics,
                native.get(name, {}),
                rows,
                lambda name=name: self._predict(self._matrices[name]),  # type: ignore[misc]
            )
            for name, rows in self._watched.items()
        }

    def _native_scores(self, n_done: int) -> RoundScores:
        scores: RoundScores = {name: {} for name in self._watched}
        line = self._booster.eval_set([(self._matrices[name], name) for name in scores], n_done)
        for part in line.split("\t")[1:]:
            key, value = part.rsplit(":", 1)
            name, metric = key.split("-", 1)
            scores[name][metric] = float(value)
        return scores

    def _predict(self, matrix: Any) -> Prediction:
        # The library caches the margin of these matrices: each round adds its own trees only.
        return _as_prediction(
            self._spec.task,
            self._model.objective,
            lambda kind: _predict_matrix(self._booster, matrix, kind),
        )


def _read_booster(path: Path, n_features: int, n_threads: int | None) -> Any:
    """Read a model file; what is wrong with it is a UserError."""
    booster = xgboost.Booster(params={"nthread": n_threads or usable_threads(), "verbosity": 0})
    data = path.read_bytes()
    require_whole(path.name, is_whole=data[:1] == b"{" and data[-1:] == b"}" and len(data) > 2)
    try:
        with _loading_held(n_threads):
            booster.load_model(bytearray(data))
    except XGBoostError as error:
        message = f"model file {path.name!r} is not an XGBoost model: {reason_of(error)}"
        raise UserError(message) from error
    if booster.num_features() != n_features:
        message = (
            f"model file {path.name!r} has {booster.num_features()} features, but the manifest "
            f"{n_features} columns; train again"
        )
        raise UserError(message)
    require_sound_trees(path.name, data, n_features)
    return booster


@contextmanager
def _loading_held(n_threads: int | None) -> Iterator[None]:
    """Hold the reading of trees to `n_threads`: it does not look at the booster's parameters."""
    if n_threads is None:
        yield
        return
    xgboost.set_config(nthread=n_threads)
    try:
        yield
    finally:
        # Of this thread alone.  What was in force cannot be asked for: until it is set, it is 0.
        xgboost.set_config(nthread=processors())


def _slices(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut rows such that what the library keeps of an answer stays small.

    It keeps the last one for each thread and booster, and longer than the booster lives.
    """
    for start in range(0, max(1, len(rows)), _MOST_ROWS):
        yield rows[start : start + _MOST_ROWS]


def _as_prediction(
    task: Task, objective: str, predict: Callable[[Output], NDArray[np.float32]]
) -> Prediction:
    """Turn raw output into a prediction."""
    if task in ("regression", "ranking"):
        values = predict("value")
        if values.ndim != 1:
            message = (
                f"objective {objective!r} gives {values.shape[1]} values for each row; expected "
                "one; ask for a single quantile or target"
            )
            raise UserError(message)
        return Prediction(values=values.astype(np.float64))
    if objective == "multi:softmax":
        return multiclass_prediction(softmax(predict("margin")))
    if task == "multiclass":
        return multiclass_prediction(predict("value"))
    if objective == "binary:hinge":
        margins = predict("margin").astype(np.float64)
        return Prediction(labels=(margins > 0).astype(np.int64), scores=margins)
    if objective == "binary:logitraw":
        return binary_prediction(sigmoid(predict("margin")))
    return binary_prediction(predict("value"))


def _predict_matrix(booster: Any, matrix: Any, kind: Output) -> NDArray[np.float32]:
    is_margin = kind == "margin"
    return _array(booster.predict(matrix, output_margin=is_margin, validate_features=False))


def _array(output: Any) -> NDArray[np.float32]:
    return np.asarray(output, dtype=np.float32)
