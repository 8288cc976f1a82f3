"""The phases of a job before its containers run: capacity, instances, data.

Each takes the course and returns the next phase, or None to be asked again.  Sources: AWS docs,
'Managed Spot Training' and the API reference's 'DescribeTrainingJob' (Starting, Pending,
Downloading).  A stop in these phases ends the job at once and uploads nothing: there is nothing
yet, and users' logs show ``Downloading``, ``Stopping``, ``Stopped``.
"""

from __future__ import annotations

from local_test.control_plane.training import failure, limits
from local_test.control_plane.training.attempt import Attempt
from local_test.control_plane.training.course import Course, Phase
from local_test.control_plane.training.metrics import MetricScanner
from local_test.control_plane.training.transitions import (
    DOWNLOADING_IMAGE,
    LAUNCHING,
    PREPARING,
    enter,
    say,
)


def request_instances(course: Course) -> Phase | None:
    """Ask for capacity; what is injected decides whether and when there is any."""
    if _must_stop(course):
        return "stopping"
    world, job = course.world, course.job
    if world.faults.take("capacity", name=job.name):
        return course.fail(failure.CAPACITY)
    course.wait_until = course.now + world.timings.starting_s
    say(job, LAUNCHING, course.now)
    slow = world.faults.take("slow_start", name=job.name)
    if slow is not None:
        course.wait_until += slow.seconds
        enter(job, "Pending", course.now)
    return "waiting"


def await_instances(course: Course) -> Phase | None:
    """Wait for the instances, then begin the download; `attempt` counts what is prepared."""
    if _must_stop(course):
        return "stopping"
    if course.now < course.wait_until:
        return None
    job = course.job
    say(job, PREPARING, course.now)
    course.begin_time()
    job.attempt += 1
    enter(job, "Downloading", course.now)
    course.preparing = course.world.stages.prepare(job)
    return "downloading"


def download(course: Course) -> Phase | None:
    """Wait for the data, then start the containers."""
    if _must_stop(course):
        return "stopping"
    assert course.preparing is not None
    launch = course.preparing.poll()
    if launch is None:
        return None
    job, world = course.job, course.world
    say(job, DOWNLOADING_IMAGE, course.now)
    # Before the start: a scanner that cannot be built must not leave containers behind.
    definitions = job.request["AlgorithmSpecification"].get("MetricDefinitions") or ()
    scanner = MetricScanner(definitions, world.matcher)
    containers = world.executor.start(launch)
    course.attempt = Attempt(job, containers, scanner, clock=world.clock, telemetry=world.telemetry)
    course.is_interrupted = False
    course.sync_at = course.now + world.timings.checkpoint_every_s
    enter(job, "Training", course.now)
    return "training"


def stop_before_training(course: Course) -> Phase | None:
    """End a job that is stopped while no container of it runs."""
    return course.become_stopped()


def _must_stop(course: Course) -> bool:
    cause = course.job.stop_cause or limits.exceeded(course.job, course.now)
    if cause is not None:
        course.stop(cause)
    return cause is not None
