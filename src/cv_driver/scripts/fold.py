"""One fold of a user's script as a job of its own: the same rows and scores as in the driver.

What the driver fetches lies in the output data: the result, the log, the script's predictions.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from crossfold.contract import metric_lines
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from crossfold.errors import CrossfoldError, UserError
from crossfold.fitting.fold_result import FOLD_RESULT, FoldResult, save_fold_result
from crossfold.fitting.identity import identity_key, refuse_other_identity
from crossfold.fitting.job import Job
from cv_driver.scripts.channel import cut_channel
from cv_driver.scripts.fold_run import ScriptFolds
from cv_driver.scripts.identity import identity_of_script
from cv_driver.scripts.objective import find_objective
from cv_driver.scripts.user_script import UserScript
from cv_driver.siblings.stop_marker import heed_driver


def run_script_fold(job: Job, prepare: Callable[[], UserScript], stop: StopRequest) -> None:
    """Run the script on the one fold that ``cv_fold_index`` names.

    Raises
    ------
    UserError
        There is no such fold, or the script printed no score.
    PlatformError
        The fold reads other data or code than the driver that started it.
    Stopped
        A stop was asked for before the fold was scored.
    CrossfoldError
        The data or the script is at fault.
    """
    heed_driver(job, stop)
    objective = find_objective(job)
    script = prepare()
    cut = cut_channel(job)
    if job.request.driver.fingerprint is not None:
        identity = identity_of_script(job, script, cut, objective)
        refuse_other_identity(identity_key(identity), job.request.driver.fingerprint)
    index, n_folds = job.request.driver.fold_index, len(cut.assignment.splits)
    if index is None or index >= n_folds:
        raise UserError(
            f"hyperparameter 'cv_fold_index' is {index!r}; this split has folds 0 … {n_folds - 1}"
        )
    result = _run(ScriptFolds(job, script, cut, objective, job.opt_ml.output_data), index, stop)
    save_fold_result(job.opt_ml.output_data / FOLD_RESULT, result)
    counts = objective.metric or next(iter(result.validation))
    for split, values in (("train", result.train), ("validation", result.validation)):
        for name in sorted(values, key=lambda name: name == counts):
            job.log(metric_lines.final_line(split, name, values[name]))
    job.log(metric_lines.fold_alias_line(counts, result.validation[counts]))


def _run(folds: ScriptFolds, index: int, stop: StopRequest) -> FoldResult:
    job = folds.job
    with tempfile.TemporaryDirectory(prefix="crossfold-", ignore_cleanup_errors=True) as folder:
        try:
            return folds.run(index, Path(folder), stop, echo=job.stream.fileno())
        except CrossfoldError:
            # A script that the stop has ended has not failed.
            stop.check()
            own = OptMl(Path(folder)).failure
            if own.is_file():
                with contextlib.suppress(OSError):
                    shutil.copyfile(own, job.opt_ml.failure)
            raise
