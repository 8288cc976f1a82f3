"""Operations on training jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.consistency import as_of
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, as_list, check
from local_test.control_plane.clock import Clock
from local_test.control_plane.search.finding import Searched
from local_test.control_plane.training.describe import describe, summary
from local_test.control_plane.training.machine import TrainingJobs
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.filters import is_asked_for
from local_test.control_plane.wire.rules import check_training

Request = dict[str, Any]
_ORDERS: dict[str, Callable[[TrainingJob], tuple[Any, str]]] = {
    "Name": lambda job: (job.name, job.name),
    "CreationTime": lambda job: (job.created, job.name),
    "Status": lambda job: (job.status, job.name),
}


@dataclass(frozen=True, slots=True)
class TrainingApi:
    """Answers requests about training jobs; `lag_s` is how far behind Describe and List are."""

    jobs: TrainingJobs
    tags: Tags
    clock: Clock
    region: str
    lag_s: float
    admit: Callable[[Request], None]

    def operations(self) -> dict[str, Operation]:
        """Return the functions by the operations that they answer."""
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list,
            "StopTrainingJob": self.stop,
        }

    def create(self, request: Request) -> Request:
        """Answer CreateTrainingJob."""
        check_training(request)
        check(request.get("Tags", ()))
        self.admit(request)
        arn = arn_of(self.region, "training-job", request["TrainingJobName"])
        self.jobs.create(request, arn=arn)
        self.tags.put(arn, request.get("Tags", ()))
        return {"TrainingJobArn": arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeTrainingJob."""
        seen = self._seen(self.jobs.get(request["TrainingJobName"]))
        if seen is None:
            raise ValidationError("Requested resource not found.")
        return describe(seen)

    def list(self, request: Request) -> Request:
        """Answer ListTrainingJobs."""
        seen = [job for job in map(self._seen, self.jobs.all()) if job is not None]
        ordered = sorted(
            (job for job in seen if _fits(job, request)),
            key=_ORDERS[request.get("SortBy", "CreationTime")],
            reverse=request.get("SortOrder") == "Descending",
        )
        given, more = page(ordered, request, lambda job: job.name)
        return {"TrainingJobSummaries": [summary(job) for job in given], **more}

    def stop(self, request: Request) -> Request:
        """Answer StopTrainingJob."""
        self.jobs.stop(request["TrainingJobName"])
        return {}

    def searched(self) -> Searched:
        """Return the training jobs as Search finds them."""
        return Searched("TrainingJob", "TrainingJobArn", self._records)

    def _records(self) -> Sequence[Request]:
        seen = [job for job in map(self._seen, self.jobs.all()) if job is not None]
        return [{**describe(job), "Tags": as_list(self.tags.of(job.arn))} for job in seen]

    def _seen(self, job: TrainingJob) -> TrainingJob | None:
        return as_of(job, self.clock.now() - self.lag_s) if self.lag_s else job


def _fits(job: TrainingJob, request: Request) -> bool:
    # No job here has a warm pool or a training plan, so a filter on either finds nothing.
    if "WarmPoolStatusEquals" in request or "TrainingPlanArnEquals" in request:
        return False
    return is_asked_for(
        request, name=job.name, status=job.status, created=job.created, modified=job.modified
    )
