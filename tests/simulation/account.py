"""One AWS account in virtual time: the control plane, S3, drivers that are its jobs, and folds.

Drivers are programs of the timeline that run as the containers of training jobs: quotas count them,
a stop sends them SIGTERM and SIGKILL, and the plane starts them again as the service would.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfold.contract.stop import StopRequest
from crossfold.fitting.fold_result import FoldResult
from cv_driver.siblings.fold_job.tags import DRIVER_TAG
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.plane import Plane, World
from local_test.control_plane.settings import Settings
from local_test.control_plane.training.machine import Timings
from local_test.control_plane.training.ports import Containers, Launch, Uploaded
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import (
    MemoryJournal,
    RecordingTelemetry,
    SimulatedExecutor,
    SimulatedStages,
    SimulatedWork,
)
from tests.simulation.driver_job import DriverContainers, DriverJob, Start
from tests.simulation.fold_scripts import FoldScripts
from tests.simulation.fold_world import inputs_of, pack_output
from tests.simulation.timeline import Timeline

REGION = "us-east-1"
OUTPUT = "s3://data/output"


@dataclass(frozen=True, slots=True)
class Habits:
    """How the account behaves; times in seconds.

    `read_s` is how long a driver reads, `fold_s` the mean time of a fit and `spread` its greatest
    deviation as a share; `watches` says whether folds look for the stop marker; `has_checkpoints`
    whether a driver that is started again finds the folds that it had finished; `answer_s` is how
    long the client waits for an answer that does not come.
    """

    read_s: float = 5.0
    fold_s: float = 300.0
    spread: float = 0.2
    starting_s: float = 60.0
    prepare_s: float = 20.0
    upload_s: float = 5.0
    term_s: float = 5.0
    watches: bool = True
    has_checkpoints: bool = False
    latency_s: float = 0.1
    answer_s: float = 10.0
    tick_s: float = 1.0
    lag_s: float = 0.0
    quotas: Mapping[str, int] = field(default_factory=dict)
    has_rates: bool = True


class Account:
    """The account; `run_driver` is what a driver's program does."""

    def __init__(
        self,
        timeline: Timeline,
        run_driver: Callable[[Account, DriverJob, Start], None],
        habits: Habits | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.timeline = timeline
        self.habits = habits = habits or Habits()
        self.random = random.Random(f"account {seed}")
        self.objects: dict[str, bytes] = {}
        self.drivers: dict[str, DriverJob] = {}
        self.calls: Counter[str] = Counter()
        self.outage_s = 0.0
        self._out_until = 0.0
        self._run_driver = run_driver
        self.stages = SimulatedStages(
            timeline.clock, prepare_s=habits.prepare_s, upload_s=habits.upload_s
        )
        self.scripts = FoldScripts(habits, self.objects, self.job, seed=seed)
        self.stages.failure_text = self.scripts.failure_text
        self.executor = SimulatedExecutor(timeline.clock, self.scripts.script)
        self.plane = self._make_plane()
        timeline.every(habits.tick_s, self.tick)

    @property
    def is_out(self) -> bool:
        """Whether nobody reaches AWS."""
        return self.timeline.now() < self._out_until

    def go_out(self, seconds: float) -> None:
        """Be out of reach for a while."""
        self.outage_s += seconds
        self._out_until = max(self._out_until, self.timeline.now() + seconds)

    def tick(self) -> None:
        """Move every job on."""
        self.scripts.look_for_markers(self.timeline.now(), self.executor)
        self.plane.tick()

    def submit(self, driver: DriverJob, **changes: Any) -> None:
        """Create a driver's job as a tuner would, outside of the account's rates."""
        self.drivers[driver.name] = driver
        arn = arn_of(REGION, "training-job", driver.name)
        self.plane.training.create({**driver.request(OUTPUT), **changes}, arn=arn)
        self.plane.tags.put(arn, [{"Key": "team", "Value": "risk"}])

    def create(self, request: Mapping[str, Any]) -> None:
        """Create a job as somebody else, outside of the account's rates."""
        arn = arn_of(REGION, "training-job", request["TrainingJobName"])
        self.plane.training.create(dict(request), arn=arn)
        self.plane.tags.put(arn, request.get("Tags", ()))

    def job(self, name: str) -> TrainingJob:
        """Return a job."""
        return self.plane.training.get(name)

    def children(self, driver: str | None = None) -> list[TrainingJob]:
        """Return the jobs that bear the tag of a driver, or of any."""
        jobs = self.plane.training.all()
        owners = ((job, self.owner(job)) for job in jobs)
        return [job for job, owner in owners if owner and driver in {None, owner}]

    def owner(self, job: TrainingJob) -> str | None:
        """Return the driver that a job is tagged with."""
        tags = job.request.get("Tags", ())
        return next((tag["Value"] for tag in tags if tag["Key"] == DRIVER_TAG), None)

    def start_driver(self, driver: DriverJob, launch: Launch) -> DriverContainers:
        """Start a driver's program; the checkpoints of an earlier one may be there."""
        if not self.habits.has_checkpoints:
            driver.saved.clear()
        start = Start(len(driver.starts), self.timeline.now(), StopRequest())
        driver.starts.append(start)
        name = f"{driver.name}#{start.number}"
        strand = self.timeline.spawn(name, lambda: self._run_driver(self, driver, start))
        return DriverContainers(self.timeline, launch, start, strand)

    def keep(self, driver: DriverJob, result: FoldResult) -> None:
        """Take a finished fold into the driver's checkpoints."""
        driver.saved[result.index] = result

    def _make_plane(self) -> Plane:
        habits = self.habits
        world = World(
            clock=self.timeline.clock,
            executor=_Executor(self),
            stages=_Stages(self),
            telemetry=RecordingTelemetry(),
            journal=_NoJournal(),
        )
        settings = Settings(
            root=Path("/nowhere"),
            has_published_rates=habits.has_rates,
            lag_s=habits.lag_s,
            quotas=habits.quotas,
            timings=Timings(starting_s=habits.starting_s),
        )
        return Plane(world, settings)


@dataclass(frozen=True, slots=True)
class _Executor:
    account: Account

    def start(self, launch: Launch) -> Containers:
        driver = self.account.drivers.get(launch.job_name)
        if driver is None:
            return self.account.executor.start(launch)
        return self.account.start_driver(driver, launch)

    def sweep(self) -> None:
        self.account.executor.sweep()


@dataclass(frozen=True, slots=True)
class _Stages:
    """The simulated stages, whose upload of a finished fold leaves its output in S3."""

    account: Account

    def prepare(self, job: TrainingJob) -> SimulatedWork[Launch]:
        return self.account.stages.prepare(job)

    def sync(self, job: TrainingJob) -> SimulatedWork[bool]:
        return self.account.stages.sync(job)

    def upload(self, job: TrainingJob, *, with_model: bool) -> SimulatedWork[Uploaded]:
        account, inner = self.account, self.account.stages.upload(job, with_model=with_model)
        is_fold = "cv_fold_index" in job.request.get("HyperParameters", {})
        if not is_fold or job.stop_cause is not None or not with_model:
            return inner

        def ending() -> Uploaded:
            uploaded = inner.poll()
            assert uploaded is not None and uploaded.output_uri is not None  # noqa: PT018
            account.objects[uploaded.output_uri] = pack_output(inputs_of(job.request))
            return uploaded

        until = account.timeline.now() + account.habits.upload_s
        return SimulatedWork(account.timeline.clock, until, ending)


class _NoJournal(MemoryJournal):
    """Keeps nothing: a simulated account is never restarted."""

    def save(self, kind: str, name: str, record: Mapping[str, object]) -> None:
        pass
