"""Eventual consistency on demand: a training job as it was some seconds ago.

The service's Describe and List calls may lag behind its Create and Stop calls.
"""

from __future__ import annotations

from dataclasses import replace

from local_test.control_plane.training.record import Status, TrainingJob

_TERMINAL: dict[str, Status] = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopping": "Stopping",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
    "MaxWaitTimeExceeded": "Stopped",
}


def as_of(job: TrainingJob, moment: float) -> TrainingJob | None:
    """Return the job as it was at `moment`, None where it did not exist yet."""
    seen = [each for each in job.transitions if each.start <= moment]
    if not seen or job.created > moment:
        return None
    if len(seen) == len(job.transitions):
        return job
    return replace(
        job,
        transitions=[*seen[:-1], replace(seen[-1], end=None)],
        emissions=[each for each in job.emissions if each.at <= moment],
        status=_TERMINAL.get(seen[-1].status, "InProgress"),
        modified=seen[-1].start,
        failure_reason=None,
        model_uri=None,
        output_uri=None,
        training_ended=None,
    )
