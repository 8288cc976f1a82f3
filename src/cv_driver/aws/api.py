"""What the driver needs of AWS; `client` is the one that calls it.

Each method makes one call and never tries again: pace, patience and what an error means are the
caller's.  Every method raises the errors of `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"]

LIVE: frozenset[Status] = frozenset({"InProgress", "Stopping"})

# Which of the account's rates a call counts for.
CallKind = Literal["create", "stop", "describe", "list", "tags", "object"]


@dataclass(frozen=True, slots=True)
class JobState:
    """One training job in a list; times are seconds since 1970."""

    name: str
    arn: str
    status: Status
    created: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `token` asks for the next one."""

    jobs: Sequence[JobState]
    token: str | None


class SageMakerApi(Protocol):
    """The calls that a driver makes."""

    @property
    def region(self) -> str:
        """The region that is called."""
        ...

    def describe(self, job_name: str) -> dict[str, Any]:
        """Return DescribeTrainingJob's answer; its times are seconds since 1970."""
        ...

    def describe_tuning(self, tuning_job: str) -> dict[str, Any]:
        """Return DescribeHyperParameterTuningJob's answer; its times are seconds since 1970."""
        ...

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a job."""
        ...

    def create(self, request: Mapping[str, Any]) -> str:
        """Create a training job and return its ARN."""
        ...

    def stop(self, job_name: str) -> None:
        """Ask for the end of a training job."""
        ...

    def list_page(
        self, name_contains: str, token: str | None = None, *, created_after: float | None = None
    ) -> Page:
        """Return up to 100 training jobs whose names contain a text, newest first.

        Those that are older than `created_after`, seconds since 1970, are left out.
        """
        ...

    def find_tagged(self, key: str, value: str, token: str | None = None) -> Page:
        """Return up to 100 training jobs that are not ended and have a tag (``Search``)."""
        ...

    def put_object(self, uri: str, body: bytes, *, kms_key: str | None = None) -> None:
        """Write an object, encrypted with a KMS key where one is named."""
        ...

    def has_object(self, uri: str) -> bool:
        """Say whether an object is there."""
        ...

    def download(self, uri: str, path: Path) -> None:
        """Write an object's content to a file."""
        ...
