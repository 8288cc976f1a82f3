"""One fold of a user's script: cut its rows, run the script on them, read its score.

The same wherever it runs, in the driver or as a job of its own, so that the scores are the same.
What a fold prints goes to ``fold_logs`` in the output data; a job of its own shows it as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from crossfold.contract.whole_file import write_whole_file, write_whole_text
from crossfold.errors import UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.job import Job
from cv_driver.scripts.channel import CutChannel
from cv_driver.scripts.fold_tree import lay_out
from cv_driver.scripts.predictions import PREDICTIONS, kept_predictions
from cv_driver.scripts.printed_scores import Objective, PrintedScores, read_scores
from cv_driver.scripts.user_script import UserScript

LOGS = "fold_logs"
# A fold has nothing to save: its model goes when it has been scored.
_GRACE_S = 4.0
_BLOCK_BYTES = 1 << 16
# A path may hold bytes that are no text; a line of the log must not end the fold.
_AS_TEXT: Mapping[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace"}
# The writers are gone, so that the pipe's end has only to be read.
_DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class ScriptFolds:
    """What all folds of a script have in common.

    Attributes
    ----------
    job : Job
    script : UserScript
    cut : CutChannel
    objective : Objective
    kept : Path
        Where a fold's predictions, and the line of its score, outlive its tree.
    """

    job: Job
    script: UserScript
    cut: CutChannel
    objective: Objective
    kept: Path

    def with_cores_for(self, at_once: int) -> ScriptFolds:
        """Share the cores out where several scripts run at once."""
        if at_once == 1 or "OMP_NUM_THREADS" in self.job.environ:
            return self
        threads = str(max(1, self.job.n_threads // at_once))
        environ = {**self.job.environ, "OMP_NUM_THREADS": threads}
        return replace(self, job=replace(self.job, environ=environ))

    def run(
        self, index: int, root: Path, stop: StopRequest, *, echo: int | None = None
    ) -> FoldResult:
        """Run fold `index` on a tree below `root` and return its result.

        Parameters
        ----------
        index : int
        root : Path
            Holds nothing yet; what the script leaves there stays.
        stop : StopRequest
            Ends the script.
        echo : int, optional
            Descriptor that gets what the script prints as well.

        Raises
        ------
        UserError
            The script printed no score.
        Stopped
            A stop was asked for.
        CrossfoldError
            The script failed.
        """
        stop.check()
        split = self.cut.assignment.splits[index]
        log = log_of_fold(self.job.opt_ml, index)
        # A job of its own has its log where every job's is.
        told = shown_log(index) if echo is None else None
        with _opened(log, echo) as stream:
            code = self.script.folder
            job = lay_out(self.job, self.cut, split, root, code=code, stream=stream)
            started = time.perf_counter()
            self.script.run(job, stop, into=stream.fileno(), log=told, grace_s=_GRACE_S)
        seconds = time.perf_counter() - started
        # A script that ends well after a stop may not have seen all of its data.
        stop.check()
        try:
            scores = read_scores(log, self.objective)
        except UserError as error:
            raise error if told is None else UserError(f"{error}; whole log: {told}") from None
        self._keep(index, job.opt_ml, scores)
        return FoldResult.of_split(
            index,
            split,
            validation=scores.validation,
            train=scores.train,
            fit_seconds=seconds,
        )

    def _keep(self, index: int, opt_ml: OptMl, scores: PrintedScores) -> None:
        written, kept = opt_ml.output_data / PREDICTIONS, kept_predictions(self.kept, index)
        line = kept_line(self.kept, index)
        for earlier in (kept, line):
            earlier.unlink(missing_ok=True)
        if written.is_file():
            write_whole_file(kept, partial(_copy, written))
        if scores.objective_line is not None:
            write_whole_text(line, scores.objective_line)


def log_of_fold(opt_ml: OptMl, index: int) -> Path:
    """Return where a fold's output is kept."""
    return opt_ml.output_data / LOGS / f"fold-{index}.log"


def shown_log(index: int) -> str:
    """Name the log of a fold to the user, who finds it in an archive after a job in the cloud."""
    return f"output/data/{LOGS}/fold-{index}.log (output.tar.gz)"


def kept_line(folder: Path, index: int) -> Path:
    """Return where the line of a fold's score is kept, with a zero byte in the number's place."""
    return folder / f"objective_line-{index}"


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


@contextlib.contextmanager
def _opened(path: Path, echo: int | None) -> Iterator[TextIO]:
    """Open the log of a fold, which the script and this process write to side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    with contextlib.ExitStack() as stack:
        if echo is None:
            yield stack.enter_context(path.open("a", **_AS_TEXT))
            return
        log = stack.enter_context(path.open("ab", buffering=0))
        read_end, write_end = os.pipe()
        copying = _Copying(read_end, log.fileno(), echo)
        stack.callback(copying.end)
        yield stack.enter_context(os.fdopen(write_end, "w", **_AS_TEXT))


class _Copying:
    """A thread that copies a pipe to a log and, up to the end of a line, to another descriptor."""

    def __init__(self, source: int, log: int, echo: int) -> None:
        self._source, self._log, self._echo = source, log, echo
        self._refused: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="fold log", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait for the rest; raise what the log's disk has refused."""
        self._thread.join(_DRAIN_S)
        if self._refused is not None:
            raise self._refused

    def _run(self) -> None:
        last = b"\n"
        with os.fdopen(self._source, "rb", buffering=0) as stream:
            while block := stream.read(_BLOCK_BYTES):
                last = block[-1:]
                self._show(block)
                try:
                    _write_all(self._log, block)
                except OSError as error:
                    self._refused = error
        if last != b"\n":
            self._show(b"\n")

    def _show(self, block: bytes) -> None:
        # Whoever reads no more must not end the script.
        with contextlib.suppress(OSError):
            _write_all(self._echo, block)


def _write_all(target: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(target, view) :]
