"""Everything outside the machine that processing jobs act on."""

from __future__ import annotations

from dataclasses import dataclass

from local_test.control_plane.clock import Clock
from local_test.control_plane.faults import Faults
from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.training.course import Timings
from local_test.control_plane.training.ports import Executor


@dataclass(frozen=True, slots=True)
class World:
    """The doors of a job's course."""

    clock: Clock
    executor: Executor
    doors: ProcessingDoors
    faults: Faults
    timings: Timings
