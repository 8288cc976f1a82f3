"""Many programs that sleep, in virtual time and one at a time: the same run for the same seed.

Each program is a plain function in a thread of its own, a *strand*; only one of them runs, and it
runs until it sleeps.  The clock stands still meanwhile and jumps to whatever is due next.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from local_test.control_plane.clock import VirtualClock

# A killed program that goes on all the same would do so for ever.
_DEATHS = 1_000


class Killed(BaseException):
    """What a killed strand is ended by; no program may catch it for good."""


@dataclass(eq=False, slots=True)
class Strand:
    """One program."""

    name: str
    is_killed: bool = False
    is_over: bool = False
    deaths: int = 0
    _turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def check(self) -> None:
        """Raise `Killed` if it was killed."""
        if self.is_killed:
            self.deaths += 1
            assert self.deaths < _DEATHS, f"{self.name} goes on although it was killed"
            raise Killed(self.name)


class Timeline:
    """The clock, what is due when, and the strands.

    `run` belongs to the thread that made the timeline, `sleep` to strands, and everything else to
    whoever runs.
    """

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.start = self.clock.now()
        self._due: list[tuple[float, int, Strand | Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._main_turn = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._strands: list[Strand] = []
        self._current: Strand | None = None
        self._ends = math.inf

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self.clock.now()

    @property
    def elapsed(self) -> float:
        """Seconds since the timeline began."""
        return self.clock.now() - self.start

    @property
    def current(self) -> Strand | None:
        """The strand that runs; None while an action does."""
        return self._current

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen later; it must not sleep."""
        self._push(self.now() + seconds, action)

    def every(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen again and again."""

        def again() -> None:
            action()
            self.after(seconds, again)

        self.after(seconds, again)

    def spawn(self, name: str, body: Callable[[], None]) -> Strand:
        """Start a program; it runs once whoever runs now sleeps."""
        strand = Strand(name)

        def live() -> None:
            strand._turn.acquire()
            try:
                strand.check()
                body()
            except Killed:
                pass
            finally:
                strand.is_over = True
                self._main_turn.release()

        thread = threading.Thread(target=live, name=name, daemon=True)
        self._threads.append(thread)
        self._strands.append(strand)
        thread.start()
        self._push(self.now(), strand)
        return strand

    def sleep(self, seconds: float) -> None:
        """Let the running strand sleep.

        Raises
        ------
        Killed
            The strand was killed, before or meanwhile.
        """
        strand = self._current
        assert strand is not None, "only a strand can sleep"
        strand.check()
        wakes = self.now() + max(0.0, seconds)
        if wakes < self._ends and (not self._due or wakes < self._due[0][0]):
            self._move_to(wakes)
            return
        self._push(wakes, strand)
        self._main_turn.release()
        strand._turn.acquire()
        strand.check()

    def kill(self, strand: Strand) -> None:
        """End a strand as SIGKILL would: the next thing that it asks for, or waits for, is none."""
        if not strand.is_over and not strand.is_killed:
            strand.is_killed = True
            self._push(self.now(), strand)

    def run(self, until: Callable[[], bool], *, limit_s: float) -> bool:
        """Run until a condition holds; False where `limit_s` seconds were over before."""
        self._ends = self.now() + limit_s
        while not until():
            if not self._due or self._due[0][0] > self._ends:
                return False
            at, _, what = heapq.heappop(self._due)
            self._move_to(at)
            if isinstance(what, Strand):
                self._give_turn(what)
            else:
                what()
        return True

    def close(self) -> None:
        """Kill every strand that is left and wait for the threads."""
        for strand in self._strands:
            if not strand.is_over:
                strand.is_killed = True
                self._give_turn(strand)
        for thread in self._threads:
            thread.join()

    def _give_turn(self, strand: Strand) -> None:
        # One that was killed while it slept is due twice.
        if strand.is_over:
            return
        self._current = strand
        strand._turn.release()
        self._main_turn.acquire()
        self._current = None

    def _move_to(self, at: float) -> None:
        self.clock.advance(max(0.0, at - self.now()))

    def _push(self, at: float, what: Strand | Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), what))
