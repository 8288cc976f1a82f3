"""All transform jobs of the plane: create, stop, and one tick that moves them on.

Nothing here blocks.  It knows the ports, no HTTP, no folders.  Source: AWS API reference,
'CreateTransformJob', 'StopTransformJob'; the wording of refusals is what users report and is not
documented.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from local_test.control_plane.hosting.record import Model
from local_test.control_plane.training.failure import PLANE_ENDED, internal_error
from local_test.control_plane.training.ports import Journal
from local_test.control_plane.transform.record import TransformJob
from local_test.control_plane.transform.run import Run, World
from local_test.control_plane.wire.errors import InternalFailure, ResourceInUse, ValidationError

__all__ = ["TransformJobs", "World"]

JOURNAL_KIND = "transform-job"

_LOG = logging.getLogger(__name__)


class TransformJobs:
    """The transform jobs; its callers hold the plane's lock.

    `find_model` returns a model by its name, or raises ValidationError.
    """

    def __init__(
        self, *, world: World, journal: Journal, find_model: Callable[[str], Model]
    ) -> None:
        self._world = world
        self._journal = journal
        self._find_model = find_model
        self._jobs: dict[str, TransformJob] = {}
        self._runs: dict[str, Run] = {}
        self._saved: dict[str, tuple[object, ...]] = {}
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
        self._save(job)
        self._jobs[name] = job
        self._runs[name] = Run(job, model, self._world)
        return job

    def get(self, name: str) -> TransformJob:
        """Return one job.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        try:
            return self._jobs[name]
        except KeyError:
            raise ValidationError("Requested resource not found.") from None

    def all(self) -> Sequence[TransformJob]:
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
                f"The request was rejected because the transform job is in status {job.status}."
            )
        self._runs[name].stop()
        self._save(job)

    def tick(self) -> None:
        """Advance every live job as far as it goes; a defect in one fails that one only."""
        for run in list(self._runs.values()):
            self._advance(run)

    def restore(self) -> None:
        """Load the journal; jobs that an earlier plane left alive have failed with it."""
        loaded = []
        for record in self._journal.load(JOURNAL_KIND):
            try:
                loaded.append(TransformJob.from_json(dict(record)))
            except (KeyError, TypeError, AttributeError):
                _LOG.exception("a record of the journal is no transform job and is left out")
        for job in sorted(loaded, key=lambda each: each.created):
            self._jobs[job.name] = job
            if job.is_live:
                job.failure_reason = PLANE_ENDED
                job.enter("Failed", self._world.clock.now())
                self._save(job)

    def close(self) -> bool:
        """End everything with the plane; call it until it returns True: nothing runs any more."""
        if not self._is_closing:
            self._is_closing = True
            for run in self._runs.values():
                run.abandon(PLANE_ENDED)
        self.tick()
        return not self._runs

    def _advance(self, run: Run) -> None:
        was_live = run.job.is_live
        try:
            run.step()
        except Exception as defect:  # noqa: BLE001 - whatever it is, the other jobs go on
            _LOG.exception("transform job %s failed by a defect of the plane", run.job.name)
            if not was_live:
                # Nothing is left to be tried; a sweep at the next start finds what still runs.
                del self._runs[run.job.name]
                return
            run.abandon(internal_error(f"{type(defect).__name__}: {defect}"))
        self._try_to_save(run)

    def _try_to_save(self, run: Run) -> None:
        """Save what changed; a job is let go only when its end is in the journal."""
        try:
            self._save(run.job)
        except Exception:  # noqa: BLE001 - a full disk must not end the jobs
            _LOG.exception("transform job %s could not be journaled; tried again", run.job.name)
            return
        if run.is_over:
            del self._runs[run.job.name], self._saved[run.job.name]

    def _save(self, job: TransformJob) -> None:
        mark = (job.status, job.modified)
        if self._saved.get(job.name) != mark:
            self._journal.save(JOURNAL_KIND, job.name, job.to_json())
            self._saved[job.name] = mark
