"""What Describe and List say of tuning jobs and their trials; times are seconds since 1970.

It changes nothing and knows no HTTP; pages are cut by the caller.  Sources: AWS docs,
"DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob" (a job without an
objective is not listed when sorted by it), "ListHyperParameterTuningJobs", "Run a Warm Start
Hyperparameter Tuning Job" (OverallBestTrainingJob).

Not documented, hence chosen here: the best training job may be one that was stopped, ties go to
the earlier trial, convergence is reported whether it ends the job or not, and RetryableError counts
the jobs whose FailureReason is an InternalServerError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.tuning import completion, warm_start
from local_test.control_plane.tuning.completion import Outcome
from local_test.control_plane.tuning.record import Trial, TuningJob
from local_test.control_plane.tuning.trial_request import (
    OBJECTIVE_KEY,
    Definition,
    grid_size,
    read_definitions,
    read_strategy,
)
from local_test.control_plane.wire.filters import is_asked_for

# Answer the record of a name; a trial's training job may not be there yet after a crash.
LookUpTraining = Callable[[str], TrainingJob | None]
LookUpTuning = Callable[[str], TuningJob | None]

_ECHOED = ("WarmStartConfig", "Autotune")


def describe(
    job: TuningJob, *, training: LookUpTraining, tuning: LookUpTuning, now: float
) -> dict[str, Any]:
    """Return the answer to DescribeHyperParameterTuningJob; `now` dates the consumed time."""
    definitions = read_definitions(job.request)
    answer: dict[str, Any] = {
        **_state(job, training),
        "HyperParameterTuningJobConfig": _config(job, definitions),
        **_definitions(job, definitions),
        **{key: job.request[key] for key in _ECHOED if key in job.request},
        "TuningJobCompletionDetails": _completion_details(job, definitions, training),
        "ConsumedResources": {
            "RuntimeInSeconds": int((now if job.ended is None else job.ended) - job.created)
        },
    }
    best = _best([job], training)
    if best is not None:
        answer["BestTrainingJob"] = best
    if warm_start.tells_overall_best(job.request):
        parents = [tuning(name) for name in warm_start.parent_names(job.request)]
        overall = _best([job, *(each for each in parents if each is not None)], training)
        if overall is not None:
            answer["OverallBestTrainingJob"] = overall
    if job.failure_reason is not None:
        answer["FailureReason"] = job.failure_reason
    return answer


def summarize(job: TuningJob, *, training: LookUpTraining) -> dict[str, Any]:
    """Return a job's entry in the answer to ListHyperParameterTuningJobs."""
    return {
        **_state(job, training),
        "Strategy": read_strategy(job.request),
        "ResourceLimits": _resource_limits(job, read_definitions(job.request)),
    }


def list_tuning_jobs(
    jobs: Iterable[TuningJob], request: Mapping[str, Any], *, training: LookUpTraining
) -> list[dict[str, Any]]:
    """Return all entries that a ListHyperParameterTuningJobs request asks for, in its order."""
    keys: Mapping[str, Callable[[TuningJob], Any]] = {
        "Name": lambda job: job.name,
        "Status": lambda job: (job.status, job.name),
        "CreationTime": lambda job: (job.created, job.name),
    }
    chosen = sorted(
        (job for job in jobs if _fits(job, request)),
        key=keys[request.get("SortBy", "Name")],
        reverse=request.get("SortOrder") == "Descending",
    )
    return [summarize(job, training=training) for job in chosen]


def list_trials(
    job: TuningJob, request: Mapping[str, Any], *, training: LookUpTraining
) -> list[dict[str, Any]]:
    """Return all entries that ListTrainingJobsForHyperParameterTuningJob asks for, in its order."""
    sort_by = request.get("SortBy", "Name")
    status = request.get("StatusEquals")
    entries = [
        (trial, entry)
        for trial, entry in _entries(job, training)
        if (status is None or entry["TrainingJobStatus"] == status)
        and (sort_by != "FinalObjectiveMetricValue" or trial.value is not None)
    ]
    keys: Mapping[str, Callable[[tuple[Trial, dict[str, Any]]], Any]] = {
        "Name": lambda pair: pair[0].job_name,
        "CreationTime": lambda pair: (pair[1]["CreationTime"], pair[0].number),
        "Status": lambda pair: (pair[1]["TrainingJobStatus"], pair[0].number),
        "FinalObjectiveMetricValue": lambda pair: (pair[0].value, pair[0].number),
    }
    entries.sort(key=keys[sort_by], reverse=request.get("SortOrder") == "Descending")
    return [entry for _, entry in entries]


def best_trial(job: TuningJob) -> Trial | None:
    """Return the trial with the best final objective, the earlier one of equals."""
    is_minimized = read_definitions(job.request)[0].is_minimized
    sign = 1 if is_minimized else -1
    evaluated = [
        (sign * trial.value, trial.number, trial)
        for trial in job.trials
        if trial.is_final and trial.value is not None
    ]
    return min(evaluated)[2] if evaluated else None


def _state(job: TuningJob, training: LookUpTraining) -> dict[str, Any]:
    answer = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": job.arn,
        "HyperParameterTuningJobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TrainingJobStatusCounters": _status_counters(job, training),
        "ObjectiveStatusCounters": _objective_counters(job),
    }
    return answer if job.ended is None else {**answer, "HyperParameterTuningEndTime": job.ended}


