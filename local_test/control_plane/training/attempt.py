"""The containers of one attempt while they run: their output, and their orderly or forced end.

It knows the executor's containers and where lines go; what an end means for the job is decided
elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from local_test.control_plane.clock import Clock
from local_test.control_plane.training.ending import Ending, Exits
from local_test.control_plane.training.metrics import MetricScanner, Scanned
from local_test.control_plane.training.ports import Containers, Telemetry
from local_test.control_plane.training.record import Emission, TrainingJob

# A job that prints values without end does not fill the memory: from here on a new value takes the
# place of the metric's last one, so that the last value and the number of earlier ones stay right.
EMISSIONS_KEPT = 50_000

# Chunks of output that are read at once when all hosts have ended; the next tick takes the rest.
_CHUNKS_AT_ONCE = 4


class Attempt:
    """One start of a job's containers, whose output `scanner` turns into lines and values."""

    def __init__(
        self,
        job: TrainingJob,
        containers: Containers,
        scanner: MetricScanner,
        *,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self.containers = containers
        self._job = job
        self._scanner = scanner
        self._clock = clock
        self._telemetry = telemetry
        self._ending = Ending(containers, clock)

    def exits(self) -> Exits:
        """Return whether all hosts have ended, and whether one has failed.

        Raises
        ------
        ClientFault, PlatformFault
            The executor says so, late.
        """
        return self._ending.exits()

    def pump(self) -> bool:
        """Hand on the output since the last call; True if there was any."""
        now = self._clock.now()
        chunks = self.containers.output()
        for host, data in chunks:
            self._hand_on(self._scanner.feed(host, data, at=now), now)
        return bool(chunks)

    def drain(self) -> bool:
        """Hand on the last output once all hosts have ended; True when there is no more."""
        if any(not self.pump() for _ in range(_CHUNKS_AT_ONCE)):
            now = self._clock.now()
            for scanned in self._scanner.flush(at=now):
                self._hand_on(scanned, now)
            return True
        return False

    def end(self, grace_s: float) -> None:
        """Ask all hosts to end; `press` kills what is left after the grace (seconds)."""
        self._ending.ask(grace_s)

    def end_now(self) -> None:
        """Kill all hosts; `press` repeats it until they are gone."""
        self._ending.force()

    def press(self) -> None:
        """Kill the hosts whose time is over."""
        self._ending.press()

    def _hand_on(self, scanned: Scanned, now: float) -> None:
        if scanned.lines:
            lines = [(now, text) for text in scanned.lines]
            self._telemetry.lines(self._job, scanned.host, lines)
        if scanned.emissions:
            _keep(self._job.emissions, scanned.emissions)
            self._telemetry.metrics(self._job, scanned.emissions)


def _keep(kept: list[Emission], new: Sequence[Emission]) -> None:
    for emission in new:
        if len(kept) < EMISSIONS_KEPT:
            kept.append(emission)
            continue
        same = (at for at in range(len(kept) - 1, -1, -1) if kept[at].name == emission.name)
        kept[next(same, -1)] = emission
