"""The words of a training job's course: secondary statuses, their messages, and how one follows.

It knows only the record.  Source: AWS API reference, 'SecondaryStatusTransition' (Starting and
Training), and the console output of SDK users for the messages that it does not list.  Messages of
Interrupted, Restarting, MaxRuntimeExceeded and MaxWaitTimeExceeded are not documented.
"""

from __future__ import annotations

from types import MappingProxyType

from local_test.control_plane.training.record import LIVE, Status, TrainingJob, Transition

LAUNCHING = "Launching requested ML instances"
PREPARING = "Preparing the instances for training"
DOWNLOADING_IMAGE = "Downloading the training image"

MESSAGES = MappingProxyType(
    {
        "Starting": "Starting the training job",
        "Pending": "Training job waiting for capacity",
        "Downloading": "Downloading input data",
        "Training": "Training image download completed. Training in progress.",
        "Interrupted": "The managed spot training instances were interrupted",
        "Restarting": "Restarting the training job",
        "Uploading": "Uploading generated training model",
        "Stopping": "Stopping the training job",
        "Completed": "Training job completed",
        "Failed": "Training job failed",
        "Stopped": "Training job stopped",
        "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
        "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    }
)


def enter(job: TrainingJob, secondary: str, now: float, *, status: Status | None = None) -> None:
    """Begin a secondary status, ending the one before; `status` changes the job's own."""
    assert job.is_live, f"{job.name} is {job.status} and cannot become {secondary}"
    if job.transitions:
        job.transitions[-1].end = now
    if status is not None:
        job.status = status
    end = None if job.status in LIVE else now
    job.transitions.append(Transition(secondary, now, end, MESSAGES[secondary]))
    job.modified = now


def say(job: TrainingJob, message: str, now: float) -> None:
    """Change the message of the present secondary status."""
    job.transitions[-1].message = message
    job.modified = now
