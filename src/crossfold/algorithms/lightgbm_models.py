"""LightGBM behind the `Algorithm` protocol, through its native interface.

The same calls as `lightgbm.LGBMModel.fit` makes, so that numbers agree with scikit-learn's
`cross_validate` of its wrappers.  Source: LightGBM documentation, "Parameters" and "Python API".
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, FitWatcher, ModelSpec
from crossfold.algorithms.boosting import (
    Boosting,
    RoundScores,
    binary_prediction,
    boost,
    multiclass_prediction,
    query_sizes,
    require_groups,
    require_item_per_feature,
    require_values_per_row,
    require_whole,
    score_round,
    without_features,
)
from crossfold.algorithms.class_weights import fit_weights
from crossfold.algorithms.encoding import CategoryEncoder, fit_encoder, load_encoder
from crossfold.algorithms.library_failures import (
    failure,
    reason_of,
    recorded_warnings,
    told_as_algorithm_error,
)
from crossfold.algorithms.threads import usable_threads, useful_threads
from crossfold.data.table import Column
from crossfold.errors import UserError
from crossfold.metrics.prediction import Prediction, Task

MODEL_FILE = "model.txt"

_RANKERS = ("lambdarank", "rank_xendcg", "xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart")
_OF_CLASSES: Mapping[Task, tuple[str, ...]] = {
    "binary": ("binary", "cross_entropy", "xentropy"),
    "multiclass": ("multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"),
    "ranking": _RANKERS,
}
_DEFAULTS: Mapping[Task, str] = {
    "binary": "binary",
    "multiclass": "multiclass",
    "regression": "regression",
    "ranking": "lambdarank",
}
# Ours → the library's, where the definitions agree.  Its multi_error counts ties as errors, and
# its mape divides by at least 1: those two are scored by our own formulas.
_NATIVE_METRICS: Mapping[str, str] = {
    "logloss": "binary_logloss",
    "mlogloss": "multi_logloss",
    "rmse": "rmse",
    "mse": "l2",
    "mae": "l1",
    "auc": "auc",
}
_FAILURES = (LightGBMError, ValueError, TypeError)
_END = "\nend of trees\n"
_LOADING = threading.Lock()


@dataclass(slots=True)
class LightgbmModel:
    """A booster with the category codes and the columns that it was fitted on."""

    booster: Any
    task: Task
    encoder: CategoryEncoder
    columns: tuple[Column, ...]
    n_threads: int
    best: int | None = None
    warnings: tuple[str, ...] = ()
    train_prediction: Prediction | None = None

    @property
    def n_rounds(self) -> int:
        """Rounds that predictions use."""
        return _rounds_in(self.booster) if self.best is None else self.best

    def predict(self, features: NDArray[Any]) -> Prediction:
        """Predict rows of shape (n_rows, n_features), coded by the columns given to `fit`."""
        return _as_prediction(self.task, self._output("predict", features))

    def raw_scores(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum of the trees, before any link."""
        return self._output("predict", features, raw_score=True)

    def contributions(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Return SHAP values with the bias last; they add up to the raw score."""
        values = self._output("explain", features, pred_contrib=True)
        n_values = len(self.columns) + 1
        if values.shape[1] == n_values:
            return values
        return values.reshape(len(values), -1, n_values)

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``model.txt``, and the categories known where the columns do not tell."""
        text = self.booster.model_to_string(num_iteration=self.n_rounds)
        # Through Python's own file, so that a full disk is an OSError.
        (folder / MODEL_FILE).write_text(text, encoding="utf-8", newline="\n")
        return (MODEL_FILE, *self.encoder.save(folder, self.columns))

    def _output(self, action: str, features: NDArray[Any], **kind: bool) -> NDArray[np.float64]:
        try:
            output = self.booster.predict(
                self.encoder.encode(features),
                num_iteration=self.n_rounds,
                num_threads=useful_threads(self.n_threads, features.size),
                **kind,
            )
        except _FAILURES as error:
            raise failure("lightgbm", action, error) from error
        return np.asarray(output, dtype=np.float64)


@dataclass(slots=True)
class LightgbmAlgorithm:
    """LightGBM."""

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
    ) -> LightgbmModel:
        """Fit on `train` alone; `validation` is scored each round and never fitted on.

        Raises
        ------
        AlgorithmError
            LightGBM failed; its message is kept.
        UserError
            The objective does not fit the task, or a list does not fit the features.
        """
        _silence()
        require_item_per_feature(spec, columns)
        n_useful = useful_threads(spec.n_threads, train.features.size)
        params = _library_params(replace(spec, n_threads=n_useful))
        with (
            recorded_warnings() as texts,
            told_as_algorithm_error("lightgbm", "fit", *_FAILURES),
        ):
            encoder = fit_encoder(train.features, columns)
            data = {"train": _data_set(params, encoder, train, fit_weights(spec, train))}
            # The data set has its own bins: the rows may go, where the caller keeps none.
            train = without_features(train)
            watched = {"train": train} if evaluate_train else {}
            if validation is not None:
                watched["validation"] = validation
                data["validation"] = _data_set(
                    params, encoder, validation, validation.weight, reference=data["train"]
                )
            model = LightgbmModel(None, spec.task, encoder, columns, spec.n_threads)
            _Fitting(spec, params, model, data, watched).run(watcher)
        model.warnings = tuple(texts)
        return model

    def load(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        columns: tuple[Column, ...],
        *,
        n_threads: int | None = None,
    ) -> LightgbmModel:
        """Read what `LightgbmModel.save` wrote; `manifest` has ``task`` and may have ``files``.

        Raises
        ------
        UserError
            The file is no model, or does not fit the columns.
        """
        _silence()
        files = {Path(name).suffix: folder / name for name in manifest.get("files", (MODEL_FILE,))}
        path = files.get(".txt", folder / MODEL_FILE)
        try:
            text = path.read_text(encoding="utf-8")
            require_whole(path.name, is_whole=text.startswith("tree\n") and _END in text)
            booster = _booster_of(text, n_threads)
        except (LightGBMError, UnicodeDecodeError) as error:
            message = f"model file {path.name!r} is not a LightGBM model: {reason_of(error)}"
            raise UserError(message) from error
        if booster.num_feature() != len(columns):
            message = (
                f"model file {path.name!r} has {booster.num_feature()} features, but the manifest "
                f"{len(columns)} columns; train again"
            )
            raise UserError(message)
        require_values_per_row(path.name, int(booster.num_model_per_iteration()), manifest)
        encoder = load_encoder(files.get(".json"), columns)
        n_allowed = n_threads or usable_threads()
        # Kept, since the library is asked twice for it.
        n_rounds = _rounds_in(booster)
        return LightgbmModel(booster, manifest["task"], encoder, columns, n_allowed, best=n_rounds)


