"""Folds as runs of the user's script, each on a tree of its own that goes when the run ends.

Nothing of what a fold prints gets into the driver's log, where a tuner would take a fold's score
for the job's.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from crossfold.contract.failure import describe_failure
from crossfold.contract.hyperparameters import shortened
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from crossfold.errors import CrossfoldError, PlatformError
from crossfold.fitting.fold_result import FoldResult
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome, Succeeded
from cv_driver.scripts.fold_run import ScriptFolds, shown_log

# Leaves room for which fold it was, where its log is, and how the others did.
_MAX_OWN = 700


class ScriptLauncher:
    """Runs the script once for each fold."""

    def __init__(self, folds: ScriptFolds, stop: StopRequest, *, at_once: int = 1) -> None:
        """Take what all folds share; `at_once` is how many may run side by side."""
        self._folds = folds.with_cores_for(at_once)
        self._at_once = at_once
        # Of its own: to end the folds is not to be stopped from outside.
        self._stop = StopRequest(stop)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="fold")
        self._folder = Path(tempfile.mkdtemp(prefix="crossfold-"))
        self._running: dict[Future[FoldResult], FoldJob] = {}

    @property
    def capacity(self) -> int:
        """Folds at once."""
        return self._at_once

    def start(self, job: FoldJob) -> None:
        """Queue the fold."""
        self._running[self._pool.submit(self._run, job)] = job

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Wait until a fold ends."""
        done, _ = wait(self._running, timeout=timeout_s, return_when=FIRST_COMPLETED)
        return [self._outcome(self._running.pop(future), future) for future in done]

    def stop(self) -> None:
        """End every running script."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """Remove what is left of the folds' trees."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, fold: FoldJob) -> FoldResult:
        return self._folds.run(fold.index, self._root(fold), self._stop)

    def _root(self, fold: FoldJob) -> Path:
        return self._folder / f"fold-{fold.index}-{fold.attempt}"

    def _outcome(self, fold: FoldJob, future: Future[FoldResult]) -> Outcome:
        error = future.exception()
        own = "" if error is None else own_reason(OptMl(self._root(fold)))
        if own:
            own = f"{shortened(own, _MAX_OWN)}; whole log: {shown_log(fold.index)}"
        shutil.rmtree(self._root(fold), ignore_errors=True)
        if error is None:
            return Succeeded(fold, future.result())
        if not isinstance(error, CrossfoldError):
            traceback.print_exception(error, file=sys.stdout)
        transient = isinstance(error, (PlatformError, MemoryError, OSError))
        reason = f"AlgorithmError: {own}" if own else describe_failure(error)
        return Failed(fold, reason, transient)


def own_reason(opt_ml: OptMl) -> str:
    """Return, in one line, what the script has written to its failure file."""
    try:
        text = opt_ml.failure.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return " ".join(text.split())
