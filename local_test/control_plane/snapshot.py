"""The state of all jobs as one JSON document, for the views; times are seconds since 1970.

That a job is a fold of another one is told by the names and the tags that `cv_driver` gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from local_test.control_plane.fold_scores import Folds
from local_test.control_plane.plane import Plane
from local_test.control_plane.resources import resources
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.tuning.describe import best_trial
from local_test.control_plane.tuning.record import Trial, TuningJob
from local_test.control_plane.tuning.space import Categorical, Integer, Range
from local_test.control_plane.tuning.trial_request import read_definitions

# A further try of a fold bears its number, and a long driver's name is cut in those of its folds.
_FOLD_JOB = re.compile(r"(.+)-f(\d{1,6})(?:-r(\d{1,3}))?")
_DRIVER_TAG = "crossfold:driver"


def snapshot(plane: Plane) -> dict[str, Any]:
    """Return the state of every job; what is not there is None."""
    with plane.lock:
        tuning_of = {
            trial.job_name: tuning.name for tuning in plane.tuning.all() for trial in tuning.trials
        }
        fold_of = _fold_jobs(plane)
        return {
            "now": plane.world.clock.now(),
            "tuning_jobs": [_tuning(plane, job) for job in plane.tuning.all()],
            "training_jobs": [
                _training(plane, job)
                | {"tuning_job": tuning_of.get(job.name), "fold_of": fold_of.get(job.name)}
                for job in plane.training.all()
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
    return {
        "name": tuned.name,
        "low": tuned.low,
        "high": tuned.high,
        "scale": tuned.scale,
        "is_whole": isinstance(tuned, Integer),
    }


def _trial(job: TrainingJob, trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "job": trial.job_name,
        "values": trial.values,
        "status": job.status,
        "secondary": job.secondary_status,
        "value": trial.value,
        "newest": trial.epochs[-1] if trial.epochs else None,
        "stopped_early": trial.was_stopped_early,
        "started": job.training_started,
        "ended": job.training_ended,
        "failure_reason": job.failure_reason,
    }


def _training(plane: Plane, job: TrainingJob) -> dict[str, Any]:
    resources = job.request["ResourceConfig"]
    return {
        "name": job.name,
        "status": job.status,
        "secondary": job.secondary_status,
        "message": job.transitions[-1].message,
        "since": job.transitions[-1].start,
        "created": job.created,
        "started": job.training_started,
        "ended": job.training_ended,
        "instance_type": resources.get("InstanceType"),
        "instance_count": resources.get("InstanceCount"),
        "metrics": {emission.name: emission.value for emission in job.emissions},
        "failure_reason": job.failure_reason,
        "tags": plane.tags.of(job.arn),
        "hyperparameters": job.request.get("HyperParameters", {}),
        "folds": _folds(plane.fold_scores.of(job.name)),
        "last_line": plane.last_lines.of(job.name),
    }


def _fold_jobs(plane: Plane) -> dict[str, dict[str, Any]]:
    """Return by its name what every job that is a fold of another one is; folds have no folds."""
    jobs = {job.name: job.arn for job in plane.training.all()}
    found = {
        name: fold
        for name, arn in jobs.items()
        if (fold := _fold(name, plane.tags.of(arn), jobs)) is not None
    }
    return {name: fold for name, fold in found.items() if fold["driver"] not in found}


def _fold(name: str, tags: Mapping[str, str], known: Mapping[str, object]) -> dict[str, Any] | None:
    match = _FOLD_JOB.fullmatch(name)
    if match is None:
        return None
    driver = tags.get(_DRIVER_TAG, match[1])
    if driver not in known or driver == name:
        return None
    return {"driver": driver, "index": int(match[2]), "attempt": int(match[3] or 0)}


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
