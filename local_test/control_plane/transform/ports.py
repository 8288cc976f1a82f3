"""What the machine of transform jobs needs from the world, beside the servers of models.

Nothing here blocks: work is begun, and asked later whether it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from local_test.control_plane.training.ports import Work
from local_test.control_plane.transform.failure import FileFault
from local_test.control_plane.transform.record import TransformJob

GROUP = "/aws/sagemaker/TransformJobs"


@dataclass(frozen=True, slots=True)
class Input:
    """One object to be transformed: where it lies, and the key of its output."""

    bucket: str
    key: str
    output_key: str


class RunningShare(Work[list[FileFault]], Protocol):
    """The files of one instance on their way; the result are the faults of those that failed."""

    def said(self) -> Sequence[tuple[float, str]]:
        """Return (time, text) lines for the data log since the last call."""
        ...

    def cancel(self) -> None:
        """Begin to end it; then `poll` gives a result soon, and no further output is stored."""
        ...


class TransformStages(Protocol):
    """The data of transform jobs."""

    def inputs(self, job: TransformJob, *, role: str) -> Work[tuple[Input, ...]]:
        """Look up what is to be transformed, at least one object.

        The work raises ClientFault where there is none; `role` is the model's, for its words.
        """
        ...

    def transform(
        self, job: TransformJob, inputs: Sequence[Input], *, address: str
    ) -> RunningShare:
        """Begin to send objects through the server at `address`."""
        ...