class _Fitting:
    """One fit: data sets, booster and the scores of its rounds."""

    def __init__(
        self,
        spec: ModelSpec,
        params: Mapping[str, Any],
        model: LightgbmModel,
        data: Mapping[str, Any],
        watched: Mapping[str, Examples],
    ) -> None:
        self._spec = spec
        self._params = params
        self._model = model
        self._watched = watched
        native = [_NATIVE_METRICS[m.name] for m in spec.metrics if m.name in _NATIVE_METRICS]
        metrics = native if native and watched else "None"
        self._booster = lightgbm.Booster({**params, "metric": metrics}, data["train"])
        if "validation" in data:
            self._booster.add_valid(data["validation"], "validation")
        self._best: int | None = None
        self._best_text: str | None = None
        model.booster = self._booster

    def run(self, watcher: FitWatcher | None) -> None:
        """Boost, and leave in the model the rounds that predictions shall use."""
        fit = Boosting(self._update, self._scores, self._keep, self._model)
        boost(self._spec, fit, watcher, is_watched="validation" in self._watched)
        if self._best_text is not None:
            self._model.booster = lightgbm.Booster(
                params={"verbosity": -1}, model_str=self._best_text
            )
        elif self._best is not None:
            self._model.best = self._best
        elif not self._params.get("linear_tree") and self._params.get("boosting") != "dart":
            # The scores of the last round are kept: no tree is walked again.
            self._model.train_prediction = self._output_of("train")
        self._booster.free_dataset()

    def _update(self, n_done: int) -> bool:
        # True means that this round found no split.  With bagging the next one may, and LightGBM's
        # own loop goes on as well.
        self._booster.update()
        return False

    def _keep(self, n_done: int) -> None:
        self._best = _rounds_in(self._booster)
        if self._params.get("boosting") == "dart":
            # Later rounds change the weights of earlier trees: no slice is the model of now.
            self._best_text = self._booster.model_to_string(num_iteration=-1)

    def _scores(self, n_done: int) -> RoundScores:
        return {name: self._scores_of(name, rows) for name, rows in self._watched.items()}

    def _scores_of(self, name: str, rows: Examples) -> dict[str, float]:
        # Train rows are fitted on with class weights, but scored without them.
        is_native = name != "train" or self._spec.class_weight is None
        known: dict[str, float] = {}
        if is_native:
            evaluate = self._booster.eval_train if name == "train" else self._booster.eval_valid
            native = {item[1]: float(item[2]) for item in evaluate()}
            wanted = [m.name for m in self._spec.metrics if m.name in _NATIVE_METRICS]
            known = {metric: native[_NATIVE_METRICS[metric]] for metric in wanted}
        return score_round(self._spec.metrics, known, rows, lambda: self._output_of(name))

    def _output_of(self, name: str) -> Prediction:
        """Return the predictions that the booster keeps for a data set, by its public door."""
        outputs: list[NDArray[np.float64]] = []

        def keep_output(output: NDArray[np.float64], _: Any) -> list[Any]:
            outputs.append(output)
            return []

        evaluate = self._booster.eval_train if name == "train" else self._booster.eval_valid
        evaluate(feval=keep_output)
        return _as_prediction(self._spec.task, outputs[0])


