"""All transform jobs of the plane: create, stop, and one tick that moves them on.

Nothing here blocks.  It knows the ports, no HTTP, no folders.  Source: AWS API reference,
'CreateTransformJob', 'StopTransformJob'; the wording of refusals is what users report and is not
documented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from local_test.control_plane.hosting.record import Model
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.records.under_way import UnderWay
from local_test.control_plane.training.failure import PLANE_ENDED, internal_error
from local_test.control_plane.transform.record import TransformJob
from local_test.control_plane.transform.run import Run, World
from local_test.control_plane.wire.errors import InternalFailure, ResourceInUse, ValidationError

__all__ = ["TransformJobs", "World"]

# What differs after every change of a job.
_Mark = tuple[object, ...]


class TransformJobs:
    """The transform jobs; its callers hold the plane's lock.

    `find_model` returns a model by its name, or raises ValidationError.
    """

    def __init__(
        self, *, world: World, journal: Journal, find_model: Callable[[str], Model]
    ) -> None:
        self._world = world
        self._find_model = find_model
        self._jobs = Records(journal, "transform-job", TransformJob)
        self._runs = UnderWay[Run, _Mark](
            "transform job", write=self._write, abandon=_fail_by_defect
        )
        self._is_closing = False

    def create(self, request: dict[str, Any], *, arn: str) -> TransformJob:
        """Take a validated CreateTransformJob request; the job starts at the next tick.

        Raises
        ------
        ResourceInUse
            The name has been used before.
        ValidationError
            There is no such model, or it is one that no batch transform can use.
        InternalFailure
            The plane is ending.
        """
        name = request["TransformJobName"]
        if self._is_closing:
            raise InternalFailure("the local control plane is ending; no job can be created")
        if name in self._jobs:
            raise ResourceInUse(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        model = self._find_model(request["ModelName"])
        if model.container.get("Mode") == "MultiModel":
            raise ValidationError(
                f"Model {model.name!r} is a multi-model one; a transform job needs a model of one "
                "artifact."
            )
        now = self._world.clock.now()
        job = TransformJob(name, arn, dict(request), created=now, modified=now)
        self._runs.add(Run(job, model, self._world))
        return job

    def get(self, name: str) -> TransformJob:
        """Return one job.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        found = self._jobs.find(name)
        if found is None:
            raise ValidationError("Requested resource not found.")
        return found

    def all(self) -> Sequence[TransformJob]:
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
                f"The request was rejected because the transform job is in status {job.status}."
            )
        run = self._runs[name]
        run.stop()
        self._runs.save(run)

    def tick(self) -> None:
        """Advance every live job as far as it goes; a defect in one fails that one only."""
        self._runs.step()

    def restore(self) -> None:
        """Load the journal; jobs that an earlier plane left alive have failed with it."""
        for job in self._jobs.restore():
            if job.is_live:
                job.failure_reason = PLANE_ENDED
                job.enter("Failed", self._world.clock.now())
                self._jobs.save(job)

    def close(self) -> bool:
        """End everything with the plane; call it until it returns True: nothing runs any more."""
        if not self._is_closing:
            self._is_closing = True
            for run in self._runs:
                run.abandon(PLANE_ENDED)
        self.tick()
        return not self._runs

    def _write(self, run: Run, saved: _Mark | None) -> _Mark:
        job = run.job
        mark = (job.status, job.modified)
        if mark != saved:
            self._jobs.save(job)
        return mark


def _fail_by_defect(run: Run, defect: str) -> None:
    run.give_up(internal_error(defect))
