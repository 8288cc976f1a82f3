"""``cv_emit=running``: the objective's mean so far, after each fold, in fold order.

A tuner's early stopping and Hyperband compare trials at the same number of folds, so fold i + 1
is never told of before fold i, in whatever order they end.
"""

from __future__ import annotations

from collections.abc import Callable

from crossfold.contract.metric_lines import final_line
from crossfold.fitting.fold_result import FoldResult


class RunningMean:
    """Emits a line for each fold, as soon as all folds before it are known."""

    def __init__(self, objective: str, emit: Callable[[str], None]) -> None:
        self._objective = objective
        self._emit = emit
        self._waiting: dict[int, float | None] = {}
        self._next = 0
        self._told: list[float] = []

    def add(self, result: FoldResult) -> None:
        """Take a fold's score; emit what can be told now."""
        self._waiting[result.index] = result.validation[self._objective]
        self._tell()

    def skip(self, index: int) -> None:
        """Step over a fold that has no score."""
        self._waiting[index] = None
        self._tell()

    def _tell(self) -> None:
        while self._next in self._waiting:
            score = self._waiting.pop(self._next)
            self._next += 1
            if score is not None:
                self._told.append(score)
                mean = sum(self._told) / len(self._told)
                self._emit(final_line("validation", self._objective, mean))
