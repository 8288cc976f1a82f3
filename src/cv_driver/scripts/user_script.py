"""What the driver knows of a user's script; the command ``train`` brings it along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from crossfold.contract.stop import StopRequest
from crossfold.fitting.job import Job


class UserScript(Protocol):
    """A script that is there and installed."""

    @property
    def name(self) -> str:
        """The program, as the user named it."""

    @property
    def folder(self) -> Path:
        """Where the code lies."""

    @property
    def files(self) -> Sequence[str]:
        """What of it belongs beside a model, named from the folder."""

    @property
    def digest(self) -> str:
        """SHA-256 of the code as it was brought, before anything was installed."""

    def run(
        self,
        job: Job,
        stop: StopRequest,
        *,
        into: int | None = None,
        log: str | None = None,
        grace_s: float | None = None,
    ) -> None:
        """Run it to its end on the tree of `job`; raise unless it succeeds.

        Parameters
        ----------
        into : int, optional
            Descriptor that gets its output and errors instead of this process's own.
        log : str, optional
            Where all of that is kept, for the reason of a failure.
        grace_s : float, optional
            Seconds between SIGTERM and SIGKILL, where less than the usual.
        """
