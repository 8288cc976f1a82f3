"""What a job was started with, and where it logs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from crossfold.algorithms.threads import usable_threads
from crossfold.contract.channels import Channel
from crossfold.contract.paths import OptMl
from crossfold.request.job_request import JobRequest


@dataclass(frozen=True, slots=True)
class Job:
    """One training job.

    Attributes
    ----------
    opt_ml : OptMl
    request : JobRequest
    hyperparameters : mapping
        As they lie in hyperparameters.json.
    channels : mapping of name to Channel
    environ : mapping
        The process's environment.
    stream : TextIO
        Where logs and metric lines go.
    """

    opt_ml: OptMl
    request: JobRequest
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    environ: Mapping[str, str]
    stream: TextIO

    def log(self, line: str) -> None:
        """Write one line and flush it."""
        self.stream.write(line + "\n")
        self.stream.flush()

    @property
    def n_threads(self) -> int:
        """Threads that fits may use together: the request's, else all that the process may use.

        ``OMP_NUM_THREADS`` caps them, as it does the libraries'.
        """
        cap = self.environ.get("OMP_NUM_THREADS", "")
        usable = min(usable_threads(), self.request.n_threads or usable_threads())
        return max(1, min(usable, int(cap))) if cap.isdecimal() else usable
