"""Folds in this process: threads that share one table, so data is read and held once.

Libraries release the interpreter lock while they fit.  The cores are shared out: `capacity` folds
at once with `n_threads` threads each never ask for more cores than there are.
"""

from __future__ import annotations

import sys
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from crossfold.contract.failure import describe_failure
from crossfold.contract.stop import StopRequest
from crossfold.errors import PlatformError, UserError
from crossfold.fitting.fold_fit import fit_fold
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.problem import FoldedProblem
from cv_driver.launchers.cores import Cores
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome, Succeeded


class InlineLauncher:
    """Runs folds on a pool of threads."""

    def __init__(
        self,
        folded: FoldedProblem,
        cores: Cores,
        stop: StopRequest,
        *,
        models_folder: Path | None = None,
    ) -> None:
        self._folded = folded
        self._cores = cores
        # Of its own: to end the folds is not to be stopped from outside.
        self._stop = StopRequest(stop)
        self._models_folder = models_folder
        self._pool = ThreadPoolExecutor(cores.n_folds, thread_name_prefix="fold")
        self._running: dict[Future[FoldResult], FoldJob] = {}

    @property
    def capacity(self) -> int:
        """Folds at once."""
        return self._cores.n_folds

    def start(self, job: FoldJob) -> None:
        """Queue the fold."""
        folder = None if self._models_folder is None else self._models_folder / f"fold-{job.index}"
        future = self._pool.submit(
            fit_fold,
            self._folded,
            job.index,
            n_threads=self._cores.n_threads,
            stop=self._stop,
            save_model_to=folder,
        )
        self._running[future] = job

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Wait until a fold ends."""
        done, _ = wait(self._running, timeout=timeout_s, return_when=FIRST_COMPLETED)
        return [_outcome(self._running.pop(future), future) for future in done]

    def stop(self) -> None:
        """Let running folds end at their next round; drop those that wait."""
        self._stop.set()
        self.close()

    def close(self) -> None:
        """End the pool's threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _outcome(job: FoldJob, future: Future[FoldResult]) -> Outcome:
    error = future.exception()
    if error is None:
        return Succeeded(job, future.result())
    if not isinstance(error, (PlatformError, UserError)):
        traceback.print_exception(error, file=sys.stdout)
    transient = isinstance(error, (PlatformError, MemoryError, OSError))
    return Failed(job, describe_failure(error), transient)
