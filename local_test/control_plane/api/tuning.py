"""Operations on tuning jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, as_list, check
from local_test.control_plane.clock import Clock
from local_test.control_plane.search.finding import Searched
from local_test.control_plane.training.machine import TrainingJobs
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.tuning.describe import describe, list_trials, list_tuning_jobs
from local_test.control_plane.tuning.machine import TuningJobs
from local_test.control_plane.tuning.record import TuningJob
from local_test.control_plane.wire.errors import ServiceError
from local_test.control_plane.wire.rules import check_tuning

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TuningApi:
    """Answers requests about tuning jobs."""

    jobs: TuningJobs
    training: TrainingJobs
    tags: Tags
    clock: Clock
    region: str

    def operations(self) -> dict[str, Operation]:
        """Return the functions by the operations that they answer."""
        return {
            "CreateHyperParameterTuningJob": self.create,
            "DescribeHyperParameterTuningJob": self.describe,
            "ListHyperParameterTuningJobs": self.list,
            "ListTrainingJobsForHyperParameterTuningJob": self.list_trials,
            "StopHyperParameterTuningJob": self.stop,
        }

    def create(self, request: Request) -> Request:
        """Answer CreateHyperParameterTuningJob."""
        check_tuning(request)
        check(request.get("Tags", ()))
        name = request["HyperParameterTuningJobName"]
        arn = arn_of(self.region, "hyper-parameter-tuning-job", name)
        self.jobs.create(request, arn)
        self.tags.put(arn, request.get("Tags", ()))
        return {"HyperParameterTuningJobArn": arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeHyperParameterTuningJob."""
        return self._describe(self.jobs.get(request["HyperParameterTuningJobName"]))

    def list(self, request: Request) -> Request:
        """Answer ListHyperParameterTuningJobs."""
        ordered = list_tuning_jobs(self.jobs.all(), request, training=self._find_training)
        given, more = page(ordered, request, lambda each: each["HyperParameterTuningJobName"])
        return {"HyperParameterTuningJobSummaries": given, **more}

    def list_trials(self, request: Request) -> Request:
        """Answer ListTrainingJobsForHyperParameterTuningJob."""
        job = self.jobs.get(request["HyperParameterTuningJobName"])
        ordered = list_trials(job, request, training=self._find_training)
        given, more = page(ordered, request, lambda each: each["TrainingJobName"])
        return {"TrainingJobSummaries": given, **more}

    def stop(self, request: Request) -> Request:
        """Answer StopHyperParameterTuningJob."""
        self.jobs.stop(request["HyperParameterTuningJobName"])
        return {}

    def searched(self) -> Searched:
        """Return the tuning jobs as Search finds them."""
        return Searched(
            "HyperParameterTuningJob",
            "HyperParameterTuningJobArn",
            lambda: [
                {**self._describe(job), "Tags": as_list(self.tags.of(job.arn))}
                for job in self.jobs.all()
            ],
        )

    def _describe(self, job: TuningJob) -> Request:
        return describe(
            job, training=self._find_training, tuning=self._find_tuning, now=self.clock.now()
        )

    def _find_training(self, name: str) -> TrainingJob | None:
        try:
            return self.training.get(name)
        except ServiceError:
            return None

    def _find_tuning(self, name: str) -> TuningJob | None:
        try:
            return self.jobs.get(name)
        except ServiceError:
            return None
