"""The kinds of jobs: how each is described, waited for, stopped and listed.

Knows nothing of what is observed.  Source of the statuses: API reference, the Describe operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_test.verify_aws.side import Side

BUSY = ("InProgress", "Stopping")
# Describe, Stop and Delete say so of a name that is not there.
_GONE = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")


@dataclass(frozen=True, slots=True)
class JobKind:
    """How one kind of jobs is described, stopped and listed."""

    operation: str
    member: str

    @property
    def name(self) -> str:
        return f"{self.member}Name"

    def describe(self, side: Side, name: str) -> Any:
        """Return the service's description."""
        return getattr(side.sagemaker, f"describe_{self.operation}")(**{self.name: name})

    def ended(self, side: Side, name: str, *, most_s: float) -> Any:
        """Wait at most `most_s` seconds for its end and return its description.

        Raises
        ------
        NotInTime
            It has not ended by then, or the run was cancelled.
        """

        def look() -> Any | None:
            found = self.describe(side, name)
            return None if found[f"{self.member}Status"] in BUSY else found

        return side.wait(look, most_s=most_s, what=f"the end of {name}")

    def status(self, side: Side, name: str) -> str | None:
        """Return its status, or None where there is no such job."""
        try:
            found = self.describe(side, name)
        except ClientError as error:
            if not is_of_what_is_gone(error):
                raise
            return None
        return str(found[f"{self.member}Status"])

    def stop(self, side: Side, name: str) -> None:
        try:
            getattr(side.sagemaker, f"stop_{self.operation}")(**{self.name: name})
        except ClientError as error:
            # It has ended, or was never made; `end` sees which.
            if not is_of_what_is_gone(error):
                raise

    def busy(self, side: Side, part: str) -> list[str]:
        """Return the names of the running jobs whose names contain `part`."""
        pages = side.sagemaker.get_paginator(f"list_{self.operation}s")
        found = (
            each
            for status in BUSY
            for page in pages.paginate(NameContains=part, StatusEquals=status)
            for each in page[f"{self.member}Summaries"]
        )
        return [each[self.name] for each in found]


TRAINING = JobKind("training_job", "TrainingJob")
TUNING = JobKind("hyper_parameter_tuning_job", "HyperParameterTuningJob")
TRANSFORM = JobKind("transform_job", "TransformJob")
PROCESSING = JobKind("processing_job", "ProcessingJob")


def is_of_what_is_gone(error: ClientError) -> bool:
    """Say whether a refusal may mean that there is no such thing."""
    return error.response["Error"]["Code"] in _GONE
