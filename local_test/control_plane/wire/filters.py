"""The filters that List operations of jobs have in common; source: API reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_asked_for(
    request: Mapping[str, Any], *, name: str, status: str, created: float, modified: float
) -> bool:
    """Say whether a job passes a request's filters; times are seconds since 1970."""
    return (
        request.get("NameContains", "").lower() in name.lower()
        and request.get("StatusEquals", status) == status
        and _is_between(created, request, "CreationTime")
        and _is_between(modified, request, "LastModifiedTime")
    )


def _is_between(at: float, request: Mapping[str, Any], name: str) -> bool:
    after, before = request.get(f"{name}After"), request.get(f"{name}Before")
    return (after is None or at > float(after)) and (before is None or at < float(before))
