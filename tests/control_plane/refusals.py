"""What the service refuses, as a table: a change to a good request, part of the refusal's message.

The messages of limits follow from botocore's model of SageMaker, the others from the pages that the
rules name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: the request is the good one of the operation with `changes`."""

    claim: str
    operation: str
    changes: Mapping[str, object]
    fragment: str
    code: str = "ValidationException"


def limits(operation: str, rows: Sequence[tuple[str, object, str]]) -> list[Refusal]:
    """Make rows of (path, value, what it fails to satisfy)."""
    return [
        Refusal(f"{path}: {fragment[:60]}", operation, {path: value}, fragment)
        for path, value, fragment in rows
    ]


def rules(operation: str, rows: Sequence[tuple[str, Mapping[str, object], str]]) -> list[Refusal]:
    return [Refusal(claim, operation, changes, fragment) for claim, changes, fragment in rows]
