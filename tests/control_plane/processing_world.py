"""Processing jobs in virtual time, and requests for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from local_test.control_plane.clock import VirtualClock
from local_test.control_plane.faults import Faults
from local_test.control_plane.processing.machine import ProcessingJobs
from local_test.control_plane.processing.ports import Left, ProcessingDoors
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.training.course import Timings
from local_test.control_plane.training.ports import Host, Launch
from local_test.control_plane.training.simulated import (
    MemoryJournal,
    Script,
    SimulatedExecutor,
    SimulatedWork,
)

ARN = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/"
Result = TypeVar("Result")


def processing_request(name: str = "demo", **changes: Any) -> dict[str, Any]:
    """Return a small CreateProcessingJob request; None removes a member."""
    request: dict[str, Any] = {
        "ProcessingJobName": name,
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 10,
            }
        },
        "AppSpecification": {"ImageUri": "crossfold:latest"},
        "RoleArn": "arn:aws:iam::123456789012:role/processing",
    }
    merged = {**request, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def cluster(count: int) -> dict[str, Any]:
    """Return the resources of a job with several hosts."""
    config = {"InstanceCount": count, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
    return {"ClusterConfig": config}


def s3_input(name: str, uri: str, **changes: Any) -> dict[str, Any]:
    """Return an input below ``/opt/ml/processing/<name>``."""
    source = {
        "S3Uri": uri,
        "LocalPath": f"/opt/ml/processing/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        **changes,
    }
    return {"InputName": name, "S3Input": source}


def s3_outputs(mode: str = "EndOfJob", **uris: str) -> dict[str, Any]:
    """Return outputs by name, each in ``/opt/ml/processing/<name>``."""
    return {
        "Outputs": [
            {
                "OutputName": name,
                "S3Output": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/{name}",
                    "S3UploadMode": mode,
                },
            }
            for name, uri in uris.items()
        ]
    }


class SimulatedProcessingStages:
    """Data that take as long as told; `calls` are (time, what), `forgotten` names of jobs."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.prepare_s = 0.0
        self.upload_s = 0.0
        self.message: str | None = None
        self.fault: Callable[[str], Exception | None] = lambda _: None
        self.calls: list[tuple[float, str]] = []
        self.forgotten: list[str] = []

    def prepare(self, job: ProcessingJob) -> SimulatedWork[Launch]:
        return self._begin("prepare", self.prepare_s, lambda: _launch(job))

    def sync(self, job: ProcessingJob) -> SimulatedWork[bool]:
        return self._begin("sync", self.upload_s, lambda: True)

    def finish(self, job: ProcessingJob, *, with_outputs: bool) -> SimulatedWork[Left]:
        what = "finish with outputs" if with_outputs else "finish"
        return self._begin(what, self.upload_s, lambda: Left(self.message))

    def forget(self, job: ProcessingJob) -> None:
        self.forgotten.append(job.name)

    def _begin(
        self, what: str, seconds: float, work: Callable[[], Result]
    ) -> SimulatedWork[Result]:
        now = self.clock.now()
        self.calls.append((now, what))

        def ending() -> Result:
            fault = self.fault(what)
            if fault is not None:
                raise fault
            return work()

        return SimulatedWork(self.clock, now + seconds, ending)


class RecordingLogs:
    """Keeps the lines of every host."""

    def __init__(self) -> None:
        self.log: dict[tuple[str, str], list[str]] = {}

    def lines(self, job_name: str, host: str, lines: Sequence[tuple[float, str]]) -> None:
        self.log.setdefault((job_name, host), []).extend(text for _, text in lines)


class ProcessingWorld:
    """Simulated doors around the real machine."""

    def __init__(self, plan: Callable[[Launch], Script] | Script, **timings: float) -> None:
        self.clock = VirtualClock()
        self.executor = SimulatedExecutor(
            self.clock, (lambda _launch: plan) if isinstance(plan, Script) else plan
        )
        self.stages = SimulatedProcessingStages(self.clock)
        self.logs = RecordingLogs()
        self.journal = MemoryJournal()
        self.faults = Faults()
        self.timings = Timings(**timings)
        self.jobs = self.new_plane()

    def new_plane(self) -> ProcessingJobs:
        """Return the machine that a plane on the same journal would have."""
        return ProcessingJobs(
            clock=self.clock,
            executor=self.executor,
            doors=ProcessingDoors(self.stages, self.logs),
            journal=self.journal,
            faults=self.faults,
            timings=self.timings,
        )

    def create(self, name: str = "demo", **changes: Any) -> ProcessingJob:
        """Create a job."""
        return self.jobs.create(processing_request(name, **changes), arn=ARN + name)

    def run(self, seconds: float) -> None:
        """Tick each second; the last moment is ticked too."""
        self.jobs.tick()
        for _ in range(round(seconds)):
            self.clock.advance(1)
            self.jobs.tick()


def _launch(job: ProcessingJob) -> Launch:
    application = job.request["AppSpecification"]
    folder = Path("/simulated") / job.name
    return Launch(
        job_name=f"{job.name}.processing",
        attempt=1,
        image=application["ImageUri"],
        entrypoint=tuple(application.get("ContainerEntrypoint", ())),
        arguments=tuple(application.get("ContainerArguments", ())),
        environment=job.request.get("Environment", {}),
        hosts=tuple(Host(name, folder / name, folder / "log") for name in job.host_names),
        read_only=(),
        is_isolated=job.is_isolated,
        command=(),
    )
