"""How long after a stop the job may take: the child says so, its supervisor acts on it.

The two share one number in memory that both see.  A job that has only itself to end is given a few
seconds; a driver whose folds are jobs of their own needs more to end them all.
"""

from __future__ import annotations

import mmap
import struct

# The job itself ends within 8 s of a stop; the interface promises 10 s.
USUAL_S = 9.0
_NUMBER = struct.Struct("d")


class Grace:
    """Seconds from a stop to the kill; made before the fork."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _NUMBER.size)
        self.seconds = USUAL_S

    @property
    def seconds(self) -> float:
        """Seconds that the child has after a stop."""
        number: float = _NUMBER.unpack(self._shared[:])[0]
        return number

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._shared[:] = _NUMBER.pack(value)
