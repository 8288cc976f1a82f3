"""How long after a stop the job may take: the child says so, its supervisor acts on it.

The two share one number in memory that both see.  A job that has only itself to end is given a few
seconds; a driver whose folds are jobs of their own needs more to end them all.
"""

from __future__ import annotations

import mmap
import struct

from crossfold.contract.stop import PATIENCE_S

# The job itself ends within 8 s of a stop; the interface promises 10 s.
USUAL_S = 9.0
# What the supervisor waits longer than the job's process: it reports, and ends.
_REPORT_S = USUAL_S - PATIENCE_S
_NUMBER = struct.Struct("d")


def grace_s(patience_s: float, waited_s: float) -> float:
    """Return the seconds from a stop to the kill.

    Parameters
    ----------
    patience_s : float
        Seconds from a stop that the job is left for; it may ask for fewer later.
    waited_s : float
        Seconds since the stop, 0 before there is one: what has gone by is no time to report in.
    """
    return max(patience_s, waited_s) + _REPORT_S


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
