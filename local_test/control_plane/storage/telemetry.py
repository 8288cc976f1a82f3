"""Log lines and metric values of training jobs, where the SDKs look for them.

Knows names of log groups, streams and dimensions, not how lines are read or scanned.

Source: AWS docs, "Log Groups and Streams that Amazon SageMaker Sends to CloudWatch Logs" (stream
``JOB/algo-N-<epoch>``), and the dimension that SDK version 2 asks for in its analytics of a job.
That a new attempt has a stream of its own is not documented: its containers are new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from local_test.control_plane.storage.aws import Store
from local_test.control_plane.training.lines import LineSplitter
from local_test.control_plane.training.record import Emission, TrainingJob

GROUP = "/aws/sagemaker/TrainingJobs"

_CHUNK_BYTES = 1 << 18


class StoredTelemetry:
    """Implements ports.Telemetry on the local account."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._streams: dict[tuple[str, str, int], str] = {}

    def lines(self, job: TrainingJob, host: str, lines: Sequence[tuple[float, str]]) -> None:
        if not lines:
            return
        key = (job.name, host, job.attempt)
        if key not in self._streams:
            self._streams[key] = _stream(job, host, lines[0][0])
        self._store.put_log_lines(GROUP, self._streams[key], lines)

    def metrics(self, job: TrainingJob, emissions: Sequence[Emission]) -> None:
        self._store.put_metrics(
            GROUP,
            ((each.name, each.value, each.at) for each in emissions),
            dimensions={"TrainingJobName": job.name},
        )

    def restore(self, job: TrainingJob, folder: Path) -> None:
        """Put back the lines and values of a job of an earlier run.

        `folder` has ``<attempt>/<host>/log`` files.  They know no times: every line of an attempt
        gets the time at which its training began.
        """
        starts = [each.start for each in job.transitions if each.status == "Training"]
        attempts = sorted({path.parents[1] for path in folder.glob("*/*/log")}, key=_number)
        for number, attempt in enumerate(attempts):
            at = [*starts, job.created][min(number, max(len(starts) - 1, 0))]
            for path in sorted(attempt.glob("*/log")):
                stream = _stream(job, path.parent.name, at)
                for lines in lines_of(path):
                    self._store.put_log_lines(GROUP, stream, [(at, text) for text in lines])
        self.metrics(job, job.emissions)


def lines_of(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a host's log as they are shown, many at a time."""
    splitter = LineSplitter()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield splitter.feed(chunk)
    yield splitter.flush()


def _stream(job: TrainingJob, host: str, at: float) -> str:
    return f"{job.name}/{host}-{int(at)}"


def _number(attempt: Path) -> int:
    return int(attempt.name) if attempt.name.isdecimal() else 0
