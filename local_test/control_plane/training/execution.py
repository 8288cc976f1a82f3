"""The phases of a job while its containers run and end.

Each takes the course and returns the next phase, or None to be asked again.  Sources: AWS docs,
'How Amazon SageMaker Runs Your Training Image' (all hosts must exit with 0; SIGTERM, time, SIGKILL)
and 'Use checkpoints in Amazon SageMaker'.  Not documented, and decided here: what ends the
containers first counts, so a failure seen before a stop stays a failure and an exit after a stop is
a stop whatever its code; an interruption sends SIGTERM and gives time, and an exit in that time is
an interruption.
"""

from __future__ import annotations

from local_test.control_plane.training import limits
from local_test.control_plane.training.course import Course, End, Phase
from local_test.control_plane.training.ending import Exits
from local_test.control_plane.training.ports import ClientFault, PlatformFault


def train(course: Course) -> Phase | None:
    """Hand on output and keep checkpoints until something ends the containers."""
    attempt = course.running
    exits = attempt.exits()
    attempt.pump()
    if not exits.are_all and course.world.faults.take("job_internal", name=course.job.name):
        raise PlatformFault("the platform failed while the containers ran (injected fault)")
    end = _what_ends(course, exits)
    if end is None:
        _keep_checkpoint(course)
        return None
    course.end, course.exit_code = end, exits.failure or 0
    if end == "failed":
        course.count_time(is_over=True)
    if not exits.are_all:
        timings = course.world.timings
        is_spot = end == "interrupted"
        attempt.end(timings.spot_grace_s if is_spot else timings.stop_grace_s)
    return "ending"


def end_containers(course: Course) -> Phase | None:
    """Wait for the hosts to end, and kill them when their time is over."""
    attempt = course.running
    attempt.press()
    exits = attempt.exits()
    attempt.pump()
    if not exits.are_all:
        return None
    # What the first processes left behind ends with them, as in a container.
    attempt.end_now()
    return "draining"


def drain(course: Course) -> Phase | None:
    """Hand on the last output; what ended the containers decides what follows."""
    if not course.running.drain() or not _is_sync_settled(course):
        return None
    course.attempt = None
    is_interruption = course.end == "interrupted" and course.job.stop_cause is None
    return "interrupted" if is_interruption else "uploading"


def discard(course: Course) -> Phase | None:
    """End the containers of an attempt that broke, without grace; its fault is raised again."""
    attempt, fault = course.running, course.fault
    assert fault is not None
    try:
        attempt.press()
        if not attempt.exits().are_all:
            attempt.pump()
            return None
        is_over = attempt.drain() and _is_sync_settled(course)
    except (ClientFault, PlatformFault):
        # The executor has lost them: there is nothing more to wait for.
        is_over = True
    if not is_over:
        return None
    course.attempt = None
    raise fault


def _what_ends(course: Course, exits: Exits) -> End | None:
    if course.job.stop_cause is None:
        if exits.failure is not None:
            return "failed"
        if exits.are_all:
            return "exited"
        if course.is_interrupted:
            return "interrupted"
    cause = course.job.stop_cause or limits.exceeded(course.job, course.now)
    if cause is None:
        return None
    course.stop(cause)
    return "stopped"


def _keep_checkpoint(course: Course) -> None:
    if course.syncing is not None:
        if course.syncing.poll() is not None:
            course.syncing = None
            course.sync_at = course.now + course.world.timings.checkpoint_every_s
    elif course.has_checkpoints and course.now >= course.sync_at:
        course.syncing = course.world.stages.sync(course.job)


def _is_sync_settled(course: Course) -> bool:
    """Return whether no sync is under way; if it failed, so will the one that follows."""
    try:
        if course.syncing is not None and course.syncing.poll() is None:
            return False
    except (ClientFault, PlatformFault):
        pass
    course.syncing = None
    return True
