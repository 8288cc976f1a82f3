"""The driver's story: read → split → folds → scores → final model → results → metric lines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crossfold.contract.stop import PATIENCE_S, StopRequest
from crossfold.data.table import duplicate_groups
from crossfold.errors import UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.identity import identity_of
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import JobData, read_job_data
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import is_pooled, split_rows
from crossfold.results.aggregate import aggregate
from crossfold.results.cv_results_file import FailedFold
from cv_driver.aws.environment import is_training_job
from cv_driver.checkpoints import FoldCheckpoints
from cv_driver.final_model import FinalModel, make_final_model
from cv_driver.fold_log import FoldLog
from cv_driver.launchers.choice import choose_launcher, log_choice, wants_siblings
from cv_driver.launchers.launcher import Failed, Launcher, Outcome, Succeeded
from cv_driver.outcome import CvOutcome
from cv_driver.progress import Progress, fold_table
from cv_driver.pruning.verdict import Verdict
from cv_driver.report import (
    count_duplicates_across,
    print_metric_lines,
    write_predictions,
    write_results,
)
from cv_driver.running_mean import RunningMean
from cv_driver.watch import Policy, run_folds

# Jobs of their own are imported where there are some: folds in this process do not pay for them.
if TYPE_CHECKING:
    from cv_driver.pruning.pruner import Pruner
    from cv_driver.siblings.connection import Connection


@dataclass(slots=True)
class Stopwatch:
    """Seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, phase: str) -> None:
        """Book the time since the last lap under `phase`."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now


def drive(job: Job, stop: StopRequest) -> None:
    """Cross-validate, fit the final model, write every result.

    Raises
    ------
    Stopped
        A stop was asked for before a model existed; no fold is left running.
    CrossfoldError
        The request, the data, a fold or the platform is at fault.
    """
    watch = Stopwatch()
    siblings = connect_siblings(job, stop)
    with until_opened(siblings):
        data = read_job_data(job, folded=True)
        # Before anything that waits for the library, whose import goes on meanwhile.
        fingerprint, groups = data.train.fingerprint(), duplicate_groups(data.train)
        watch.lap("read")
        folded = _split(job, data)
        stop.check()
        identity = identity_of(job, folded, fingerprint)
        checkpoints = open_checkpoints(job, identity, siblings)
        n_duplicates = _count_duplicates(job, folded, groups)
        del groups  # as large as the labels, and the folds need the room
        watch.lap("import and split")
    with until_opened(siblings):
        pruner = _open_pruner(job, folded, identity, siblings, stop)
    ran = _run(job, folded, checkpoints, siblings, pruner, stop)
    # There are no jobs to end any more.
    stop.patience_s = PATIENCE_S
    watch.lap("folds")
    outcome = _aggregate(job, folded, ran, identity, n_duplicates)
    write_predictions(job.opt_ml, outcome)
    write_results(job.opt_ml, outcome, FinalModel("none"), watch.seconds)
    watch.lap("results")
    final = _final_model(job, outcome, checkpoints, stop)
    watch.lap("final model")
    write_results(job.opt_ml, outcome, final, watch.seconds)
    # The tuner reads these: a stop while S3 is slow must not cost it the trial.
    print_metric_lines(job.request, outcome, final, job.log)
    if is_training_job(job.environ):
        from cv_driver.publication import publish_results

        publish_results(job, siblings, stop)


def connect_siblings(job: Job, stop: StopRequest) -> Connection | None:
    """Reach SageMaker where folds shall be jobs of their own, and log what ``auto`` chose.

    Raises as `connect_parent` does.
    """
    log_choice(job)
    if not wants_siblings(job):
        return None
    from cv_driver.siblings.connection import connect_parent

    return connect_parent(job, stop)


def until_opened(siblings: Connection | None) -> contextlib.AbstractContextManager[None]:
    """End folds of an earlier start where the block fails; without jobs there are none."""
    return contextlib.nullcontext() if siblings is None else siblings.until_opened()


def open_checkpoints(
    job: Job, identity: Mapping[str, Any], siblings: Connection | None
) -> FoldCheckpoints:
    """Return the folds that earlier starts have finished, of the same image where it is known."""
    image = None if siblings is None else siblings.parent.image
    return FoldCheckpoints(job.opt_ml.checkpoints, identity, image=image)


def _open_pruner(
    job: Job,
    folded: FoldedProblem,
    identity: Mapping[str, Any],
    siblings: Connection | None,
    stop: StopRequest,
) -> Pruner | None:
    if not job.request.driver.prune:
        return None
    from cv_driver.pruning.pruner import open_pruner

    return open_pruner(job, folded, identity, siblings, stop)


def _final_model(
    job: Job, outcome: CvOutcome, checkpoints: FoldCheckpoints, stop: StopRequest
) -> FinalModel:
    """Make the model; a trial that cannot win needs none."""
    if outcome.pruned is not None:
        return FinalModel("none")
    return make_final_model(job.opt_ml, job.request, outcome, checkpoints.models, stop, job.log)


def _split(job: Job, data: JobData) -> FoldedProblem:
    problem = make_problem(job, data)
    folded = split_rows(job, problem, data)
    assignment = folded.assignment
    job.log(f"split: {assignment.splitter}, {len(assignment.splits)} fits")
    return folded


@dataclass(frozen=True, slots=True)
class _Ran:
    """What came of the folds."""

    results: list[FoldResult]
    failed: list[FailedFold]
    instance_seconds: Mapping[str, float] | None
    pruned: Verdict | None


def _run(
    job: Job,
    folded: FoldedProblem,
    checkpoints: FoldCheckpoints,
    siblings: Connection | None,
    pruner: Pruner | None,
    stop: StopRequest,
) -> _Ran:
    """Run the folds that no earlier start has finished."""
    n_folds = len(folded.assignment.splits)
    policy = policy_of(job, n_folds)
    log = _fold_log(job, folded, checkpoints)
    with_models = job.request.driver.final_model == "ensemble"
    results = checkpoints.load(n_folds, with_models=with_models)
    log.taken_over(results)
    missing = sorted(set(range(n_folds)) - {result.index for result in results})
    outcomes: list[Outcome] = []
    spent: Mapping[str, float] | None = None
    verdict: Verdict | None = None
    if missing:
        launcher = _open(job, folded, checkpoints, siblings, missing, stop)
        try:
            run = partial(_run_wave, launcher, policy, stop, log)
            if pruner is None:
                outcomes = run(missing, ())
            else:
                from cv_driver.pruning.waves import run_waves

                outcomes, verdict = run_waves(missing, launcher.capacity, results, run, pruner)
            _end_left(siblings, verdict)
        finally:
            launcher.close()
            log.close()
        if siblings is not None:
            n_not_run = 0 if verdict is None else len(missing) - len(outcomes)
            spent = spent_by(job, launcher, not_run=n_not_run / max(1, len(outcomes)))
    results += [each.result for each in outcomes if isinstance(each, Succeeded)]
    failed = [
        FailedFold(each.job.index, each.reason) for each in outcomes if isinstance(each, Failed)
    ]
    return _Ran(sorted(results, key=lambda result: result.index), failed, spent, verdict)


def _run_wave(
    launcher: Launcher,
    policy: Policy,
    stop: StopRequest,
    log: FoldLog,
    wave: Sequence[int],
    earlier: Sequence[Outcome],
) -> list[Outcome]:
    return run_folds(wave, launcher, policy, stop, log, earlier)


def _open(
    job: Job,
    folded: FoldedProblem,
    checkpoints: FoldCheckpoints,
    siblings: Connection | None,
    missing: list[int],
    stop: StopRequest,
) -> Launcher:
    if siblings is not None:
        from cv_driver.siblings.launch import open_launcher

        with siblings.until_opened():
            return open_launcher(siblings, job, folded, checkpoints, missing, stop)
    models = checkpoints.models if job.request.driver.final_model == "ensemble" else None
    return choose_launcher(job, folded, models, stop)


def _end_left(siblings: Connection | None, verdict: Verdict | None) -> None:
    """End folds that nobody needs now: an earlier start, without a best trial, started them all."""
    if verdict is not None and siblings is not None:
        siblings.end_leftovers()


def spent_by(job: Job, launcher: Launcher, *, not_run: float = 0.0) -> Mapping[str, float]:
    """Tell and return the instance-seconds of folds that were jobs of their own, by use.

    `not_run` is the number of pruned folds for each that ran: they would have taken as long.
    """
    from cv_driver.siblings.launcher.sibling_launcher import SiblingLauncher

    assert isinstance(launcher, SiblingLauncher)
    spent = dict(launcher.instance_seconds)
    if not_run:
        spent["saved_by_pruning"] = round(spent["fold_jobs"] * not_run, 3)
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.0f}" for name, value in spent.items())
    job.log(f"instance-seconds: {shown}")
    return spent


def policy_of(job: Job, n_folds: int) -> Policy:
    """Return the limits of the folds.

    Raises
    ------
    UserError
        More folds must succeed than there are.
    """
    driver = job.request.driver
    if driver.min_success is not None and driver.min_success > n_folds:
        msg = f"hyperparameter 'cv_min_success' is {driver.min_success}; there are {n_folds} folds"
        raise UserError(msg)
    return Policy(n_folds, driver.max_parallel, driver.min_success or n_folds, driver.retries)


def _fold_log(job: Job, folded: FoldedProblem, checkpoints: FoldCheckpoints) -> FoldLog:
    objective = folded.problem.spec.metrics[0].name
    running = RunningMean(objective, job.log) if job.request.driver.emit == "running" else None
    if running is not None and is_pooled(job.request, folded.assignment):
        job.log("cv_emit=running has no effect: pooled scores need all folds")
        running = None
    n_folds = len(folded.assignment.splits)
    return FoldLog(checkpoints, Progress(job.stream, n_folds, objective), running)


def _aggregate(
    job: Job,
    folded: FoldedProblem,
    ran: _Ran,
    identity: Mapping[str, Any],
    n_duplicates: int,
) -> CvOutcome:
    results, pooled = ran.results, is_pooled(job.request, folded.assignment)
    scores = (
        aggregate(results, folded.problem, pooled=pooled)
        if ran.pruned is None
        else ran.pruned.estimate
    )
    for warning in dict.fromkeys(line for result in results for line in result.warnings):
        job.log(f"warning of the library: {warning}")
    for line in fold_table(results, scores, is_pruned=ran.pruned is not None):
        job.log(line)
    fingerprints = {"data": identity["data"], "split": identity["split"]}
    return CvOutcome(
        folded,
        results,
        ran.failed,
        scores,
        pooled,
        fingerprints,
        n_duplicates,
        ran.instance_seconds,
        ran.pruned,
    )


def _count_duplicates(job: Job, folded: FoldedProblem, groups: NDArray[np.int64]) -> int:
    n_duplicates = count_duplicates_across(folded, groups)
    if n_duplicates:
        job.log(
            f"warning: {n_duplicates} rows have an exact copy of their features in another fold; "
            "if copies belong together, name their group with group_column"
        )
    return n_duplicates
