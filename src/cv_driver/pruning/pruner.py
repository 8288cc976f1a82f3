"""Opens the comparison with the best trial, and looks at it between waves of folds.

Nothing here may fail a trial: what cannot be compared is not pruned, and one line says why.
"""

from __future__ import annotations

import random
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfold.contract.stop import Stopped, StopRequest
from crossfold.errors import CrossfoldError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.job import Job
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import is_pooled
from crossfold.metrics.row_losses import has_row_losses
from cv_driver.aws.api import SageMakerApi
from cv_driver.aws.call_sequence import Call, CallSequence, make_calls
from cv_driver.aws.environment import JOB_NAME_VARIABLE, is_training_job
from cv_driver.aws.errors import CallFailed, NoAnswer
from cv_driver.aws.parent import Parent, make_parent
from cv_driver.pruning.best_trial import NotComparable, fetch_best, read_best
from cv_driver.pruning.comparison import Best, judge
from cv_driver.pruning.verdict import Verdict

# Jobs of their own are imported where there are some.
if TYPE_CHECKING:
    from cv_driver.siblings.connection import Connection

# To prune is to save: a service that does not answer for so long is not waited for.
_PATIENCE_S = 60.0
_TICK_S = 0.2
# Where nobody limits the folds at once: so many waves at least, each but the last with a look.
_LEAST_WAVES = 3
_TROUBLE = (
    CallFailed,
    CrossfoldError,
    ImportError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    OSError,
    TypeError,
    ValueError,
    tarfile.TarError,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Pruner:
    """Compares finished folds with the best trial's."""

    best: Best
    folded: FoldedProblem
    pooled: bool
    level: float
    max_parallel: int | None
    log: Callable[[str], None]

    @property
    def n_folds(self) -> int:
        """Folds × repeats."""
        return len(self.folded.assignment.splits)

    def wave_length(self, capacity: int) -> int:
        """Return how many folds run before the next look, where `capacity` run at once."""
        return min(capacity, self.max_parallel or -(-self.n_folds // _LEAST_WAVES))

    def look(self, own: Sequence[FoldResult], n_looks: int) -> Verdict | None:
        """Say why the trial cannot win, at one of `n_looks` looks; None where it may."""
        try:
            verdict = judge(
                own, self.best, self.folded, pooled=self.pooled, level=self.level / n_looks
            )
        except _TROUBLE as error:
            self.log(f"cv_prune: finished folds could not be compared: {_shown(error)}")
            return None
        if verdict is not None:
            self.log(verdict.line(self.n_folds))
        return verdict


def open_pruner(
    job: Job,
    folded: FoldedProblem,
    identity: Mapping[str, Any],
    siblings: Connection | None,
    stop: StopRequest,
) -> Pruner | None:
    """Find the tuning job's best trial; None, with a line in the log, where there is none to use.

    Raises
    ------
    Stopped
        A stop was asked for meanwhile.
    """
    if not job.request.driver.prune:
        return None
    pooled = is_pooled(job.request, folded.assignment)
    try:
        _check_metric(folded)
        best = _best(job, folded, identity, siblings, stop, pooled=pooled)
    except Stopped:
        raise
    except (NotComparable, *_TROUBLE) as error:
        job.log(f"cv_prune has no effect: {_shown(error)}")
        return None
    job.log(
        f"cv_prune: this trial is compared with {best.name}, the best so far, after each wave of "
        f"folds; level {job.request.driver.prune_level:g}"
    )
    driver = job.request.driver
    return Pruner(best, folded, pooled, driver.prune_level, driver.max_parallel, job.log)


def _check_metric(folded: FoldedProblem) -> None:
    metric = folded.problem.spec.metrics[0]
    if not has_row_losses(metric):
        raise NotComparable(f"{metric.name} has no loss of a single row")


def _best(
    job: Job,
    folded: FoldedProblem,
    identity: Mapping[str, Any],
    siblings: Connection | None,
    stop: StopRequest,
    *,
    pooled: bool,
) -> Best:
    if not is_training_job(job.environ):
        raise NotComparable("this is no trial of a tuning job")
    api, described = _own_job(job, siblings, stop)
    tuning_job = described.tuning_job
    if tuning_job is None:
        raise NotComparable(f"{described.name} is no trial of a tuning job")
    metric = folded.problem.spec.metrics[0]
    with tempfile.TemporaryDirectory(prefix="crossfold-") as name:
        folder = Path(name)
        summary = _make_calls(fetch_best(api, tuning_job, metric, folder), stop)
        return read_best(folder, summary, folded, identity, pooled=pooled)


def _own_job(
    job: Job, siblings: Connection | None, stop: StopRequest
) -> tuple[SageMakerApi, Parent]:
    if siblings is not None:
        return siblings.world.api, siblings.parent
    from cv_driver.aws.client import connect

    api = connect(job.environ)
    described = _make_calls(_describe(api, job.environ[JOB_NAME_VARIABLE]), stop)
    return api, make_parent(described, {}, api.region, now=time.time())


def _describe(api: SageMakerApi, name: str) -> CallSequence:
    return (yield Call("describe", lambda: api.describe(name)))


def _make_calls(sequence: CallSequence, stop: StopRequest) -> Any:
    deadline = time.monotonic() + _PATIENCE_S

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            stop.check()
            if time.monotonic() > deadline:
                raise NoAnswer(f"SageMaker did not answer within {_PATIENCE_S:.0f} s")
            time.sleep(_TICK_S)

    chance = random.Random()  # noqa: S311 - jitter needs no secrecy
    return make_calls(sequence, sleep=sleep, uniform=chance.uniform)


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).split())
    known = isinstance(error, (NotComparable, CallFailed, CrossfoldError))
    return text if known and text else f"{type(error).__name__}: {text}"
