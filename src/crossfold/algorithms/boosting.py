"""What both boosting libraries share: the best round, scores of a round, raw output to predictions.

Knows no library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Examples, FitState, FitWatcher, Model, ModelSpec
from crossfold.data.table import Column
from crossfold.errors import UserError
from crossfold.metrics.metric import Metric
from crossfold.metrics.prediction import Prediction

RoundScores = dict[str, dict[str, float]]

_ITEM_PER_FEATURE = (
    "monotone_constraints",
    "feature_contri",
    "max_bin_by_feature",
    "cegb_penalty_feature_lazy",
    "cegb_penalty_feature_coupled",
)


@dataclass(slots=True)
class BestRound:
    """The best round so far by one metric, and when to stop waiting for a better one.

    A round must be strictly better, as in XGBoost's and LightGBM's own early stopping.
    """

    metric: Metric
    patience: int
    n_best: int = 0
    best: float = field(default=float("nan"))

    def note(self, n_done: int, score: float) -> bool:
        """Take note of the score after `n_done` rounds; return True if it is the best so far."""
        is_better = score > self.best if self.metric.direction == "maximize" else score < self.best
        if self.n_best == 0 or is_better or (np.isnan(self.best) and not np.isnan(score)):
            self.n_best, self.best = n_done, score
            return True
        return False

    def is_exhausted(self, n_done: int) -> bool:
        """Tell whether the patience is at its end after `n_done` rounds."""
        return n_done - self.n_best >= self.patience


@dataclass(frozen=True, slots=True)
class Boosting:
    """A fit in progress, as the loop over its rounds sees it.

    Attributes
    ----------
    update : callable of int
        Adds the round of that number, from 0; returns True if the library cannot go on.
    scores : callable of int
        Scores of that round; empty where nothing is evaluated.
    keep : callable of int
        Called with the number of rounds whenever it is the best so far.
    live : Model
    earlier : FitState, optional
        What the fit goes on from.
    state : callable, optional
        Returns the booster, for another process to go on with; None where none could.
    """

    update: Callable[[int], bool]
    scores: Callable[[int], RoundScores]
    keep: Callable[[int], None]
    live: Model
    earlier: FitState | None = None
    state: Callable[[], bytes] | None = None


def boost(spec: ModelSpec, fit: Boosting, watcher: FitWatcher | None, *, is_watched: bool) -> int:
    """Add rounds until all are done, none better comes or the watcher ends the fit.

    Returns
    -------
    int
        Rounds to predict with: the best ones with early stopping, else all.

    Raises
    ------
    UserError
        Early stopping is asked for without a metric or rows to watch.
    """
    best = _best_round(spec, is_watched=is_watched)
    n_done = 0
    if fit.earlier is not None:
        n_done = fit.earlier.n_done
        if best is not None:
            best.n_best, best.best = fit.earlier.n_best, fit.earlier.best
    # An earlier start may have been interrupted between its last round and its result.
    is_over = best is not None and best.n_best > 0 and best.is_exhausted(n_done)
    while n_done < spec.num_round and not is_over:
        is_finished = fit.update(n_done)
        n_done += 1
        scores = fit.scores(n_done - 1)
        if best is not None:
            if best.note(n_done, scores["validation"][best.metric.name]):
                fit.keep(n_done)
            is_finished = is_finished or best.is_exhausted(n_done)
        is_ended = watcher is not None and watcher.after_round(n_done, scores, fit.live)
        _keep_state(spec, fit, best, n_done, at_once=is_ended)
        if is_finished or is_ended:
            break
    return n_done if best is None else best.n_best


def _keep_state(
    spec: ModelSpec, fit: Boosting, best: BestRound | None, n_done: int, *, at_once: bool
) -> None:
    """Keep the fit where somebody could go on with it and it is time to."""
    if fit.state is None or spec.progress is None or not (at_once or spec.progress.is_due()):
        return
    n_best, score = (0, float("nan")) if best is None else (best.n_best, best.best)
    spec.progress.save(FitState(n_done, n_best, score, fit.state()))


def score_round(
    metrics: tuple[Metric, ...],
    native: Mapping[str, float],
    rows: Examples,
    predict: Callable[[], Prediction],
) -> dict[str, float]:
    """Score rows by each metric: the library's number where there is one, else our own."""
    if all(metric.name in native for metric in metrics):
        return {metric.name: native[metric.name] for metric in metrics}
    prediction = predict()
    return {
        metric.name: native[metric.name]
        if metric.name in native
        else float(metric(rows.target, prediction, rows.weight, rows.group))
        for metric in metrics
    }


