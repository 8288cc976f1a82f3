"""When a tuning job starts no further training job, and why.

Source: AWS docs, "Track and set completion criteria for your tuning job", "Resource Limits for
Automatic Model Tuning", and the API reference (an improvement is one of more than 1 %).

Not documented, hence chosen here: a criterion that is met ends the job as Completed, running
training jobs are stopped except where only MaxNumberOfTrainingJobs is reached; the target is
compared with final values; convergence is `CONVERGED_AFTER` evaluated training jobs in a row
without an improvement; a job without MaxNumberOfTrainingJobs may launch the account's 750.
That a job fails after five attempts of which none succeeded, and in which words, is known from
public reports of users only; with fewer jobs, all of them have to fail; those that the platform
failed (a restart of the plane, say) are not among the five.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.tuning.record import Trial, TuningJob

MOST_JOBS = 750
CONVERGED_AFTER = 10
_IMPROVEMENT = 0.01
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a tuning job; None where there is none; seconds."""

    max_jobs: int
    max_parallel: int
    max_runtime_s: float | None = None
    target: float | None = None
    max_not_improving: int | None = None
    ends_on_convergence: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """One training job that ended: its final objective, None where it has none, and when.

    `has_completed` where it ended as Completed, whether it showed the objective or not;
    `is_internal` where the platform failed it.
    """

    value: float | None
    ended: float
    has_completed: bool = True
    is_internal: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Evaluated training jobs since the last improvement, and when convergence was first seen."""

    not_improving: int
    converged_at: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why no further training job is started, and whether the running ones are stopped."""

    reason: str
    stops_running: bool


def read_outcomes(
    job: TuningJob, training_of: Callable[[Trial], TrainingJob | None]
) -> Sequence[Outcome]:
    """Return the trials that have ended in the order in which they did.

    Of a training job whose record was lost only the trial's own value is known.
    """
    ended = [(trial, training_of(trial)) for trial in job.trials if trial.is_final]
    found = [(_outcome(trial, training, job.created), trial.number) for trial, training in ended]
    return [each for each, _ in sorted(found, key=lambda pair: (pair[0].ended, pair[1]))]


def read_limits(config: Mapping[str, Any], combinations: int | None) -> Limits:
    """Read a HyperParameterTuningJobConfig; `combinations` is the size of a grid."""
    given = config["ResourceLimits"]
    criteria = config.get("TuningJobCompletionCriteria", {})
    convergence = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence")
    return Limits(
        max_jobs=combinations or given.get("MaxNumberOfTrainingJobs", MOST_JOBS),
        max_parallel=given["MaxParallelTrainingJobs"],
        max_runtime_s=given.get("MaxRuntimeInSeconds"),
        target=criteria.get("TargetObjectiveMetricValue"),
        max_not_improving=criteria.get("BestObjectiveNotImproving", {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        ),
        ends_on_convergence=convergence == "Enabled",
    )


def judge(
    limits: Limits,
    outcomes: Sequence[Outcome],
    *,
    launched: int,
    runtime_s: float,
    is_minimized: bool,
) -> Verdict | None:
    """Return the first criterion that is met, None while the job goes on.

    `outcomes` are in the order in which the training jobs ended.
    """
    stopping = _stopping_reason(limits, outcomes, runtime_s=runtime_s, is_minimized=is_minimized)
    if stopping is not None:
        return Verdict(stopping, stops_running=True)
    if launched >= limits.max_jobs:
        return Verdict(f"MaxNumberOfTrainingJobs: {launched} were launched", stops_running=False)
    return None


def measure(outcomes: Sequence[Outcome], *, is_minimized: bool) -> Progress:
    """Count the evaluated training jobs since the best value last improved by more than 1 %."""
    best: float | None = None
    idle = 0
    converged_at: float | None = None
    for outcome in outcomes:
        if outcome.value is None:
            continue
        idle = 0 if _improves(outcome.value, best, is_minimized=is_minimized) else idle + 1
        if best is None or _is_better(outcome.value, best, is_minimized=is_minimized):
            best = outcome.value
        if idle >= CONVERGED_AFTER and converged_at is None:
            converged_at = outcome.ended
    return Progress(idle, converged_at)


def failure(limits: Limits, outcomes: Sequence[Outcome]) -> str | None:
    """Return why a tuning job fails: its first training jobs all ended without an objective."""
    attempts = min(_ATTEMPTS, limits.max_jobs)
    own = sum(not outcome.is_internal for outcome in outcomes)
    if any(outcome.value is not None for outcome in outcomes):
        return None
    if own < attempts and len(outcomes) < limits.max_jobs:
        return None
    if any(outcome.has_completed for outcome in outcomes):
        return (
            f"No objective metrics found after running {attempts} training jobs. Please ensure "
            "that the custom algorithm is emitting the objective metric as defined by the regular "
            "expression provided."
        )
    return (
        f"No training job succeeded after {attempts} attempts. For additional details, please take "
        "a look at the training job failures by listing training jobs for the hyperparameter "
        "tuning job."
    )


def _stopping_reason(
    limits: Limits, outcomes: Sequence[Outcome], *, runtime_s: float, is_minimized: bool
) -> str | None:
    if limits.max_runtime_s is not None and runtime_s >= limits.max_runtime_s:
        return f"MaxRuntimeInSeconds: {limits.max_runtime_s:g} s are over"
    values = [outcome.value for outcome in outcomes if outcome.value is not None]
    if limits.target is not None:
        met = [v for v in values if (v <= limits.target if is_minimized else v >= limits.target)]
        if met:
            return f"TargetObjectiveMetricValue: {met[0]:g} meets {limits.target:g}"
    progress = measure(outcomes, is_minimized=is_minimized)
    most = limits.max_not_improving
    if most is not None and progress.not_improving >= most:
        return f"BestObjectiveNotImproving: {progress.not_improving} training jobs in a row"
    if limits.ends_on_convergence and progress.converged_at is not None:
        return f"ConvergenceDetected: {CONVERGED_AFTER} training jobs improved by 1 % or less"
    return None


def _improves(value: float, best: float | None, *, is_minimized: bool) -> bool:
    if best is None:
        return True
    gain = best - value if is_minimized else value - best
    return gain > _IMPROVEMENT * abs(best)


def _is_better(value: float, best: float, *, is_minimized: bool) -> bool:
    return value < best if is_minimized else value > best


def _outcome(trial: Trial, training: TrainingJob | None, unknown: float) -> Outcome:
    if training is None:
        is_known = trial.value is not None
        return Outcome(trial.value, unknown, has_completed=is_known, is_internal=not is_known)
    return Outcome(
        trial.value,
        training.modified,
        has_completed=training.status == "Completed",
        is_internal=(training.failure_reason or "").startswith("InternalServerError"),
    )
