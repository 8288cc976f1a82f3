"""Folds as runs of the user's script, each on a tree of its own that goes when the run ends.

What a fold prints goes to ``fold_logs`` in the output data and never into the driver's log, where a
tuner would take a fold's score for the job's.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from crossfold.contract.failure import describe_failure
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from crossfold.contract.whole_file import write_whole_text
from crossfold.errors import CrossfoldError, PlatformError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.job import Job
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome, Succeeded
from cv_driver.scripts.channel import CutChannel
from cv_driver.scripts.fold_tree import lay_out
from cv_driver.scripts.predictions import PREDICTIONS, kept_predictions
from cv_driver.scripts.printed_scores import Objective, PrintedScores, read_scores
from cv_driver.scripts.user_script import UserScript

LOGS = "fold_logs"
OBJECTIVE_LINE = "objective_line"
# A fold has nothing to save: its model goes when it has been scored.
_GRACE_S = 4.0


class ScriptLauncher:
    """Runs the script once for each fold."""

    def __init__(
        self,
        job: Job,
        script: UserScript,
        cut: CutChannel,
        objective: Objective,
        kept: Path,
        stop: StopRequest,
    ) -> None:
        """Take what all folds share; `kept` is where a fold's predictions outlive its tree."""
        self._job, self._script, self._cut = job, script, cut
        self._objective, self._kept = objective, kept
        # Of its own: to end the folds is not to be stopped from outside.
        self._stop = StopRequest(stop)
        self._pool = ThreadPoolExecutor(self.capacity, thread_name_prefix="fold")
        self._folder = Path(tempfile.mkdtemp(prefix="crossfold-"))
        self._running: dict[Future[FoldResult], FoldJob] = {}

    @property
    def capacity(self) -> int:
        """Folds at once: one unless the user says that the script leaves room for more."""
        return self._job.request.driver.max_parallel or 1

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
        self._stop.check()
        log = self._job.opt_ml.output_data / LOGS / f"fold-{fold.index}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        split = self._cut.assignment.splits[fold.index]
        root = self._root(fold)
        with log.open("w", encoding="utf-8") as first:
            first.flush()
        with log.open("a", encoding="utf-8") as stream:
            job = lay_out(
                self._with_threads(),
                self._cut,
                split,
                root,
                code=self._script.folder,
                stream=stream,
            )
            started = time.perf_counter()
            self._script.run(job, self._stop, into=stream.fileno(), grace_s=_GRACE_S)
        seconds = time.perf_counter() - started
        # A script that ends well after a stop may not have seen all of its data.
        self._stop.check()
        scores = read_scores(log, self._objective)
        self._keep(fold, job.opt_ml, scores)
        shutil.rmtree(root, ignore_errors=True)
        return FoldResult(
            index=fold.index,
            fold=split.fold,
            repeat=split.repeat,
            rows=split.test,
            prediction=None,
            n_train=split.n_train,
            n_test=split.n_test,
            best_round=None,
            train=scores.train,
            validation=scores.validation,
            fit_seconds=seconds,
            score_seconds=0.0,
        )

    def _root(self, fold: FoldJob) -> Path:
        return self._folder / f"fold-{fold.index}-{fold.attempt}"

    def _with_threads(self) -> Job:
        """Share the cores out where several scripts run at once."""
        if self.capacity == 1 or "OMP_NUM_THREADS" in self._job.environ:
            return self._job
        threads = str(max(1, self._job.n_threads // self.capacity))
        return replace(self._job, environ={**self._job.environ, "OMP_NUM_THREADS": threads})

    def _keep(self, fold: FoldJob, opt_ml: OptMl, scores: PrintedScores) -> None:
        predictions = opt_ml.output_data / PREDICTIONS
        self._kept.mkdir(parents=True, exist_ok=True)
        if predictions.is_file():
            aside = self._kept / f".{os.getpid()}-{fold.index}"
            shutil.copyfile(predictions, aside)
            aside.replace(kept_predictions(self._kept, fold.index))
        if scores.objective_line is not None:
            write_whole_text(self._kept / f"{OBJECTIVE_LINE}-{fold.index}", scores.objective_line)

    def _outcome(self, fold: FoldJob, future: Future[FoldResult]) -> Outcome:
        error = future.exception()
        if error is None:
            return Succeeded(fold, future.result())
        if not isinstance(error, CrossfoldError):
            traceback.print_exception(error, file=sys.stdout)
        reason = describe_failure(error)
        own = _own_reason(OptMl(self._root(fold)))
        shutil.rmtree(self._root(fold), ignore_errors=True)
        transient = isinstance(error, (PlatformError, MemoryError, OSError))
        return Failed(fold, f"AlgorithmError: {own}" if own else reason, transient)


def _own_reason(opt_ml: OptMl) -> str:
    """Return what the script has written to its failure file."""
    try:
        text = opt_ml.failure.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return " ".join(text.split())
