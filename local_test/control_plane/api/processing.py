"""Operations on processing jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, check
from local_test.control_plane.processing.describe import describe, summarize
from local_test.control_plane.processing.machine import ProcessingJobs
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.wire.filters import is_asked_for
from local_test.control_plane.wire.rules.processing import check_processing

Request = dict[str, Any]
_ORDERS: dict[str, Callable[[ProcessingJob], tuple[Any, str]]] = {
    "Name": lambda job: (job.name, job.name),
    "CreationTime": lambda job: (job.created, job.name),
    "Status": lambda job: (job.status, job.name),
}


@dataclass(frozen=True, slots=True)
class ProcessingApi:
    """Answers requests about processing jobs."""

    jobs: ProcessingJobs
    tags: Tags
    region: str

    def operations(self) -> dict[str, Operation]:
        """Return the functions by the operations that they answer."""
        return {
            "CreateProcessingJob": self.create,
            "DescribeProcessingJob": self.describe,
            "ListProcessingJobs": self.list,
            "StopProcessingJob": self.stop,
        }

    def create(self, request: Request) -> Request:
        """Answer CreateProcessingJob."""
        check_processing(request)
        check(request.get("Tags", ()))
        arn = arn_of(self.region, "processing-job", request["ProcessingJobName"])
        self.jobs.create(request, arn=arn)
        self.tags.put(arn, request.get("Tags", ()))
        return {"ProcessingJobArn": arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeProcessingJob."""
        return describe(self.jobs.get(request["ProcessingJobName"]))

    def list(self, request: Request) -> Request:
        """Answer ListProcessingJobs."""
        ordered = sorted(
            (job for job in self.jobs.all() if _fits(job, request)),
            key=_ORDERS[request.get("SortBy", "CreationTime")],
            reverse=request.get("SortOrder") == "Descending",
        )
        given, more = page(ordered, request, lambda job: job.name)
        return {"ProcessingJobSummaries": [summarize(job) for job in given], **more}

    def stop(self, request: Request) -> Request:
        """Answer StopProcessingJob."""
        self.jobs.stop(request["ProcessingJobName"])
        return {}


def _fits(job: ProcessingJob, request: Request) -> bool:
    return is_asked_for(
        request, name=job.name, status=job.status, created=job.created, modified=job.modified
    )
