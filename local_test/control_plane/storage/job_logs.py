"""The log lines of processing jobs, where the SDKs look for them.

Source: AWS docs, 'Log Groups and Streams that Amazon SageMaker Sends to CloudWatch Logs' (group);
streams are named as those of training jobs, which is what the SDKs take for granted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.telemetry import lines_of

PROCESSING_GROUP = "/aws/sagemaker/ProcessingJobs"


class JobLogs:
    """Implements `ProcessingLogs` on the local account."""

    def __init__(self, store: Store, group: str = PROCESSING_GROUP) -> None:
        self._store = store
        self._group = group
        self._streams: dict[tuple[str, str], str] = {}

    def lines(self, job_name: str, host: str, lines: Sequence[tuple[float, str]]) -> None:
        if not lines:
            return
        first = lines[0][0]
        stream = self._streams.setdefault((job_name, host), f"{job_name}/{host}-{int(first)}")
        self._store.put_log_lines(self._group, stream, lines)

    def restore(self, job_name: str, folder: Path, *, at: float) -> None:
        """Put back the lines of a job of an earlier run, all with one time.

        `folder` has ``<host>/log`` files; `at` is in seconds since 1970.
        """
        for path in sorted(folder.glob("*/log")):
            for texts in lines_of(path):
                self.lines(job_name, path.parent.name, [(at, text) for text in texts])
