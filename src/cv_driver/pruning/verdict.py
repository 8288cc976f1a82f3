"""Why a trial was pruned, and what it tells the tuner instead of a mean over all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossfold.results.aggregate import CvScores


@dataclass(frozen=True, slots=True)
class Verdict:
    """A trial cannot win.

    Attributes
    ----------
    best : str
        Training job of the tuning job's best trial.
    objective : str
    best_value : float
        The best trial's objective, over all folds.
    p_value, level : float
        Of the paired test, and the level that it was held against at this look.
    n_rows : int
        Held-out rows compared.
    finished : sequence of int
        Folds that ran.
    estimate : CvScores
        The best trial's scores plus the paired differences on the finished folds.
    """

    best: str
    objective: str
    best_value: float
    p_value: float
    level: float
    n_rows: int
    finished: Sequence[int]
    estimate: CvScores

    def document(self) -> dict[str, Any]:
        """Return what cv_results.json says of it."""
        scores = self.estimate
        return {
            "best_training_job": self.best,
            "objective": self.objective,
            "best_value": self.best_value,
            "p_value": self.p_value,
            "level": self.level,
            "n_rows": self.n_rows,
            "finished_folds": list(self.finished),
            "estimate": {
                "train": {name: score.value for name, score in scores.train.items()},
                "validation": {name: score.value for name, score in scores.validation.items()},
            },
        }

    def line(self, n_folds: int) -> str:
        """Return the log's line."""
        estimate = self.estimate.validation[self.objective].value
        return (
            f"pruned after {len(self.finished)} of {n_folds} folds: worse than {self.best} on the "
            f"same {self.n_rows} held-out rows, p = {self.p_value:.2g} (level {self.level:.2g}); "
            f"{self.objective} is told as {estimate:.6g}, the best's {self.best_value:.6g} plus "
            "the difference on the finished folds; no model is fitted"
        )
