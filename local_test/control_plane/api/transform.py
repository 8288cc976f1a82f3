"""Operations on transform jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, check
from local_test.control_plane.transform.describe import describe, summary
from local_test.control_plane.transform.machine import TransformJobs
from local_test.control_plane.transform.record import TransformJob
from local_test.control_plane.transform.rules import check_transform
from local_test.control_plane.wire.filters import is_asked_for

Request = dict[str, Any]
_ORDERS: dict[str, Callable[[TransformJob], tuple[Any, str]]] = {
    "Name": lambda job: (job.name, job.name),
    "CreationTime": lambda job: (job.created, job.name),
    "Status": lambda job: (job.status, job.name),
}


@dataclass(frozen=True, slots=True)
class TransformApi:
    """Answers requests about transform jobs."""

    jobs: TransformJobs
    tags: Tags
    region: str

    def operations(self) -> dict[str, Operation]:
        """Return what it serves."""
        return {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": self.describe,
            "ListTransformJobs": self.list,
            "StopTransformJob": self.stop,
        }

    def create(self, request: Request) -> Request:
        """Answer CreateTransformJob."""
        check_transform(request)
        check(request.get("Tags", ()))
        arn = arn_of(self.region, "transform-job", request["TransformJobName"])
        self.jobs.create(request, arn=arn)
        self.tags.put(arn, request.get("Tags", ()))
        return {"TransformJobArn": arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeTransformJob."""
        return describe(self.jobs.get(request["TransformJobName"]))

    def list(self, request: Request) -> Request:
        """Answer ListTransformJobs; the newest come first unless the request orders them."""
        ordered = sorted(
            (job for job in self.jobs.all() if _fits(job, request)),
            key=_ORDERS[request.get("SortBy", "CreationTime")],
            reverse=request.get("SortOrder", "Descending") == "Descending",
        )
        given, more = page(ordered, request, lambda job: job.name)
        return {"TransformJobSummaries": [summary(job) for job in given], **more}

    def stop(self, request: Request) -> Request:
        """Answer StopTransformJob."""
        self.jobs.stop(request["TransformJobName"])
        return {}


def _fits(job: TransformJob, request: Request) -> bool:
    return is_asked_for(
        request, name=job.name, status=job.status, created=job.created, modified=job.modified
    )
