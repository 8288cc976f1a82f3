"""All processing jobs of the plane: create, stop, and one tick that moves them on.

Nothing here blocks.  It knows the ports and the faults, no HTTP and no folders.  Source: AWS API
reference, 'CreateProcessingJob', 'StopProcessingJob'; the wording of refusals is what users report
and is not documented.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.processing.course import Course
from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.processing.world import World
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.records.under_way import UnderWay
from local_test.control_plane.training import failure
from local_test.control_plane.training.course import Timings
from local_test.control_plane.training.ports import Executor
from local_test.control_plane.training.reaping import Reaper
from local_test.control_plane.wire.errors import InternalFailure, ResourceInUse, ValidationError

# What differs after every change of a job.
_Mark = tuple[object, ...]


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
        self._jobs = Records(journal, "processing-job", ProcessingJob)
        self._courses = UnderWay[Course, _Mark](
            "processing job", write=self._write, abandon=self._fail_by_defect
        )
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
        if (earlier := self._jobs.find(name)) is not None:
            raise ResourceInUse(
                "Job name must be unique within an AWS account and region, and a processing job "
                f"with this name already exists ({earlier.arn})"
            )
        now = self._world.clock.now()
        job = ProcessingJob(name, arn, dict(request), created=now, modified=now)
        self._courses.add(Course(job, self._world))
        return job

    def get(self, name: str) -> ProcessingJob:
        """Return one job.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        found = self._jobs.find(name)
        if found is None:
            raise ValidationError(f"Could not find requested job with name: {name}")
        return found

    def all(self) -> Sequence[ProcessingJob]:
        """Return every job in the order of creation."""
        return self._jobs.all()

    def arns(self) -> list[str]:
        """Return the ARNs of all jobs."""
        return [job.arn for job in self._jobs.all()]

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
        course = self._courses[name]
        course.stop("asked")
        self._courses.save(course)

    def tick(self) -> None:
        """Advance every live job as far as it goes; a defect in one fails that one only."""
        self._courses.step()
        self._reaper.tick()

    def restore(self) -> None:
        """Load the journal; jobs that an earlier plane left alive have failed with it.

        What ran has been ended by then: the training jobs' sweep knows the plane's marks, not jobs.
        """
        for job in self._jobs.restore():
            if job.is_live:
                Course(job, self._world).fail(failure.PLANE_ENDED)
                self._jobs.save(job)

    def close(self, *, grace_s: float = 5.0) -> bool:
        """End everything with the plane; call it until it returns True: nothing runs any more.

        The first call fails every live job, as a restart would, and asks its containers to end;
        they are killed after `grace_s` seconds.
        """
        self._is_closing = True
        for course in self._courses:
            self._abandon(course, failure.PLANE_ENDED, grace_s=grace_s)
            self._courses.save(course)
        self._reaper.tick()
        return self._reaper.is_idle

    def _fail_by_defect(self, course: Course, defect: str) -> None:
        self._abandon(course, failure.internal_error(defect), grace_s=0.0)

    def _abandon(self, course: Course, reason: str, *, grace_s: float) -> None:
        if course.containers is not None and course.job.is_live:
            self._reaper.take(course.containers, grace_s=grace_s)
        course.fail(reason)

    def _write(self, course: Course, saved: _Mark | None) -> _Mark:
        job = course.job
        mark = (job.status, job.started, job.ended)
        if mark != saved:
            self._jobs.save(job)
        return mark
