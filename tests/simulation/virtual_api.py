"""The driver's `SageMakerApi` on the simulated account, with the errors of the real one.

A call takes time before and after it has its effect, so a driver can be killed between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cv_driver.aws.api import JobState, Page
from cv_driver.aws.errors import (
    AlreadyEnded,
    CallFailed,
    NameTaken,
    NoAnswer,
    NoCapacity,
    NotFound,
    Refused,
    Throttled,
    Unreachable,
)
from local_test.control_plane.api.calls import LostResponse
from local_test.control_plane.api.names import arn_of
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.wire import errors as wire
from tests.simulation.account import REGION, Account
from tests.simulation.driver_job import DriverJob

Answer = TypeVar("Answer")
_PAGE = 100
_SAME_MEANING: Mapping[type[wire.ServiceError], type[CallFailed]] = {
    wire.Throttled: Throttled,
    wire.ResourceLimitExceeded: NoCapacity,
    wire.ResourceInUse: NameTaken,
    wire.ResourceNotFound: NotFound,
    wire.InternalFailure: NoAnswer,
}


class VirtualApi:
    """The calls of one driver, counted by kind."""

    def __init__(self, account: Account, driver: DriverJob) -> None:
        self._account = account
        self._driver = driver

    @property
    def region(self) -> str:
        return REGION

    def describe(self, job_name: str) -> dict[str, Any]:
        return self._call("DescribeTrainingJob", TrainingJobName=job_name)

    def describe_tuning(self, tuning_job: str) -> dict[str, Any]:
        return self._call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=tuning_job)

    def tags(self, arn: str) -> dict[str, str]:
        answer = self._call("ListTags", ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}

    def create(self, request: Mapping[str, Any]) -> str:
        return str(self._call("CreateTrainingJob", **request)["TrainingJobArn"])

    def stop(self, job_name: str) -> None:
        self._call("StopTrainingJob", TrainingJobName=job_name)

    def list_page(
        self, name_contains: str, token: str | None = None, *, created_after: float | None = None
    ) -> Page:
        answer = self._call(
            "ListTrainingJobs",
            NameContains=name_contains,
            MaxResults=_PAGE,
            SortBy="CreationTime",
            SortOrder="Descending",
            **({} if token is None else {"NextToken": token}),
            **({} if created_after is None else {"CreationTimeAfter": created_after}),
        )
        jobs = [
            JobState(
                each["TrainingJobName"],
                each["TrainingJobArn"],
                each["TrainingJobStatus"],
                each["CreationTime"],
                each.get("TrainingEndTime"),
            )
            for each in answer["TrainingJobSummaries"]
        ]
        return Page(jobs, answer.get("NextToken"))

    def find_tagged(self, key: str, value: str, token: str | None = None) -> Page:
        def find() -> Page:
            jobs = [job for job in self._account.plane.training.all() if job.is_live]
            found = [_state(job) for job in jobs if _tags(job).get(key) == value][::-1]
            first = int(token or 0)
            more = str(first + _PAGE) if len(found) > first + _PAGE else None
            return Page(found[first : first + _PAGE], more)

        return self._timed("Search", find)

    def put_object(self, uri: str, body: bytes, *, kms_key: str | None = None) -> None:
        self._timed_object("PutObject", lambda: self._account.objects.__setitem__(uri, body))

    def has_object(self, uri: str) -> bool:
        return self._timed_object("HeadObject", lambda: uri in self._account.objects)

    def download(self, uri: str, path: Path) -> None:
        def get() -> bytes:
            if uri not in self._account.objects:
                raise NotFound(f"there is no object {uri}")
            return self._account.objects[uri]

        path.write_bytes(self._timed_object("GetObject", get))

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            try:
                return self._account.plane.call(operation, request)
            except wire.ServiceError as error:
                raise _ours(error) from error
            except LostResponse as error:
                self._account.timeline.sleep(self._account.habits.answer_s)
                raise NoAnswer(f"{operation}: the read timed out") from error

        return self._timed(operation, call)

    def _timed_object(self, kind: str, call: Callable[[], Answer]) -> Answer:
        """Make a call of S3, whose faults are not the plane's."""

        def make() -> Answer:
            take = self._account.plane.faults.take
            if take("throttle", operation=kind):
                raise Throttled("Please reduce your request rate.")
            if take("internal", operation=kind):
                raise NoAnswer(f"{kind}: We encountered an internal error.")
            answer = call()
            if take("lost_response", operation=kind):
                self._account.timeline.sleep(self._account.habits.answer_s)
                raise NoAnswer(f"{kind}: the read timed out")
            return answer

        return self._timed(kind, make)

    def _timed(self, kind: str, call: Callable[[], Answer]) -> Answer:
        half_s = self._account.habits.latency_s / 2
        timeline = self._account.timeline
        timeline.sleep(half_s)
        self._count(kind)
        try:
            if self._account.is_out:
                raise Unreachable(f"{kind}: no connection could be made")
            for start in self._driver.starts[-1:]:
                start.was_answered = True
            answer = call()
        except CallFailed as error:
            if isinstance(error, Throttled):
                self._count(f"{kind} throttled")
            timeline.sleep(half_s)
            raise
        timeline.sleep(half_s)
        return answer

    def _count(self, kind: str) -> None:
        self._account.calls[kind] += 1
        self._driver.calls[kind] += 1


def _ours(error: wire.ServiceError) -> CallFailed:
    message = error.message
    if isinstance(error, wire.ValidationError) and "not found" in message:
        return NotFound(message)
    if isinstance(error, wire.ValidationError) and "is in status" in message:
        return AlreadyEnded(message)
    kind = _SAME_MEANING.get(type(error))
    return Refused(error.code, message) if kind is None else kind(message)


def _state(job: TrainingJob) -> JobState:
    arn = arn_of(REGION, "training-job", job.name)
    return JobState(job.name, arn, job.status, job.created, job.training_ended)


def _tags(job: TrainingJob) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in job.request.get("Tags", ())}
