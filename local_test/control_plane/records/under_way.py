"""The runs of jobs that are under way, each until its job's end is in the journal.

It knows neither what a run does nor what of a job is written: those are its callers'.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

_LOG = logging.getLogger(__name__)


class Job(Protocol):
    """What a run moves on."""

    @property
    def name(self) -> str:
        """What no other job of the kind is called."""
        ...


class Run(Protocol):
    """One job on its way."""

    @property
    def job(self) -> Job:
        """Its record."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do."""
        ...

    def step(self) -> None:
        """Advance as far as it goes now."""
        ...


AnyRun = TypeVar("AnyRun", bound=Run)
Saved = TypeVar("Saved")


class UnderWay(Generic[AnyRun, Saved]):
    """The runs of one kind of job.

    Parameters
    ----------
    kind : str
        What the log calls such a job.
    write : callable
        Writes what changed of a run's job since this function returned the value that it is given;
        None is given first.
    abandon : callable
        Fails a run's job because of a defect, in words.
    """

    def __init__(
        self,
        kind: str,
        *,
        write: Callable[[AnyRun, Saved | None], Saved],
        abandon: Callable[[AnyRun, str], None],
    ) -> None:
        self._kind = kind
        self._write = write
        self._abandon = abandon
        self._runs: dict[str, AnyRun] = {}
        self._saved: dict[str, Saved] = {}

    def __getitem__(self, name: str) -> AnyRun:
        return self._runs[name]

    def __iter__(self) -> Iterator[AnyRun]:
        return iter(tuple(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: AnyRun) -> None:
        """Take a new run; one whose job cannot be written is not under way."""
        self._saved[run.job.name] = self._write(run, None)
        self._runs[run.job.name] = run

    def step(self) -> None:
        """Advance every run as far as it goes; a defect in one fails its job only."""
        for run in self:
            try:
                run.step()
            except Exception as defect:  # noqa: BLE001 - whatever it is, the other jobs go on
                _LOG.exception("%s %s failed by a defect of the plane", self._kind, run.job.name)
                self._abandon(run, f"{type(defect).__name__}: {defect}")
            self.save(run)

    def save(self, run: AnyRun) -> None:
        """Write what changed, or try it again at the next step; then let go what is over."""
        name = run.job.name
        try:
            self._saved[name] = self._write(run, self._saved[name])
        except Exception:  # noqa: BLE001 - a full disk must not end the jobs
            _LOG.exception("%s %s could not be journaled; it is tried again", self._kind, name)
            return
        if run.is_over:
            del self._runs[name], self._saved[name]
