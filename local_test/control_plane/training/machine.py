"""All training jobs of the plane: create, stop, interrupt, and one tick that moves them on.

Nothing here blocks, and a tick costs as much as there are live jobs.  It knows the ports and the
faults, no HTTP, no tuning, no folders.  Source: AWS API reference, 'CreateTrainingJob',
'StopTrainingJob', 'DescribeTrainingJob'; the wording of refusals is what users report and is not
documented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.records.under_way import UnderWay
from local_test.control_plane.training import failure, limits
from local_test.control_plane.training.course import Timings, World
from local_test.control_plane.training.matching import Matcher
from local_test.control_plane.training.ports import Executor, Stages, Telemetry
from local_test.control_plane.training.reaping import Reaper
from local_test.control_plane.training.record import StopCause, TrainingJob
from local_test.control_plane.training.run import Run
from local_test.control_plane.training.transitions import enter
from local_test.control_plane.wire.errors import InternalFailure, ResourceInUse, ValidationError

__all__ = ["Timings", "TrainingJobs"]


@dataclass(frozen=True, slots=True)
class _Saved:
    """What the journal has of a live job; emissions are saved less often than changes."""

    mark: tuple[object, ...]
    emissions: int
    next_emissions_at: float


class TrainingJobs:
    """The training jobs; its callers hold the plane's lock."""

    def __init__(  # noqa: PLR0913 - six doors to the world and its timings, all by name
        self,
        *,
        clock: Clock,
        executor: Executor,
        stages: Stages,
        telemetry: Telemetry,
        journal: Journal,
        faults: Faults,
        timings: Timings,
    ) -> None:
        self._world = World(
            clock=clock,
            executor=executor,
            stages=stages,
            telemetry=telemetry,
            faults=faults,
            timings=timings,
            matcher=Matcher(),
        )
        self._jobs = Records(journal, "training-job", TrainingJob.from_json, TrainingJob.to_json)
        self._runs = UnderWay[Run, _Saved](
            "training job", write=self._write, abandon=self._fail_by_defect
        )
        self._reaper = Reaper(clock)
        self._is_closing = False

    def create(
        self, request: dict[str, Any], *, arn: str, tuning_job_arn: str | None = None
    ) -> TrainingJob:
        """Take a validated CreateTrainingJob request; the job starts at the next tick.

        Raises
        ------
        ResourceInUse
            The name has been used before.
        InternalFailure
            The plane is ending.
        """
        name = request["TrainingJobName"]
        if self._is_closing:
            raise InternalFailure("the local control plane is ending; no job can be created")
        if name in self._jobs:
            raise ResourceInUse(
                "Training job names must be unique within an AWS account and Region, "
                f"including deleted jobs; {name!r} is taken"
            )
        now = self._world.clock.now()
        job = TrainingJob(
            name, arn, dict(request), created=now, modified=now, tuning_job_arn=tuning_job_arn
        )
        enter(job, "Starting", now)
        self._runs.add(Run(job, self._world))
        return job

    def get(self, name: str) -> TrainingJob:
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

    def all(self) -> Sequence[TrainingJob]:
        """Return every job in the order of creation."""
        return self._jobs.all()

    def arns(self) -> list[str]:
        """Return the ARNs of all jobs."""
        return [job.arn for job in self._jobs.all()]

    def stop(self, name: str, cause: StopCause = "asked") -> None:
        """Begin to stop a live job; one that is stopping already goes on as it does.

        Raises
        ------
        ValidationError
            There is no such job, or it has ended.
        """
        run = self._live(name)
        run.stop(cause)
        self._runs.save(run)

    def interrupt(self, name: str) -> None:
        """Take the instances away from a spot job while it trains.

        Raises
        ------
        ValidationError
            There is no such job, it is not a spot job, or it does not train now.
        """
        run = self._live(name)
        if not limits.is_spot(run.job):
            raise ValidationError(
                "The request was rejected because the training job does not use managed spot "
                "training (EnableManagedSpotTraining is false)."
            )
        if not run.can_be_interrupted:
            raise ValidationError(
                "The request was rejected because the training job is not training "
                f"(its secondary status is {run.job.secondary_status})."
            )
        run.interrupt()

    def tick(self) -> None:
        """Advance every live job as far as it goes; a defect in one fails that one only."""
        self._runs.step()
        if not self._runs:
            # What searches the lines is a process, too.
            self._world.matcher.close()
        self._reaper.tick()

    def restore(self) -> None:
        """Load the journal; jobs that an earlier plane left alive have failed with it."""
        self._world.executor.sweep()
        for job in self._jobs.restore():
            if job.is_live:
                self._fail_with_its_plane(job)

    def close(self, *, grace_s: float = 5.0) -> bool:
        """End everything with the plane; call it until it returns True: nothing runs any more.

        The first call fails every live job, as a restart would, and asks its containers to end;
        they are killed after `grace_s` seconds.
        """
        self._is_closing = True
        for run in self._runs:
            self._abandon(run, failure.PLANE_ENDED, grace_s=grace_s)
            self._runs.save(run)
        self._reaper.tick()
        if self._reaper.is_idle:
            self._world.matcher.close()
        return self._reaper.is_idle

    def _live(self, name: str) -> Run:
        job = self.get(name)
        if not job.is_live:
            raise ValidationError(
                f"The request was rejected because the training job is in status {job.status}."
            )
        return self._runs[name]

    def _fail_by_defect(self, run: Run, defect: str) -> None:
        self._abandon(run, failure.internal_error(defect), grace_s=0.0)

    def _abandon(self, run: Run, reason: str, *, grace_s: float) -> None:
        containers = run.containers
        if containers is not None and run.job.is_live:
            self._reaper.take(containers, grace_s=grace_s)
        run.fail(reason)

    def _write(self, run: Run, saved: _Saved | None) -> _Saved:
        job, now = run.job, self._world.clock.now()
        mark, emissions = _mark(job), len(job.emissions)
        if saved is not None and mark == saved.mark:
            has_new_emissions = emissions != saved.emissions and now >= saved.next_emissions_at
            if not has_new_emissions:
                return saved
        self._jobs.save(job)
        # A record of many emissions costs more to write, so it is written less often.
        return _Saved(mark, emissions, now + max(1.0, emissions / 1000))

    def _fail_with_its_plane(self, job: TrainingJob) -> None:
        now = self._world.clock.now()
        job.failure_reason = failure.PLANE_ENDED
        enter(job, "Failed", now, status="Failed")
        job.training_ended = now
        self._jobs.save(job)


def _mark(job: TrainingJob) -> tuple[object, ...]:
    """Return what differs after every change that the journal must have at once."""
    newest = job.transitions[-1]
    return (job.status, len(job.transitions), newest.status, newest.message, job.attempt)
