"""What a metric is: a formula with its direction, range, source and limits.

Knows predictions as arrays; must not know which library made them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import AlgorithmError, UserError
from crossfold.metrics.prediction import Prediction, Task
from crossfold.metrics.undefined import HeldOut

Direction = Literal["maximize", "minimize"]
Needs = Literal["labels", "probabilities", "ranking_scores", "values"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A named score of predictions against targets; call it to compute.

    Attributes
    ----------
    name : str
        Canonical name, as in log lines and results.
    direction : {'maximize', 'minimize'}
    tasks : frozenset of Task
    needs : {'labels', 'probabilities', 'ranking_scores', 'values'}
        Part of a `Prediction` that is scored.  Labels are the model's own, never a threshold on
        scores; ranking scores are probabilities or, where there are none, the decision function.
    low, high : float
        Range of the value, bounds included where they are finite.
    source : str
        Where the definition comes from.
    report_name : str
        Key in a SageMaker model-quality report.

    Two metrics are equal when all that is known of them is; the formula is not compared.
    """

    name: str
    direction: Direction
    tasks: frozenset[Task]
    needs: Needs
    low: float
    high: float
    source: str
    report_name: str
    _compute: Callable[..., float] = field(repr=False, compare=False)
    _undefined: Callable[[HeldOut], str | None] = field(repr=False, compare=False)

    def __call__(
        self,
        target: NDArray[np.float64],
        prediction: Prediction,
        weight: NDArray[np.float64] | None = None,
        group: NDArray[Any] | None = None,
    ) -> float:
        """Score `prediction`; NaN where `undefined_reason` gives a reason.

        Parameters
        ----------
        target : ndarray of shape (n_rows,), float64
            Class codes (binary: 1 is the positive class), values or relevance; finite.
        prediction : Prediction
            Of the same rows in the same order.
        weight : ndarray of shape (n_rows,), float64, optional
            At least 0.
        group : ndarray of shape (n_rows,), optional
            Query of each row (ranking only); rows of one query need not be adjacent.

        Raises
        ------
        UserError
            The metric needs probabilities and the model has none; the model predicted values for
            which the formula does not exist (rmsle).
        AlgorithmError
            A prediction is NaN or infinite.
        ValueError
            Shapes do not agree, or the prediction is one of another task.
        """
        predicted = self._part_of(prediction, len(target))
        n_classes = predicted.shape[1] if predicted.ndim > 1 else None
        if self.undefined_reason(target, weight, group, n_classes=n_classes) is not None:
            return math.nan
        groups = (group,) if "ranking" in self.tasks else ()
        value = float(self._compute(target, predicted, weight, *groups))
        # Rounding can carry a perfect score one unit in the last place beyond its bound.
        return min(max(value, self.low), self.high)

    def is_better(self, a: float, b: float) -> bool:
        """Say whether `a` is strictly better than `b`; any number is better than NaN."""
        if math.isnan(a) or math.isnan(b):
            return math.isnan(b) and not math.isnan(a)
        return a > b if self.direction == "maximize" else a < b

    def undefined_reason(
        self,
        target: NDArray[np.float64],
        weight: NDArray[np.float64] | None = None,
        group: NDArray[Any] | None = None,
        *,
        n_classes: int | None = None,
    ) -> str | None:
        """Say why the metric means nothing on these held-out rows, whatever is predicted.

        Rows of weight 0 do not count.  `n_classes` is the number of classes of the whole data (it
        shows that a class is missing here).  Returns a clause such as ``all 12 rows are of one
        class``, or None if the metric is defined.
        """
        if weight is not None:
            counted = weight > 0
            target = target[counted]
            group = None if group is None else group[counted]
        if len(target) == 0:
            return "there are no rows" if weight is None else "no row has a weight above 0"
        return self._undefined(HeldOut(target, group, n_classes))

    def _part_of(self, prediction: Prediction, n_rows: int) -> NDArray[Any]:
        """Return the array that is scored, checked."""
        part: NDArray[Any] | None
        if self.needs != "ranking_scores":
            part = getattr(prediction, self.needs)
        elif prediction.probabilities is not None:
            part = prediction.probabilities
        else:
            part = prediction.scores
        if part is None:
            raise self._lack(prediction)
        if len(part) != n_rows:
            message = f"metric {self.name!r}: {len(part)} predictions for {n_rows} targets"
            raise ValueError(message)
        self._check_finite(part)
        return part

    def _lack(self, prediction: Prediction) -> Exception:
        if self.needs == "probabilities" and prediction.labels is not None:
            return UserError(
                f"metric {self.name!r} needs probabilities, and the estimator has no "
                "probabilities; choose a metric of labels such as 'accuracy', or an estimator "
                "that has them"
            )
        return ValueError(
            f"metric {self.name!r} needs {self.needs}, which the prediction does not have"
        )

    def _check_finite(self, part: NDArray[Any]) -> None:
        if self.needs == "labels" or np.isfinite(part).all():
            return
        row = int(np.flatnonzero(~np.isfinite(part.reshape(len(part), -1)).all(axis=1))[0])
        message = (
            f"metric {self.name!r}: the model predicted {part[row].tolist()!r} for row {row} of "
            f"the {len(part)} rows scored; expected finite numbers; lower the learning rate, "
            "scale the columns (standardize=true) or check the data for extreme values"
        )
        raise AlgorithmError(message)