def _status_counters(job: TuningJob, training: LookUpTraining) -> dict[str, int]:
    count = dict.fromkeys(
        ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
    )
    for trial in job.trials:
        record = training(trial.job_name)
        if record is None or record.is_live:
            count["InProgress"] += 1
        elif record.status == "Failed":
            is_internal = (record.failure_reason or "").startswith("InternalServerError")
            count["RetryableError" if is_internal else "NonRetryableError"] += 1
        else:
            count[record.status] += 1
    return count


def _objective_counters(job: TuningJob) -> dict[str, int]:
    count = Counter(_objective_status(trial) for trial in job.trials)
    return {status: count[status] for status in ("Succeeded", "Pending", "Failed")}


def _objective_status(trial: Trial) -> str:
    if not trial.is_final:
        return "Pending"
    return "Failed" if trial.value is None else "Succeeded"


def _config(job: TuningJob, definitions: Sequence[Definition]) -> dict[str, Any]:
    config = dict(job.request["HyperParameterTuningJobConfig"])
    config["ResourceLimits"] = _resource_limits(job, definitions)
    config.setdefault("TrainingJobEarlyStoppingType", "Off")
    return config


def _resource_limits(job: TuningJob, definitions: Sequence[Definition]) -> dict[str, Any]:
    """Return the limits as asked, and the number of training jobs that a grid implies."""
    given = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    size = grid_size(definitions, read_strategy(job.request))
    return dict(given) if size is None else {**given, "MaxNumberOfTrainingJobs": size}


def _definitions(job: TuningJob, definitions: Sequence[Definition]) -> dict[str, Any]:
    shown = [
        {
            **_resource_config(definition),
            **definition.request,
            "StaticHyperParameters": {**definition.static, OBJECTIVE_KEY: definition.metric},
        }
        for definition in definitions
    ]
    if "TrainingJobDefinition" in job.request:
        return {"TrainingJobDefinition": shown[0]}
    return {"TrainingJobDefinitions": shown}


def _resource_config(definition: Definition) -> dict[str, Any]:
    """Return what SDK v2 reads when a tuner attaches, whichever way the request told it."""
    resources = definition.request.get("HyperParameterTuningResourceConfig") or {}
    keys = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    told = {key: resources[key] for key in keys if key in resources}
    return {"ResourceConfig": told} if told else {}


def _completion_details(
    job: TuningJob, definitions: Sequence[Definition], training: LookUpTraining
) -> dict[str, Any]:
    ended = [
        (record.modified, trial.number, trial.value)
        for trial in job.trials
        if trial.is_final and (record := training(trial.job_name)) is not None
    ]
    outcomes = [Outcome(value, at) for at, _, value in sorted(ended, key=lambda each: each[:2])]
    progress = completion.measure(outcomes, is_minimized=definitions[0].is_minimized)
    details = {"NumberOfTrainingJobsObjectiveNotImproving": progress.not_improving}
    if progress.converged_at is None:
        return details
    return {**details, "ConvergenceDetectedTime": progress.converged_at}


def _best(jobs: Sequence[TuningJob], training: LookUpTraining) -> dict[str, Any] | None:
    """Return the entry of the best trial of several jobs with the same objective."""
    sign = 1 if read_definitions(jobs[0].request)[0].is_minimized else -1
    best = [(job, trial) for job in jobs if (trial := best_trial(job)) is not None]
    if not best:
        return None
    job, trial = min(best, key=lambda pair: sign * (pair[1].value or 0.0))
    record = training(trial.job_name)
    return None if record is None else _entry(job, trial, record)


def _entries(job: TuningJob, training: LookUpTraining) -> list[tuple[Trial, dict[str, Any]]]:
    found = [(trial, training(trial.job_name)) for trial in job.trials]
    return [(trial, _entry(job, trial, each)) for trial, each in found if each is not None]


def _entry(job: TuningJob, trial: Trial, record: TrainingJob) -> dict[str, Any]:
    """Return a HyperParameterTrainingJobSummary."""
    definition = next(
        each for each in read_definitions(job.request) if each.name == trial.definition
    )
    entry: dict[str, Any] = {
        "TrainingJobName": record.name,
        "TrainingJobArn": record.arn,
        "TuningJobName": job.name,
        "CreationTime": record.created,
        "TrainingJobStatus": record.status,
        "TunedHyperParameters": dict(trial.values),
        "ObjectiveStatus": _objective_status(trial),
    }
    optional = {
        "TrainingJobDefinitionName": trial.definition,
        "TrainingStartTime": record.training_started,
        "TrainingEndTime": None if record.is_live else record.training_ended,
        "FailureReason": record.failure_reason,
    }
    entry |= {key: value for key, value in optional.items() if value is not None}
    if trial.is_final and trial.value is not None:
        entry["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "Type": "Minimize" if definition.is_minimized else "Maximize",
            "MetricName": definition.metric,
            "Value": trial.value,
        }
    return entry


def _fits(job: TuningJob, request: Mapping[str, Any]) -> bool:
    """Say whether a job passes the filters of a ListHyperParameterTuningJobs request."""
    return is_asked_for(
        request, name=job.name, status=job.status, created=job.created, modified=job.modified
    )
