"""All processing jobs of the plane: create, stop, and one tick that moves them on.

Nothing here blocks.  It knows the ports and the faults, no HTTP and no folders.  Source: AWS API
reference, 'CreateProcessingJob', 'StopProcessingJob'; the wording of refusals is what users report
and is not documented.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.processing.course import Course
from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.processing.world import World
from local_test.control_plane.training import failure
from local_test.control_plane.training.course import Timings
from local_test.control_plane.training.ports import Executor, Journal
from local_test.control_plane.training.reaping import Reaper
from local_test.control_plane.wire.errors import InternalFailure, ResourceInUse, ValidationError

JOURNAL_KIND = "processing-job"

_LOG = logging.getLogger(__name__)


class ProcessingJobs:
    """The processing jobs; its callers hold the plane's lock."""

    def __init__(
        self,
        *,
        clock: Clock,
        executor: Executor,
        doors: ProcessingDoors,
        journal: Journal,
        faults: Faults,
        timings: Timings,
    ) -> None:
        self._world = World(clock, executor, doors, faults, timings)
        self._journal = journal
        self._jobs: dict[str, ProcessingJob] = {}
        self._courses: dict[str, Course] = {}
        self._saved: dict[str, tuple[object, ...]] = {}
        self._reaper = Reaper(clock)
        self._is_closing = False

    def create(self, request: dict[str, Any], *, arn: str) -> ProcessingJob:
        """Take a validated CreateProcessingJob request; the job starts at the next tick.

        Raises
        ------
        ResourceInUse
            The name has been used before.
        InternalFailure
            The plane is ending.
        """
        name = request["ProcessingJobName"]
        if self._is_closing:
            raise InternalFailure("the local control plane is ending; no job can be created")
        if name in self._jobs:
            raise ResourceInUse(
                "Job name must be unique within an AWS account and region, and a processing job "
                f"with this name already exists ({self._jobs[name].arn})"
            )
        now = self._world.clock.now()
        job = ProcessingJob(name, arn, dict(request), created=now, modified=now)
        self._journal.save(JOURNAL_KIND, name, job.to_json())
        self._jobs[name] = job
        self._courses[name] = Course(job, self._world)
        self._saved[name] = _mark(job)
        return job

    def get(self, name: str) -> ProcessingJob:
        """Return one job.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        try:
            return self._jobs[name]
        except KeyError:
            raise ValidationError(f"Could not find requested job with name: {name}") from None

    def all(self) -> Sequence[ProcessingJob]:
        """Return every job in the order of creation."""
        return tuple(self._jobs.values())

    def stop(self, name: str) -> None:
        """Begin to stop a live job; one that is stopping already goes on as it does.

        Raises
        ------
        ValidationError
            There is no such job, or it has ended.
        """
        job = self.get(name)
        if not job.is_live:
            raise ValidationError(
                f"The request was rejected because the processing job is in status {job.status}."
            )
        self._courses[name].stop("asked")
        self._try_to_save(self._courses[name])

    def tick(self) -> None:
        """Advance every live job as far as it goes; a defect in one fails that one only."""
        for course in list(self._courses.values()):
            try:
                course.step()
            except Exception as defect:  # noqa: BLE001 - whatever it is, the other jobs go on
                _LOG.exception("processing job %s failed by a defect", course.job.name)
                reason = failure.internal_error(f"{type(defect).__name__}: {defect}")
                self._abandon(course, reason, grace_s=0.0)
            self._try_to_save(course)
        self._reaper.tick()

    def restore(self) -> None:
        """Load the journal; jobs that an earlier plane left alive have failed with it.

        What ran has been ended by then: the training jobs' sweep knows the plane's marks, not jobs.
        """
        loaded = []
        for record in self._journal.load(JOURNAL_KIND):
            try:
                loaded.append(ProcessingJob.from_json(dict(record)))
            except (KeyError, TypeError, AttributeError):
                _LOG.exception("a record of the journal is no processing job and is left out")
        for job in sorted(loaded, key=lambda each: each.created):
            self._jobs[job.name] = job
            if job.is_live:
                Course(job, self._world).fail(failure.PLANE_ENDED)
                self._journal.save(JOURNAL_KIND, job.name, job.to_json())

    def close(self, *, grace_s: float = 5.0) -> bool:
        """End everything with the plane; call it until it returns True: nothing runs any more.

        The first call fails every live job, as a restart would, and asks its containers to end;
        they are killed after `grace_s` seconds.
        """
        self._is_closing = True
        for course in list(self._courses.values()):
            self._abandon(course, failure.PLANE_ENDED, grace_s=grace_s)
            self._try_to_save(course)
        self._reaper.tick()
        return self._reaper.is_idle

    def _abandon(self, course: Course, reason: str, *, grace_s: float) -> None:
        if course.containers is not None and course.job.is_live:
            self._reaper.take(course.containers, grace_s=grace_s)
        course.fail(reason)

    def _try_to_save(self, course: Course) -> None:
        """Save what changed; an ended job is let go only when its end is in the journal."""
        job = course.job
        mark = _mark(job)
        try:
            if mark != self._saved[job.name]:
                self._journal.save(JOURNAL_KIND, job.name, job.to_json())
                self._saved[job.name] = mark
        except Exception:  # noqa: BLE001 - a full disk must not end the jobs
            _LOG.exception("processing job %s could not be journaled; it is tried again", job.name)
            return
        if not job.is_live:
            del self._courses[job.name], self._saved[job.name]


def _mark(job: ProcessingJob) -> tuple[object, ...]:
    """Return what differs after every change."""
    return (job.status, job.started, job.ended)
