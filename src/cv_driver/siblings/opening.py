"""From the driver's job to its `SiblingLauncher`: what is read, checked and put together once.

`connect_parent` needs no data, so that what is set up wrongly is told before any is read.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfold.contract.stop import StopRequest
from crossfold.fitting.job import Job
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import is_pooled
from cv_driver.checkpoints import FoldCheckpoints
from cv_driver.launchers.cores import Cores
from cv_driver.launchers.inline import InlineLauncher
from cv_driver.siblings.asking import Asking, ask
from cv_driver.siblings.calls import World
from cv_driver.siblings.errors import CallFailed
from cv_driver.siblings.explanations import explain_describe
from cv_driver.siblings.fold_calls import FoldWork
from cv_driver.siblings.fold_request import FoldPlan, output_path
from cv_driver.siblings.launcher import STOP_S, OwnFits, SiblingLauncher
from cv_driver.siblings.left_folds import none_left
from cv_driver.siblings.parent import Parent
from cv_driver.siblings.preflight import check_job, check_plan, own_job_name
from cv_driver.siblings.results import Expected
from cv_driver.siblings.stop_marker import marker_uri

_ROUTES = Path("/proc/net/route")
_TICK_S = 0.2
# Between the end of the stop and the end of the process.
_AFTER_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Connection:
    """The driver's own job, and the way to AWS."""

    world: World
    parent: Parent

    def until_opened(self) -> contextlib.AbstractContextManager[None]:
        """End the folds of an earlier start where the block ends before there is a launcher."""
        return none_left(self.world, self.parent.name, within_s=STOP_S)


def connect_parent(job: Job, stop: StopRequest) -> Connection:
    """Reach SageMaker and read the driver's own job.

    Raises
    ------
    UserError
        Something is set up so that folds cannot be jobs of their own.
    PlatformError
        The service does not answer.
    Stopped
        A stop was asked for meanwhile.
    """
    from cv_driver.sagemaker_api import connect, region_of

    # Outside of a job the reason is that, not the region that is missing too.
    name = own_job_name(job.environ)
    try:
        api = connect(job.environ)
    except CallFailed as error:
        raise explain_describe(error, name, region_of(job.environ), _routes()) from error
    chance = random.Random()  # noqa: S311 - jitter needs no secrecy
    world = World(api, time.time, time.sleep, chance, job.log)
    # Its folds are stopped at a pace that the account allows, an earlier start's too.
    stop.patience_s = STOP_S + _AFTER_STOP_S
    with none_left(world, name, within_s=STOP_S):
        checks = check_job(api, job.environ, job.request.driver, now=time.time(), routes=_routes())
        return Connection(world, _asked(checks, world, stop))


def open_launcher(
    connection: Connection,
    job: Job,
    folded: FoldedProblem,
    checkpoints: FoldCheckpoints,
    missing: Sequence[int],
    stop: StopRequest,
) -> SiblingLauncher:
    """Check that the folds `missing` can be made, say what will be, and return their launcher.

    Raises
    ------
    UserError
        They cannot be made.
    PlatformError
        The service does not answer.
    Stopped
        A stop was asked for meanwhile.
    """
    world, parent = connection.world, connection.parent
    models = checkpoints.models if job.request.driver.final_model == "ensemble" else None
    objective = folded.problem.spec.metrics[0].name
    n_folds = folded.assignment.n_folds
    plan = FoldPlan(parent, job.request, job.hyperparameters, checkpoints.key, n_folds, objective)
    line = _asked(check_plan(world.api, plan, missing, now=world.now()), world, stop)
    world.log(line)
    start = f"{world.now():.0f}-{world.chance.getrandbits(32):08x}"
    work = FoldWork(
        plan=plan,
        expected=_expected(job, folded),
        folder=Path(tempfile.mkdtemp(prefix="crossfold-")),
        models=models,
        marker=marker_uri(output_path(plan), parent.name, start),
        max_jobs=job.request.driver.max_jobs,
    )
    return SiblingLauncher(world, work, _own_fits(job, folded, models, stop))


def _asked(checks: Asking, world: World, stop: StopRequest) -> Any:
    def sleep(seconds: float) -> None:
        until = world.now() + seconds
        while world.now() < until:
            stop.check()
            world.sleep(_TICK_S)

    return ask(checks, sleep=sleep, uniform=world.chance.uniform)


def _expected(job: Job, folded: FoldedProblem) -> Expected:
    return Expected(
        splits=folded.assignment.splits,
        metrics=[metric.name for metric in folded.problem.spec.metrics],
        needs_predictions=is_pooled(job.request, folded.assignment),
    )


def _own_fits(
    job: Job, folded: FoldedProblem, models: Path | None, stop: StopRequest
) -> OwnFits | None:
    if job.request.driver.driver_fits == "never":
        return None
    halt = StopRequest(stop)
    launcher = InlineLauncher(folded, Cores(1, job.n_threads), halt, models_folder=models)
    return OwnFits(launcher, job.request.driver.driver_fits, halt)


def _routes() -> str:
    try:
        return _ROUTES.read_text(encoding="ascii")
    except OSError:
        return ""