def _data_set(
    params: Mapping[str, Any],
    encoder: CategoryEncoder,
    rows: Examples,
    weight: NDArray[np.float64] | None,
    *,
    reference: Any = None,
) -> Any:
    is_ranking = params["objective"] in _RANKERS
    data = lightgbm.Dataset(
        encoder.encode(rows.features),
        rows.target,
        weight=weight,
        group=query_sizes(require_groups(rows)) if is_ranking else None,
        reference=reference,
        categorical_feature=list(encoder.positions) or "auto",
        params=dict(params),
    )
    return data.construct()


class _SilentLogger:
    """Takes what LightGBM would print; its failures come as exceptions all the same."""

    def info(self, message: str) -> None:
        """Drop a message."""

    def warning(self, message: str) -> None:
        """Drop a warning."""


def _silence() -> None:
    lightgbm.register_logger(_SilentLogger())


def _library_params(spec: ModelSpec) -> dict[str, Any]:
    objective = str(spec.params.get("objective", _DEFAULTS[spec.task]))
    allowed = _OF_CLASSES.get(spec.task)
    elsewhere = {name for names in _OF_CLASSES.values() for name in names}
    is_value = allowed is None and objective not in elsewhere - set(_OF_CLASSES["binary"])
    if not is_value and (allowed is None or objective not in allowed):
        known = ", ".join(allowed) if allowed else "an objective for values"
        message = (
            f"hyperparameter 'objective' is {objective!r}, which does not fit task {spec.task!r}; "
            f"expected {known}, or choose another task"
        )
        raise UserError(message)
    params = {"verbosity": -1, "deterministic": True, **spec.params, "objective": objective}
    params |= {"seed": spec.seed, "num_threads": spec.n_threads}
    if spec.task == "multiclass":
        params["num_class"] = spec.n_classes
    return params


def _booster_of(text: str, n_threads: int | None) -> Any:
    """Read a booster; a library that can be held to `n_threads` meanwhile, is."""
    library: Any = getattr(lightgbm.basic, "_LIB", None)
    if n_threads is None or not hasattr(library, "LGBM_SetMaxThreads"):
        return lightgbm.Booster(params={"verbosity": -1}, model_str=text)
    # Trees are read by all threads of OpenMP, and no parameter of a booster says otherwise.  The
    # limit is the whole process's: one at a time.
    with _LOADING:
        library.LGBM_SetMaxThreads(ctypes.c_int(n_threads))
        try:
            return lightgbm.Booster(params={"verbosity": -1}, model_str=text)
        finally:
            library.LGBM_SetMaxThreads(ctypes.c_int(-1))


def _as_prediction(task: Task, output: NDArray[np.float64]) -> Prediction:
    if task == "binary":
        return binary_prediction(output)
    if task == "multiclass":
        return multiclass_prediction(output)
    return Prediction(values=output)


def _rounds_in(booster: Any) -> int:
    return int(booster.num_trees() // booster.num_model_per_iteration())
