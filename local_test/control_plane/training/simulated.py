"""A world in virtual time for the state machine: scripts run instead of containers.

No threads, no files: thousands of jobs over days of virtual time take seconds.  It knows the ports
and nothing of the machine.  It counts what runs, so that a test can say that nothing was left.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from local_test.control_plane.clock import Clock
from local_test.control_plane.training.ports import Host, Launch, Uploaded
from local_test.control_plane.training.record import Emission, TrainingJob

Result = TypeVar("Result")
StageKind = Literal["prepare", "sync", "upload"]

# The environment variable in which a restored checkpoint's content reaches the script's plan.
CHECKPOINT = "SIMULATED_CHECKPOINT"


@dataclass(frozen=True, slots=True)
class Script:
    """What one attempt's containers do; times are seconds after their start.

    `lines` are (time, text), a line feed is added; `tail` is printed at the end, without one;
    `exits_s` may be infinite.  On SIGTERM a host exits `term_s` seconds later with `term_code`;
    infinite: it ignores the signal.  `hosts` gives single hosts a script of their own.  `refusal`
    is raised instead of a start.
    """

    lines: tuple[tuple[float, str], ...] = ()
    tail: str = ""
    exits_s: float = 1.0
    exit_code: int = 0
    term_s: float = 0.0
    term_code: int = 143
    hosts: Mapping[str, Script] = field(default_factory=dict)
    refusal: Exception | None = None


class SimulatedContainers:
    """The hosts of one attempt, following their scripts."""

    def __init__(self, clock: Clock, launch: Launch, script: Script) -> None:
        self.launch = launch
        self.terminated_at: float | None = None
        self.killed_at: float | None = None
        self._clock = clock
        self._hosts = {
            host.name: _SimulatedHost(clock.now(), script.hosts.get(host.name, script))
            for host in launch.hosts
        }

    def exit_codes(self) -> Mapping[str, int | None]:
        now = self._clock.now()
        return {name: host.code(now) for name, host in self._hosts.items()}

    def output(self) -> Sequence[tuple[str, bytes]]:
        now = self._clock.now()
        read = [(name, host.read(now)) for name, host in self._hosts.items()]
        return [(name, data) for name, data in read if data]

    def terminate(self) -> None:
        now = self._clock.now()
        self.terminated_at = now
        for host in self._hosts.values():
            host.terminate(now)

    def kill(self) -> None:
        now = self._clock.now()
        self.killed_at = now
        for host in self._hosts.values():
            host.kill(now)

    def running(self) -> int:
        """Return how many hosts have not ended."""
        return sum(code is None for code in self.exit_codes().values())


class SimulatedExecutor:
    """Starts scripts; `launches` are all that were started, oldest first."""

    def __init__(self, clock: Clock, plan: Callable[[Launch], Script]) -> None:
        self.launches: list[Launch] = []
        self.sweeps = 0
        self._clock = clock
        self._plan = plan
        self._live: list[SimulatedContainers] = []

    def start(self, launch: Launch) -> SimulatedContainers:
        script = self._plan(launch)
        if script.refusal is not None:
            raise script.refusal
        containers = SimulatedContainers(self._clock, launch, script)
        self.launches.append(launch)
        self._live.append(containers)
        return containers

    def sweep(self) -> None:
        self.sweeps += 1

    def running(self) -> Mapping[str, int]:
        """Return the number of running hosts of every job that has any."""
        self._live = [each for each in self._live if each.running()]
        count: Counter[str] = Counter()
        for each in self._live:
            count[each.launch.job_name] += each.running()
        return count

    def containers(self, job_name: str) -> SimulatedContainers:
        """Return the newest running containers of a job.

        Raises
        ------
        KeyError
            Nothing of it runs.
        """
        for each in reversed(self._live):
            if each.launch.job_name == job_name and each.running():
                return each
        raise KeyError(job_name)


class SimulatedWork(Generic[Result]):
    """Work that ends at a time, with a result or a fault, the same however often it is polled."""

    def __init__(self, clock: Clock, ends: float, work: Callable[[], Result]) -> None:
        self._clock = clock
        self._ends = ends
        self._work = work
        self._result: Result | None = None
        self._fault: Exception | None = None

    def poll(self) -> Result | None:
        if self._fault is not None:
            raise self._fault
        if self._result is None and self._clock.now() >= self._ends:
            try:
                self._result = self._work()
            except Exception as fault:
                self._fault = fault
                raise
        return self._result


@dataclass(slots=True)
class SimulatedStages:
    """The work before and after the containers, taking as long as told.

    `fault` may answer an exception for a stage of a job, raised when the stage ends;
    `failure_text` is the content of a job's failure file.  A checkpoint is the number of the job's
    emissions when the sync began; a restart finds it in its environment (`CHECKPOINT`).  `calls`
    lists (time, stage, job).
    """

    clock: Clock
    prepare_s: float = 0.0
    sync_s: float = 0.0
    upload_s: float = 0.0
    fault: Callable[[StageKind, TrainingJob], Exception | None] | None = None
    failure_text: Callable[[TrainingJob], str | None] | None = None
    checkpoints: dict[str, int] = field(default_factory=dict)
    calls: list[tuple[float, StageKind, str]] = field(default_factory=list)
    uploads: dict[str, bool] = field(default_factory=dict)

    def prepare(self, job: TrainingJob) -> SimulatedWork[Launch]:
        return self._begin("prepare", job, self.prepare_s, lambda: self._launch(job))

    def sync(self, job: TrainingJob) -> SimulatedWork[bool]:
        seen = len(job.emissions)

        def work() -> bool:
            self.checkpoints[job.name] = seen
            return True

        return self._begin("sync", job, self.sync_s, work)

    def upload(self, job: TrainingJob, *, with_model: bool) -> SimulatedWork[Uploaded]:
        def work() -> Uploaded:
            self.uploads[job.name] = with_model
            output = f"{job.request['OutputDataConfig']['S3OutputPath']}/{job.name}/output"
            return Uploaded(
                model_uri=f"{output}/model.tar.gz" if with_model else None,
                output_uri=f"{output}/output.tar.gz",
                failure_text=self.failure_text(job) if self.failure_text is not None else None,
            )

        return self._begin("upload", job, self.upload_s, work)

    def _begin(
        self, kind: StageKind, job: TrainingJob, seconds: float, work: Callable[[], Result]
    ) -> SimulatedWork[Result]:
        now = self.clock.now()
        self.calls.append((now, kind, job.name))

        def ending() -> Result:
            fault = self.fault(kind, job) if self.fault is not None else None
            if fault is not None:
                raise fault
            return work()

        return SimulatedWork(self.clock, now + seconds, ending)

    def _launch(self, job: TrainingJob) -> Launch:
        algorithm = job.request["AlgorithmSpecification"]
        count = job.request.get("ResourceConfig", {}).get("InstanceCount", 1)
        hosts = [f"algo-{number}" for number in range(1, count + 1)]
        checkpoint = {CHECKPOINT: str(self.checkpoints.get(job.name, 0))}
        return Launch(
            job_name=job.name,
            attempt=job.attempt,
            image=algorithm.get("TrainingImage", ""),
            entrypoint=tuple(algorithm.get("ContainerEntrypoint", ())),
            arguments=tuple(algorithm.get("ContainerArguments", ())),
            environment={**job.request.get("Environment", {}), **checkpoint},
            hosts=tuple(_host(job.name, name) for name in hosts),
            read_only=(),
            is_isolated=bool(job.request.get("EnableNetworkIsolation", False)),
        )


class RecordingTelemetry:
    """Keeps every line and value in memory."""

    def __init__(self) -> None:
        self.log: dict[tuple[str, str], list[tuple[float, str]]] = {}
        self.values: dict[str, list[Emission]] = {}

    def lines(self, job: TrainingJob, host: str, lines: Sequence[tuple[float, str]]) -> None:
        self.log.setdefault((job.name, host), []).extend(lines)

    def metrics(self, job: TrainingJob, emissions: Sequence[Emission]) -> None:
        self.values.setdefault(job.name, []).extend(emissions)

    def text(self, job_name: str, host: str = "algo-1") -> list[str]:
        """Return the lines of one host without their times."""
        return [text for _, text in self.log.get((job_name, host), [])]


class MemoryJournal:
    """Keeps records as JSON text in memory; `saves` counts the writes of each record."""

    def __init__(self) -> None:
        self.saves: Counter[tuple[str, str]] = Counter()
        self._records: dict[tuple[str, str], str] = {}

    def save(self, kind: str, name: str, record: Mapping[str, object]) -> None:
        self.saves[kind, name] += 1
        self._records[kind, name] = json.dumps(record)

    def load(self, kind: str) -> Sequence[Mapping[str, object]]:
        records: list[Mapping[str, Any]] = [
            json.loads(text) for (of, _), text in self._records.items() if of == kind
        ]
        return records

    def remove(self, kind: str, name: str) -> None:
        self._records.pop((kind, name), None)


class _SimulatedHost:
    """One host: when it ends is known as soon as the signals are."""

    def __init__(self, start: float, script: Script) -> None:
        self._start = start
        self._script = script
        self._ends = start + script.exits_s
        self._code = script.exit_code
        self._lines_read = 0
        self._is_tail_read = False

    def code(self, now: float) -> int | None:
        return self._code if now >= self._ends else None

    def read(self, now: float) -> bytes:
        until = min(now, self._ends) - self._start
        first = self._lines_read
        lines = self._script.lines
        while self._lines_read < len(lines) and lines[self._lines_read][0] <= until:
            self._lines_read += 1
        text = "".join(f"{text}\n" for _, text in lines[first : self._lines_read])
        if now >= self._ends and not self._is_tail_read:
            self._is_tail_read = True
            text += self._script.tail
        return text.encode()

    def terminate(self, now: float) -> None:
        self._end(now + self._script.term_s, self._script.term_code)

    def kill(self, now: float) -> None:
        self._end(now, 137)

    def _end(self, at: float, code: int) -> None:
        if at < self._ends and not math.isinf(at):
            self._ends = at
            self._code = code


def _host(job_name: str, name: str) -> Host:
    folder = Path("/simulated") / job_name / name
    return Host(name=name, opt_ml=folder / "opt" / "ml", log=folder / "output.log")
