"""A stop asked for from outside: SIGTERM sets it, every long loop looks at it.

SageMaker sends SIGTERM and, 120 s later, SIGKILL (AWS docs, "StopTrainingJob").
"""

from __future__ import annotations

from crossfold.errors import PlatformError

# A round, a fold or a read that lasts longer than this after a stop is left to its fate.
PATIENCE_S = 7.0


class Stopped(PlatformError):
    """The job was stopped at a point where no model exists yet."""

    def __init__(self) -> None:
        """Carry the one reason there is."""
        super().__init__("stopped before a model existed")


class StopRequest:
    """A flag that is set once and never cleared.

    A plain attribute and no lock: a signal handler that sets a `threading.Event` can wait for a
    lock that the interrupted thread itself holds.
    """

    def __init__(self, parent: StopRequest | None = None) -> None:
        """Start unset; a stop of `parent` is a stop of this one, and not the other way round."""
        self._parent = parent
        self._is_asked = False
        # Seconds that whoever asks for the stop shall wait before it leaves the job to its fate.
        self.patience_s = PATIENCE_S

    @property
    def is_set(self) -> bool:
        """Say whether the stop was asked for."""
        return self._is_asked or (self._parent is not None and self._parent.is_set)

    def set(self) -> None:
        """Ask for the stop."""
        self._is_asked = True

    def check(self) -> None:
        """Raise `Stopped` when the stop was asked for."""
        if self.is_set:
            raise Stopped
