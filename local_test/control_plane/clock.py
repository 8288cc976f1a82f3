"""Time as a parameter: the server's clock is the machine's, a simulation's is moved by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return seconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's clock; where that is set back, this one goes on, so that waits end."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def now(self) -> float:
        steady = time.monotonic()
        # Forward is followed: the machine may have slept, which steady time does not count.
        self._ahead = max(self._ahead, time.time() - steady)
        return steady + self._ahead


class VirtualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`, which must not be negative."""
        assert seconds >= 0
        self._now += seconds
