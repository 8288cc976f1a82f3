"""A whole plane in virtual time, and requests for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_test.control_plane.clock import VirtualClock
from local_test.control_plane.plane import Plane, World
from local_test.control_plane.settings import Settings
from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.simulated import (
    MemoryJournal,
    RecordingTelemetry,
    Script,
    SimulatedExecutor,
    SimulatedStages,
)


class SimulatedPlane:
    """A plane whose containers follow scripts; it is restarted on the same journal."""

    def __init__(
        self,
        plan: Callable[[Launch], Script] | Script | None = None,
        *,
        journal: MemoryJournal | None = None,
        **settings: Any,
    ) -> None:
        script = plan if plan is not None else Script(exits_s=10.0)
        self.clock = VirtualClock()
        self.executor = SimulatedExecutor(
            self.clock, (lambda _launch: script) if isinstance(script, Script) else script
        )
        self.journal = journal or MemoryJournal()
        world = World(
            clock=self.clock,
            executor=self.executor,
            stages=SimulatedStages(self.clock),
            telemetry=RecordingTelemetry(),
            journal=self.journal,
        )
        self.plane = Plane(world, Settings(root=Path("/nowhere"), **settings))
        self.plane.restore()

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Carry out one call."""
        return self.plane.call(operation, request)

    def run(self, seconds: float, *, step: float = 1.0) -> None:
        """Tick each `step` seconds."""
        end = self.clock.now() + seconds
        self.plane.tick()
        while self.clock.now() < end:
            self.clock.advance(step)
            self.plane.tick()

    def names(self, operation: str, **request: Any) -> list[str]:
        """Return the names that a List operation answers, in its order, over all pages."""
        names: list[str] = []
        while True:
            answer = self.call(operation, **request)
            lists = [value for value in answer.values() if isinstance(value, list)]
            names += [_name(entry) for entry in lists[0]]
            if "NextToken" not in answer:
                return names
            request = {**request, "NextToken": answer["NextToken"]}


def _name(entry: dict[str, Any]) -> str:
    keys = ("HyperParameterTuningJobName", "TrainingJobName", "Key")
    return str(next(entry[key] for key in keys if key in entry))
