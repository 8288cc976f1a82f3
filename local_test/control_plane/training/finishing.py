"""The phases of a job after its containers: the upload, a new start, the end.

Each takes the course and returns the next phase, or None to be asked again.  Sources: AWS API
reference, 'RetryStrategy' (only an InternalServerError is tried again, and the status changes to
Starting) and AWS docs, 'Managed Spot Training' (an interrupted job starts again with its
checkpoints).  Not documented: a failed job uploads what ``/opt/ml/output/data`` holds, no model.
"""

from __future__ import annotations

from local_test.control_plane.training import failure, limits
from local_test.control_plane.training.course import Course, Phase
from local_test.control_plane.training.ports import ClientFault, PlatformFault
from local_test.control_plane.training.transitions import enter


def upload(course: Course) -> Phase | None:
    """Upload what the containers left, then end the job."""
    job = course.job
    if course.uploading is None:
        enter(job, "Uploading", course.now)
        with_model = course.end != "failed"
        course.uploading = course.world.stages.upload(job, with_model=with_model)
    uploaded = course.uploading.poll()
    if uploaded is None:
        return None
    job.model_uri, job.output_uri = uploaded.model_uri, uploaded.output_uri
    if course.end == "failed":
        return course.fail(failure.algorithm_error(uploaded.failure_text, course.exit_code))
    return course.complete() if job.stop_cause is None else course.become_stopped()


def interrupt(course: Course) -> Phase | None:
    """Begin to keep the checkpoints of a spot job whose instances are gone."""
    course.count_time(is_over=True)
    enter(course.job, "Interrupted", course.now)
    if course.has_checkpoints:
        course.syncing = course.world.stages.sync(course.job)
    return "saving"


def save_checkpoint(course: Course) -> Phase | None:
    """Wait until the checkpoints of an interrupted job are safe."""
    if course.syncing is not None and course.syncing.poll() is None:
        return None
    course.syncing = None
    return _start_again(course)


def recover(course: Course, fault: ClientFault | PlatformFault) -> Phase:
    """Answer a fault once nothing of the attempt runs: fail, or start again."""
    job = course.job
    was_uploading = course.uploading is not None
    course.uploading, course.syncing = None, None
    if course.end == "failed":
        return course.fail(failure.algorithm_error(None, course.exit_code))
    if isinstance(fault, ClientFault):
        return course.fail(failure.client_error(str(fault)))
    if job.stop_cause is not None and not was_uploading:
        return "stopping"
    if job.stop_cause is not None or not limits.may_retry(job):
        return course.fail(failure.internal_error(str(fault)))
    job.retries += 1
    enter(job, "Restarting", course.now)
    return _start_again(course)


def _start_again(course: Course) -> Phase:
    if course.job.stop_cause is not None:
        return "stopping"
    course.end, course.exit_code, course.fault = "exited", 0, None
    course.instances_until = None
    enter(course.job, "Starting", course.now)
    return "requesting"
