"""The newest log line of every job, for the views, on its way to where lines are kept."""

from __future__ import annotations

from collections.abc import Sequence

from local_test.control_plane.training.ports import Telemetry
from local_test.control_plane.training.record import Emission, TrainingJob


class LastLines:
    """Implements ports.Telemetry by another one, and remembers one line for each job."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._last: dict[str, str] = {}

    def lines(self, job: TrainingJob, host: str, lines: Sequence[tuple[float, str]]) -> None:
        said = next((text for _, text in reversed(lines) if text.strip()), None)
        if said is not None:
            self._last[job.name] = said
        self._telemetry.lines(job, host, lines)

    def metrics(self, job: TrainingJob, emissions: Sequence[Emission]) -> None:
        self._telemetry.metrics(job, emissions)

    def of(self, job_name: str) -> str:
        """Return the newest line that is not blank, empty where there was none."""
        return self._last.get(job_name, "")
