"""What happens when a fold ends: it is kept, told of, and counted into the running mean."""

from __future__ import annotations

from collections.abc import Sequence

from crossfold.fitting.fold_result import FoldResult
from cv_driver.checkpoints import FoldCheckpoints
from cv_driver.launchers.launcher import Failed, Outcome, Succeeded
from cv_driver.progress import Progress
from cv_driver.running_mean import RunningMean


class FoldLog:
    """Hears of every fold that ends or is tried again."""

    def __init__(
        self, checkpoints: FoldCheckpoints, progress: Progress, running: RunningMean | None
    ) -> None:
        self._checkpoints = checkpoints
        self._progress = progress
        self._running = running

    def taken_over(self, results: Sequence[FoldResult]) -> None:
        """Tell of the folds that an earlier start has finished."""
        self._progress.reused(len(results))
        for result in results:
            if self._running is not None:
                self._running.add(result)

    def ended(self, outcome: Outcome) -> None:
        """Keep and tell of a fold that ended for good."""
        self._progress.ended(outcome)
        if isinstance(outcome, Succeeded):
            self._checkpoints.save(outcome.result)
            if self._running is not None:
                self._running.add(outcome.result)
        elif self._running is not None:
            self._running.skip(outcome.job.index)

    def retried(self, failed: Failed) -> None:
        """Tell of a fold that is tried again."""
        self._progress.retried(failed)

    def close(self) -> None:
        """Leave the moving line behind."""
        self._progress.close()
