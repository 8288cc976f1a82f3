"""Which worker takes the next connection: each sees how many the others hold, and gives way.

All workers wait at one port, and whoever wakes first could take every connection, while the others
idle.  A worker that holds more than another waits a moment for the other, and no longer: one that
does not take its turns is not waited for until it shows life again.

Knows memory and numbers; neither sockets nor time.
"""

from __future__ import annotations

import mmap

MISSED_TURNS = 3
"""So often in a row a worker may leave its turn to the others before nobody waits for it."""

_ABSENT = 2**62
"""The load of a seat that nobody sits on, or who sits there takes no connections."""

_BUSY = 2**32
"""Weighs more than any number of connections: another worker can begin with a request at once."""

_NEIGHBOURLY = 3
"""An eighth more than another is no difference, else a long queue would be shared one by one."""

_WORD = 8


class Seats:
    """A table that processes share with those that they fork; it vanishes with the last of them.

    Parameters
    ----------
    n_seats : int
        The most workers at a time; at least 1.
    """

    def __init__(self, n_seats: int) -> None:
        memory = memoryview(mmap.mmap(-1, 2 * n_seats * _WORD)).cast("q")
        self._loads, self._taken = memory[:n_seats], memory[n_seats:]
        for at in range(n_seats):
            self._loads[at] = _ABSENT

    def seat(self, others: set[int]) -> Seat:
        """Give a new worker a seat that none of the others has; who had it before is gone."""
        at = next(at for at in range(len(self._loads)) if at not in others)
        self._loads[at] = _ABSENT
        return Seat(at, self._loads, self._taken)


class Seat:
    """A worker's place in the table; only that worker writes there.

    Attributes
    ----------
    at : int
        Number of the place, from 0.
    """

    def __init__(self, at: int, loads: memoryview[int], taken: memoryview[int]) -> None:
        self.at = at
        self._loads = loads
        self._taken = taken
        self._load = _ABSENT
        # For whom this worker waits, by how many connections they had taken before.
        self._awaited: dict[int, int] = {}
        # How many they had taken, and how many turns they missed since.
        self._missed: dict[int, tuple[int, int]] = {}

    def show(self, n_connections: int, *, is_busy: bool) -> None:
        """Tell the others the load; busy is who has no thread to spare."""
        load = n_connections + _BUSY if is_busy else n_connections
        if load != self._load:
            self._load = self._loads[self.at] = load

    def leave(self) -> None:
        """Tell the others that this worker takes no connections for now."""
        self._load = self._loads[self.at] = _ABSENT

    def took(self) -> None:
        """Show life: another connection is taken."""
        self._taken[self.at] += 1

    def is_next(self) -> bool:
        """Say whether this worker may take a connection, or others should who hold less."""
        load = self._load
        bar = load - ((load % _BUSY) >> _NEIGHBOURLY)
        self._awaited = {
            at: self._awaited.get(at, self._taken[at])
            for at, other in enumerate(self._loads)
            if other < bar and not self._is_given_up(at)
        }
        return not self._awaited

    def note_missed(self) -> None:
        """Note that a connection had to wait until now, though there are those who hold less."""
        for at, taken in self._awaited.items():
            if self._taken[at] == taken:
                seen, n_missed = self._missed.get(at, (taken, 0))
                self._missed[at] = (taken, n_missed + 1 if seen == taken else 1)
        self._awaited = {}

    def _is_given_up(self, at: int) -> bool:
        seen, n_missed = self._missed.get(at, (-1, 0))
        return n_missed >= MISSED_TURNS and seen == self._taken[at]
