"""How running containers end: all by themselves, one by failing, or pressed to.

It knows the executor's containers, and no job.  Source: AWS docs, 'How Amazon SageMaker Runs Your
Training Image' (SIGTERM, time to react, SIGKILL).
"""

from __future__ import annotations

from dataclasses import dataclass

from local_test.control_plane.clock import Clock
from local_test.control_plane.training.ports import Containers

# Ending every process may mean looking at all of them, so it is repeated, but not on each tick.
_KILL_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Exits:
    """What the hosts' exit codes say together; `failure` is the first one that is not 0."""

    are_all: bool
    failure: int | None


class Ending:
    """The end of the containers of one attempt."""

    def __init__(self, containers: Containers, clock: Clock) -> None:
        self._containers = containers
        self._clock = clock
        self._kill_at: float | None = None

    def exits(self) -> Exits:
        """Return whether all hosts have ended, and whether one has failed.

        Raises
        ------
        ClientFault, PlatformFault
            The executor says so, late.
        """
        codes = self._containers.exit_codes().values()
        failure = next((code for code in codes if code), None)
        return Exits(are_all=None not in codes, failure=failure)

    def ask(self, grace_s: float) -> None:
        """Ask all hosts to end; `press` kills what is left after the grace (seconds)."""
        self._kill_at = self._clock.now() + grace_s
        self._containers.terminate()

    def force(self) -> None:
        """Kill all hosts; `press` repeats it until they are gone."""
        self._kill_at = self._clock.now() + _KILL_AGAIN_S
        self._containers.kill()

    def press(self) -> None:
        """Kill the hosts whose time is over."""
        if self._kill_at is not None and self._clock.now() >= self._kill_at:
            self.force()