def binary_prediction(positive: NDArray[np.floating]) -> Prediction:
    """Turn the positive class's probability, of shape (n_rows,), into labels and probabilities.

    The other class gets one minus it in double precision, so that both add up to one.
    """
    probabilities = np.empty((len(positive), 2))
    probabilities[:, 1] = positive
    np.subtract(1.0, probabilities[:, 1], out=probabilities[:, 0])
    return Prediction(labels=(positive > 0.5).astype(np.int64), probabilities=probabilities)


def multiclass_prediction(probabilities: NDArray[np.floating]) -> Prediction:
    """Turn probabilities of shape (n_rows, n_classes) into labels and probabilities.

    Those in single precision add up to one only nearly, which scikit-learn's metrics warn of once
    they are doubles: they are divided by their sum.
    """
    labels = probabilities.argmax(axis=1).astype(np.int64)
    exact = probabilities.astype(np.float64, copy=False)
    if probabilities.dtype == np.float32:
        exact /= exact.sum(axis=1, keepdims=True)
    return Prediction(labels=labels, probabilities=exact)


def softmax(margins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities of shape (n_rows, n_classes) from margins of that shape."""
    exponentials = np.exp(margins.astype(np.float64) - margins.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=np.float64)


def sigmoid(margins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities from log-odds, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margins.astype(np.float64))), dtype=np.float64)


def without_features(rows: Examples) -> Examples:
    """Return what scoring needs of rows; the features themselves are let go."""
    return replace(rows, features=rows.features[:0].copy())


def query_sizes(group: NDArray[np.int32]) -> NDArray[np.int64]:
    """Count the rows of each query, in order; rows of one query are adjacent.

    Raises
    ------
    UserError
        A query comes back after another one.
    """
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    if len(np.unique(group[starts])) < len(starts):
        message = "the rows of a query are not adjacent; sort the rows by query"
        raise UserError(message)
    return np.asarray(np.diff(np.r_[starts, len(group)]), dtype=np.int64)


def require_groups(rows: Examples) -> NDArray[np.int32]:
    """Return the query codes of rows to rank.

    Raises
    ------
    UserError
        There are none.
    """
    if rows.group is None:
        message = "task 'ranking' needs the query of each row; name its column in group_column"
        raise UserError(message)
    return rows.group


def require_item_per_feature(spec: ModelSpec, columns: Sequence[Column]) -> None:
    """Refuse a list with one item for each feature that has another length.

    XGBoost alone would fill a short list with zeros.

    Raises
    ------
    UserError
        A list is too short or too long.
    """
    for name in _ITEM_PER_FEATURE:
        items = spec.params.get(name)
        if isinstance(items, (tuple, list)) and len(items) != len(columns):
            message = (
                f"hyperparameter {name!r} is a list of length {len(items)}, but the number of "
                f"features is {len(columns)}; give one item for each feature, in their order"
            )
            raise UserError(message)


def require_whole(name: str, *, is_whole: bool) -> None:
    """Refuse a file that was cut short; the libraries would read on beyond its end and crash.

    Raises
    ------
    UserError
        The end is missing.
    """
    if not is_whole:
        message = (
            f"model file {name!r} is no model, or was cut short; copy it again, or train again"
        )
        raise UserError(message)


def require_values_per_row(name: str, n_values: int, manifest: Mapping[str, Any]) -> None:
    """Refuse a booster that gives as many scores for a row as another task has classes.

    Raises
    ------
    UserError
        The manifest describes another model.
    """
    expected = int(manifest.get("n_classes", 0)) if manifest["task"] == "multiclass" else 1
    if n_values != expected and expected:
        message = (
            f"model file {name!r} gives {n_values} scores for a row, but the manifest's task is "
            f"{manifest['task']!r} with {expected}; train again"
        )
        raise UserError(message)


def _best_round(spec: ModelSpec, *, is_watched: bool) -> BestRound | None:
    if spec.early_stopping_rounds is None:
        return None
    if not is_watched or not spec.metrics:
        message = (
            f"hyperparameter 'early_stopping_rounds' is {spec.early_stopping_rounds!r}, but there "
            "are no rows to watch; give a validation channel or leave it out"
        )
        raise UserError(message)
    return BestRound(spec.metrics[0], spec.early_stopping_rounds)
