"""The story of a script's cross-validation: cut → run for each fold → scores → run on all rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfold.contract.stop import StopRequest
from crossfold.data.row_files import fingerprint_of_files
from crossfold.errors import UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.job import Job
from crossfold.persistence.manifest import library_versions
from crossfold.results.cv_results_file import FailedFold
from cv_driver.checkpoints import FoldCheckpoints
from cv_driver.driver import Stopwatch, policy_of
from cv_driver.fold_log import FoldLog
from cv_driver.launchers.launcher import Failed, Outcome, Succeeded
from cv_driver.progress import Progress, fold_table
from cv_driver.running_mean import RunningMean
from cv_driver.scripts.channel import CutChannel, cut_channel
from cv_driver.scripts.final_run import run_on_all_rows
from cv_driver.scripts.fold_tree import HELD_OUT
from cv_driver.scripts.launcher import LOGS, ScriptLauncher
from cv_driver.scripts.objective import find_objective
from cv_driver.scripts.predictions import PREDICTIONS, collect_predictions
from cv_driver.scripts.printed_scores import Objective
from cv_driver.scripts.results import (
    ScriptOutcome,
    mean_scores,
    print_script_metrics,
    write_script_results,
)
from cv_driver.scripts.user_script import UserScript
from cv_driver.siblings.publication import publish_results
from cv_driver.siblings.wanted import wants_siblings
from cv_driver.watch import run_folds


def check_request(job: Job) -> None:
    """Refuse what a script's cross-validation cannot do, before anything is fetched.

    Raises
    ------
    UserError
        As the message says.
    """
    driver = job.request.driver
    why = None
    if job.request.mode == "fold":
        why = "'cv_fold_index' is given: one fold alone, as a job of its own, is"
    elif wants_siblings(job):
        why = "'cv_launcher' is 'sagemaker': folds as training jobs of their own are"
    elif driver.final_model == "ensemble":
        why = "'cv_final_model' is 'ensemble': averages of models are"
    elif driver.aggregate == "pooled":
        why = "'cv_aggregate' is 'pooled': scores over pooled rows are"
    elif driver.validation == "pool":
        why = "'cv_validation' is 'pool': more than one channel to fold is"
    if why is not None:
        raise UserError(
            f"hyperparameter {why} not supported for a script (sagemaker_program is "
            f"{job.request.script!r}); remove it"
        )


def drive_script(job: Job, script: UserScript, stop: StopRequest) -> None:
    """Cross-validate the script, run it on all rows, write every result.

    Raises
    ------
    Stopped
        A stop was asked for before the final run; no script is left running.
    CrossfoldError
        The request, the data, a fold or the platform is at fault.
    """
    watch = Stopwatch()
    objective = find_objective(job)
    cut = cut_channel(job)
    if HELD_OUT in job.channels:
        job.log(f"channel {HELD_OUT!r} is the held-out rows in each fold, yours in the final run")
    stop.check()
    identity = _identity(job, script, cut)
    checkpoints = FoldCheckpoints(job.opt_ml.checkpoints, identity)
    watch.lap("read")
    results, failed = _run(job, script, _Plan(cut, objective, checkpoints), stop)
    watch.lap("folds")
    scores = mean_scores(results, objective)
    for line in fold_table(results, scores):
        job.log(line)
    predictions = job.opt_ml.output_data / PREDICTIONS
    has_any = collect_predictions(predictions, checkpoints.folder, cut, results, job.log)
    outcome = ScriptOutcome(script.name, cut, results, failed, scores, identity, has_any)
    write_script_results(job.opt_ml, outcome, {"kind": "none"}, watch.seconds)
    if job.request.driver.final_model == "refit":
        final = run_on_all_rows(job, script, stop)
        # What the final run has written under that name speaks of no held-out row.
        collect_predictions(predictions, checkpoints.folder, cut, results, _said_already)
        watch.lap("final model")
        write_script_results(job.opt_ml, outcome, final, watch.seconds)
    publish_results(job, None)
    print_script_metrics(job.request, outcome, objective, checkpoints.folder, job.log)


def _said_already(line: str) -> None:
    """Leave out what the log has."""


@dataclass(frozen=True, slots=True)
class _Plan:
    cut: CutChannel
    objective: Objective
    checkpoints: FoldCheckpoints


def _identity(job: Job, script: UserScript, cut: CutChannel) -> dict[str, Any]:
    return {
        "data": cut.fingerprint,
        "split": cut.assignment.fingerprint(),
        "request": job.request.canonical(),
        "objective": repr((job.request.tuning_objective, job.request.driver.group_by)),
        "code": fingerprint_of_files(_code_files(script.folder)),
        "versions": library_versions("script"),
    }


def _code_files(folder: Path) -> list[tuple[str, Path]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        (path.relative_to(folder).as_posix(), path)
        for path in paths
        if "__pycache__" not in path.parts
    ]


def _run(
    job: Job, script: UserScript, plan: _Plan, stop: StopRequest
) -> tuple[list[FoldResult], list[FailedFold]]:
    """Run the folds that no earlier start has finished."""
    n_folds = len(plan.cut.assignment.splits)
    policy = policy_of(job, n_folds)
    log = _fold_log(job, plan, n_folds)
    results = plan.checkpoints.load(n_folds, with_models=False)
    log.taken_over(results)
    missing = sorted(set(range(n_folds)) - {result.index for result in results})
    outcomes: list[Outcome] = []
    if missing:
        job.log(f"each fold's own output is in {LOGS} of the output data")
        launcher = ScriptLauncher(
            job, script, plan.cut, plan.objective, plan.checkpoints.folder, stop
        )
        try:
            outcomes = run_folds(missing, launcher, policy, stop, log)
        finally:
            launcher.close()
            log.close()
    results += [each.result for each in outcomes if isinstance(each, Succeeded)]
    failed = [
        FailedFold(each.job.index, each.reason) for each in outcomes if isinstance(each, Failed)
    ]
    return sorted(results, key=lambda result: result.index), failed


def _fold_log(job: Job, plan: _Plan, n_folds: int) -> FoldLog:
    metric = plan.objective.metric
    running = None
    if job.request.driver.emit == "running":
        if metric is None:
            job.log("cv_emit=running has no effect: there is no _tuning_objective_metric")
        else:
            running = RunningMean(metric, job.log)
    return FoldLog(plan.checkpoints, Progress(job.stream, n_folds, metric or ""), running)
