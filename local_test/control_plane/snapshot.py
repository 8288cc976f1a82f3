"""The state of all jobs as one JSON document, for the views; times are seconds since 1970."""

from __future__ import annotations

from typing import Any

from local_test.control_plane.fold_scores import Folds
from local_test.control_plane.plane import Plane
from local_test.control_plane.resources import resources
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.tuning.describe import best_trial
from local_test.control_plane.tuning.record import Trial, TuningJob
from local_test.control_plane.tuning.space import Categorical, Range
from local_test.control_plane.tuning.trial_request import read_definitions


def snapshot(plane: Plane) -> dict[str, Any]:
    """Return the state of every job; what is not there is None."""
    with plane.lock:
        tuning_of = {
            trial.job_name: tuning.name for tuning in plane.tuning.all() for trial in tuning.trials
        }
        return {
            "now": plane.world.clock.now(),
            "tuning_jobs": [_tuning(plane, job) for job in plane.tuning.all()],
            "training_jobs": [
                _training(plane, job, tuning_of.get(job.name)) for job in plane.training.all()
            ],
            "resources": resources(plane),
        }


def _tuning(plane: Plane, job: TuningJob) -> dict[str, Any]:
    config = job.request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    # A trial is written down before its training job is created.
    job_of = {each.name: each for each in plane.training.all()}
    best = best_trial(job)
    definition = read_definitions(job.request)[0]
    return {
        "name": job.name,
        "status": job.status,
        "strategy": config["Strategy"],
        "objective": {
            "name": definition.metric,
            "type": "Minimize" if definition.is_minimized else "Maximize",
        },
        "max_jobs": limits.get("MaxNumberOfTrainingJobs"),
        "max_parallel": limits["MaxParallelTrainingJobs"],
        "ranges": [_range(each) for each in definition.space],
        "best": None if best is None else {"job": best.job_name, "value": best.value},
        "created": job.created,
        "ended": job.ended,
        "completion_reason": job.completion_reason,
        "trials": [
            _trial(job_of[trial.job_name], trial)
            for trial in job.trials
            if trial.job_name in job_of
        ],
    }


def _range(tuned: Range) -> dict[str, Any]:
    if isinstance(tuned, Categorical):
        return {"name": tuned.name, "values": list(tuned.values)}
    return {"name": tuned.name, "low": tuned.low, "high": tuned.high, "scale": tuned.scale}


def _trial(job: TrainingJob, trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "job": trial.job_name,
        "values": trial.values,
        "status": job.status,
        "secondary": job.secondary_status,
        "value": trial.value,
        "epochs": trial.epochs,
        "stopped_early": trial.was_stopped_early,
        "started": job.training_started,
        "ended": job.training_ended,
        "failure_reason": job.failure_reason,
    }


def _training(plane: Plane, job: TrainingJob, tuning_job: str | None) -> dict[str, Any]:
    resources = job.request["ResourceConfig"]
    return {
        "name": job.name,
        "status": job.status,
        "secondary": job.secondary_status,
        "message": job.transitions[-1].message,
        "created": job.created,
        "started": job.training_started,
        "ended": job.training_ended,
        "instance_type": resources.get("InstanceType"),
        "instance_count": resources.get("InstanceCount"),
        "tuning_job": tuning_job,
        "metrics": {emission.name: emission.value for emission in job.emissions},
        "failure_reason": job.failure_reason,
        "tags": plane.tags.of(job.arn),
        "hyperparameters": job.request.get("HyperParameters", {}),
        "folds": _folds(plane.fold_scores.of(job.name)),
        "last_line": plane.last_lines.of(job.name),
    }


def _folds(folds: Folds | None) -> dict[str, Any] | None:
    if folds is None:
        return None
    return {
        "metric": folds.metric,
        "total": folds.total,
        "scores": [
            {"fold": number, "value": folds.scores[number]} for number in sorted(folds.scores)
        ],
    }
