"""What a model says about rows, in the one shape that metrics, results and serving share.

Class labels, probabilities and scores are kept apart, so that no metric can mistake one for
another.  This module knows arrays only: no library, no file, no column name.  The request, which
speaks of tasks, is read by jobs that have no arrays; so NumPy is imported where it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Task = Literal["binary", "multiclass", "regression", "ranking"]

_FIELDS = ("labels", "probabilities", "scores", "values")
_DIMENSIONS = {"labels": (1,), "probabilities": (2,), "scores": (1, 2), "values": (1,)}


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predictions for the same rows in the same order; what a model cannot say is None.

    Attributes
    ----------
    labels : ndarray of shape (n_rows,), int64, optional
        Class codes (classification).
    probabilities : ndarray of shape (n_rows, n_classes), float64, optional
        Native probabilities (classification); binary has two columns, column 1 the positive class.
    scores : ndarray of shape (n_rows,) or (n_rows, n_classes), float64, optional
        Decision function or margin of classifiers that have no probabilities.
    values : ndarray of shape (n_rows,), float64, optional
        Predicted values (regression) or ranking scores (ranking).

    Raises
    ------
    ValueError
        All fields are None, or their shapes do not fit together.
    """

    labels: NDArray[np.int64] | None = None
    probabilities: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    values: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n_rows = -1
        for name, array in zip(_FIELDS, self._arrays(), strict=True):
            if array is None:
                continue
            if array.ndim not in _DIMENSIONS[name]:
                message = f"prediction field {name!r} has shape {array.shape!r}"
                raise ValueError(message)
            if n_rows not in (-1, len(array)):
                lengths = {
                    n: len(getattr(self, n)) for n in _FIELDS if getattr(self, n) is not None
                }
                message = f"prediction fields differ in their number of rows: {lengths!r}"
                raise ValueError(message)
            n_rows = len(array)
        if n_rows == -1:
            message = f"a prediction needs at least one of {', '.join(_FIELDS)}"
            raise ValueError(message)

    @property
    def n_rows(self) -> int:
        """Number of rows predicted."""
        return next(len(array) for array in self._arrays() if array is not None)

    def take(self, rows: NDArray[np.intp]) -> Prediction:
        """Return the prediction of `rows` (indices, or a boolean mask), in that order."""
        return Prediction(*(None if array is None else array[rows] for array in self._arrays()))

    def _arrays(self) -> tuple[NDArray[Any] | None, ...]:
        return (self.labels, self.probabilities, self.scores, self.values)


def concat(predictions: Sequence[Prediction]) -> Prediction:
    """Join predictions row by row, in the order given.

    Raises
    ------
    ValueError
        There are none, or they differ in the fields they have.
    """
    import numpy as np

    joined: list[NDArray[Any] | None] = []
    for name in _FIELDS:
        arrays = [getattr(prediction, name) for prediction in predictions]
        present = [array for array in arrays if array is not None]
        if present and len(present) < len(arrays):
            message = f"only {len(present)} of {len(arrays)} predictions have {name!r}"
            raise ValueError(message)
        joined.append(np.concatenate(present) if present else None)
    return Prediction(*joined)
