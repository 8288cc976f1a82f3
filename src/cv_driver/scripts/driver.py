"""The story of a script's cross-validation: cut → run for each fold → scores → run on all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossfold.contract.stop import PATIENCE_S, StopRequest
from crossfold.errors import UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.job import Job
from crossfold.results.cv_results_file import FailedFold
from cv_driver.aws.environment import is_training_job
from cv_driver.checkpoints import FoldCheckpoints
from cv_driver.driver import (
    Stopwatch,
    connect_siblings,
    open_checkpoints,
    policy_of,
    spent_by,
    until_opened,
)
from cv_driver.fold_log import FoldLog
from cv_driver.launchers.launcher import Failed, Launcher, Outcome, Succeeded
from cv_driver.progress import Progress, fold_table
from cv_driver.publication import publish_results
from cv_driver.running_mean import RunningMean
from cv_driver.scripts.channel import CutChannel, cut_channel
from cv_driver.scripts.final_run import run_on_all_rows
from cv_driver.scripts.fold_run import LOGS, ScriptFolds
from cv_driver.scripts.fold_tree import HELD_OUT
from cv_driver.scripts.identity import identity_of_script
from cv_driver.scripts.launcher import ScriptLauncher
from cv_driver.scripts.objective import find_objective
from cv_driver.scripts.predictions import PREDICTIONS, collect_predictions
from cv_driver.scripts.results import (
    ScriptOutcome,
    mean_scores,
    print_script_metrics,
    write_script_results,
)
from cv_driver.scripts.user_script import UserScript
from cv_driver.watch import run_folds

# Jobs of their own are imported where there are some.
if TYPE_CHECKING:
    from cv_driver.siblings.connection import Connection


def check_request(job: Job) -> None:
    """Refuse what a script's cross-validation cannot do, before anything is fetched.

    Raises
    ------
    UserError
        As the message says.
    """
    driver = job.request.driver
    why = None
    if driver.final_model == "ensemble":
        why = "'cv_final_model' is 'ensemble': averages of models are"
    elif driver.aggregate == "pooled":
        why = "'cv_aggregate' is 'pooled': scores over pooled rows are"
    elif driver.validation == "pool":
        why = "'cv_validation' is 'pool': more than one channel to fold is"
    elif driver.prune:
        why = "'cv_prune' is given: what a script prints has no losses to compare, and pruning is"
    if why is not None:
        raise UserError(
            f"hyperparameter {why} not supported for a script (sagemaker_program is "
            f"{job.request.script!r}); remove it"
        )


def drive_script(job: Job, prepare: Callable[[], UserScript], stop: StopRequest) -> None:
    """Cross-validate the script that `prepare` brings, run it on all rows, write every result.

    Raises
    ------
    Stopped
        A stop was asked for before the final run; no script is left running.
    CrossfoldError
        The request, the data, a fold or the platform is at fault.
    """
    watch = Stopwatch()
    siblings = connect_siblings(job, stop)
    with until_opened(siblings):
        objective = find_objective(job, None if siblings is None else siblings.parent.described)
        script = prepare()
        cut = _cut(job, stop)
        identity = identity_of_script(job, script, cut, objective)
        checkpoints = open_checkpoints(job, identity, siblings)
    watch.lap("read")
    folds = ScriptFolds(job, script, cut, objective, checkpoints.folder)
    ran = _run(folds, checkpoints, siblings, stop)
    # There are no jobs to end any more.
    stop.patience_s = PATIENCE_S
    watch.lap("folds")
    scores = mean_scores(ran.results, objective)
    for line in fold_table(ran.results, scores):
        job.log(line)
    predictions = job.opt_ml.output_data / PREDICTIONS
    has_any = collect_predictions(predictions, folds.kept, cut, ran.results, job.log)
    outcome = ScriptOutcome(
        script.name, cut, ran.results, ran.failed, scores, identity, has_any, ran.instance_seconds
    )
    write_script_results(job.opt_ml, outcome, {"kind": "none"}, watch.seconds)
    if job.request.driver.final_model == "refit":
        final = run_on_all_rows(job, script, stop)
        # What the final run has written under that name speaks of no held-out row.
        collect_predictions(predictions, folds.kept, cut, ran.results, _said_already)
        watch.lap("final model")
        write_script_results(job.opt_ml, outcome, final, watch.seconds)
    # The tuner reads these: a stop while S3 is slow must not cost it the trial.
    print_script_metrics(job.request, outcome, objective, folds.kept, job.log)
    if is_training_job(job.environ):
        publish_results(job, siblings, stop)


def _cut(job: Job, stop: StopRequest) -> CutChannel:
    cut = cut_channel(job)
    if HELD_OUT in job.channels:
        job.log(f"channel {HELD_OUT!r} is the held-out rows in each fold, yours in the final run")
    stop.check()
    return cut


def _said_already(line: str) -> None:
    """Leave out what the log has."""


@dataclass(frozen=True, slots=True)
class _Ran:
    """What came of the folds."""

    results: list[FoldResult]
    failed: list[FailedFold]
    instance_seconds: Mapping[str, float] | None


def _run(
    folds: ScriptFolds,
    checkpoints: FoldCheckpoints,
    siblings: Connection | None,
    stop: StopRequest,
) -> _Ran:
    """Run the folds that no earlier start has finished."""
    job, n_folds = folds.job, len(folds.cut.assignment.splits)
    policy = policy_of(job, n_folds)
    log = _fold_log(folds, checkpoints, n_folds)
    results = checkpoints.load(n_folds, with_models=False)
    log.taken_over(results)
    missing = sorted(set(range(n_folds)) - {result.index for result in results})
    outcomes: list[Outcome] = []
    spent: Mapping[str, float] | None = None
    if missing:
        launcher = _open(folds, checkpoints, siblings, missing, stop)
        job.log(f"each fold's own output is in {LOGS} of the output data")
        try:
            outcomes = run_folds(missing, launcher, policy, stop, log)
        finally:
            launcher.close()
            log.close()
        spent = spent_by(job, launcher) if siblings is not None else None
    results += [each.result for each in outcomes if isinstance(each, Succeeded)]
    failed = [
        FailedFold(each.job.index, each.reason) for each in outcomes if isinstance(each, Failed)
    ]
    return _Ran(sorted(results, key=lambda result: result.index), failed, spent)


def _open(
    folds: ScriptFolds,
    checkpoints: FoldCheckpoints,
    siblings: Connection | None,
    missing: list[int],
    stop: StopRequest,
) -> Launcher:
    if siblings is not None:
        from cv_driver.scripts.fold_jobs import open_fold_jobs

        with siblings.until_opened():
            return open_fold_jobs(siblings, folds, checkpoints, missing, stop)
    # One at a time unless the user says that the script leaves room for more.
    return ScriptLauncher(folds, stop, at_once=folds.job.request.driver.max_parallel or 1)


def _fold_log(folds: ScriptFolds, checkpoints: FoldCheckpoints, n_folds: int) -> FoldLog:
    job, metric = folds.job, folds.objective.metric
    running = None
    if job.request.driver.emit == "running":
        if metric is None:
            job.log("cv_emit=running has no effect: there is no _tuning_objective_metric")
        else:
            running = RunningMean(metric, job.log)
    return FoldLog(checkpoints, Progress(job.stream, n_folds, metric or ""), running)
