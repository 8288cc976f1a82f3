"""One transform job as data: what was asked, what has become of it; it is JSON on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"]

LIVE: frozenset[Status] = frozenset({"InProgress", "Stopping"})


@dataclass(slots=True)
class TransformJob:
    """What the plane knows of one transform job; times are seconds since 1970.

    `request` is the validated CreateTransformJob request, untouched.  `started` is when its
    instances were there, `ended` when its results were, or when it was seen to have failed.
    """

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    modified: float
    status: Status = "InProgress"
    failure_reason: str | None = None
    started: float | None = None
    ended: float | None = None

    @property
    def is_live(self) -> bool:
        """Whether the job may still change."""
        return self.status in LIVE

    def enter(self, status: Status, now: float) -> None:
        """Change the status."""
        assert self.is_live, f"{self.name} is {self.status} and cannot become {status}"
        self.status = status
        self.modified = now
        if status not in LIVE and self.ended is None:
            self.ended = now
