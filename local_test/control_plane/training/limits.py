"""How long a job may take, as its request says.

Source: AWS API reference, 'StoppingCondition': MaxRuntimeInSeconds (1 day unless said otherwise)
covers all attempts together; MaxWaitTimeInSeconds is a spot job's, waiting and running together.
That the running time begins with the download of the data, as the billed time does, is not
documented.
"""

from __future__ import annotations

from local_test.control_plane.training.record import StopCause, TrainingJob

DEFAULT_MAX_RUNTIME_S = 86_400


def is_spot(job: TrainingJob) -> bool:
    """Return whether the job runs on instances that may be taken away."""
    return bool(job.request.get("EnableManagedSpotTraining", False))


def exceeded(job: TrainingJob, now: float) -> StopCause | None:
    """Return which of the job's limits has passed, if any."""
    condition = job.request.get("StoppingCondition") or {}
    if job.training_s >= condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S):
        return "max_runtime"
    max_wait_s = condition.get("MaxWaitTimeInSeconds")
    if is_spot(job) and max_wait_s is not None and now - job.created >= max_wait_s:
        return "max_wait"
    return None


def may_retry(job: TrainingJob) -> bool:
    """Return whether the request's retry strategy allows one more attempt."""
    strategy = job.request.get("RetryStrategy") or {}
    return job.retries < int(strategy.get("MaximumRetryAttempts", 0))
