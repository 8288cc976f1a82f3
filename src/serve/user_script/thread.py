"""The one thread of a worker on which all of a script runs.

Scripts are written for servers that call them from one thread: they keep state in globals, and
libraries keep theirs by thread.  Requests hand their calls over and wait, not for ever: a call that
never returns costs its worker, which another one replaces.

Knows threads, not what is called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

from serve.refusals import Refusal

T = TypeVar("T")
_LOOK_S = 0.5


class _Call(Generic[T]):
    """Work that is handed over, and what came of it."""

    __slots__ = ("_is_over", "begun", "error", "is_dropped", "result", "work")

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.begun: float | None = None
        self.is_dropped = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self._is_over = threading.Lock()
        self._is_over.acquire()

    def run(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error
        self.end()

    def end(self) -> None:
        self._is_over.release()

    def wait(self, seconds: float | None = None) -> bool:
        """Say whether it was over in time; None is for ever."""
        return self._is_over.acquire(timeout=-1 if seconds is None else max(0.0, seconds))

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast("T", self.result)


class ScriptThread:
    """Runs one call after another, in the order they came.

    Parameters
    ----------
    timeout_s : float
        How long a call may wait for its turn and then run.
    give_up : callable
        Called once, when a call has run too long: it is to end this process gently.
    """

    def __init__(self, timeout_s: float, give_up: Callable[[], None]) -> None:
        self._timeout_s = timeout_s
        self._give_up = give_up
        self._calls: SimpleQueue[_Call[Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self.is_stuck = False

    def start(self) -> None:
        """Begin the thread; it never holds up the end of the process."""
        threading.Thread(target=self._run, name="script", daemon=True).start()

    def begin(self, work: Callable[[], T]) -> T:
        """Run what may take as long as it likes; give its result or raise what it raised."""
        call = self._hand_over(work)
        # A signal just before a wait, or taken by another thread, does not end the wait.
        while not call.wait(_LOOK_S):
            pass
        return call.outcome()

    def run(self, work: Callable[[], T]) -> T:
        """Run `work` in its turn; give its result or raise what it raised.

        Raises
        ------
        Refusal
            504: it ran too long.  503: it had no turn in time, or never will have one here.
        """
        call = self._hand_over(work)
        if call.wait(self._timeout_s):
            return call.outcome()
        begun = self._begun_or_dropped(call)
        # Another call held it up: from its own beginning it has as long as any.
        if call.wait(begun + self._timeout_s - time.monotonic()):
            return call.outcome()
        self._leave_it()
        message = (
            f"the model's script did not answer within {self._timeout_s:g} s; make it faster, send "
            "less at once, or set SAGEMAKER_MODEL_SERVER_TIMEOUT"
        )
        raise Refusal(504, message)

    def _hand_over(self, work: Callable[[], T]) -> _Call[T]:
        call = _Call(work)
        with self._lock:
            if self.is_stuck:
                raise _replaced()
            self._calls.put(call)
        return call

    def _begun_or_dropped(self, call: _Call[Any]) -> float:
        with self._lock:
            if call.begun is not None:
                return call.begun
            call.is_dropped = True
        message = (
            f"the model's script was busy with other requests for {self._timeout_s:g} s; send "
            "fewer at a time, or set SAGEMAKER_MODEL_SERVER_WORKERS"
        )
        raise Refusal(503, message)

    def _leave_it(self) -> None:
        """Let nobody wait any more for what does not return."""
        with self._lock:
            if self.is_stuck:
                return
            self.is_stuck = True
            with suppress(Empty):
                while True:
                    call = self._calls.get_nowait()
                    call.error = _replaced()
                    call.end()
        self._give_up()

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            with self._lock:
                if call.is_dropped:
                    continue
                call.begun = time.monotonic()
            call.run()


def _replaced() -> Refusal:
    return Refusal(503, "the model's script hangs in an earlier request; try again in a moment")
