"""How busy the machine was with anything but the benchmark and what it started."""

from __future__ import annotations

import os
import time

from processes import busy_s, weather_note


class Weather:
    """Counts from its making on; servers count as ours once they have ended."""

    def __init__(self) -> None:
        self._busy_s = busy_s()
        self._own_s = _own_s()
        self._started = time.perf_counter()

    def note(self) -> str:
        """Say how much of the cores others took until now."""
        others_cpu_s = max(0.0, busy_s() - self._busy_s - (_own_s() - self._own_s))
        return weather_note(others_cpu_s, time.perf_counter() - self._started)


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
