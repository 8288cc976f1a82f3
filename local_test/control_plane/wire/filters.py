"""The filters that List operations of jobs have in common; source: API reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def is_asked_for(
    request: Mapping[str, Any],
    *,
    name: str,
    status: str,
    created: float,
    modified: float,
    is_after_inclusive: bool = False,
) -> bool:
    """Say whether a job passes a request's filters; times are seconds since 1970.

    `is_after_inclusive`: what was created at the very CreationTimeAfter passes.
    """
    return (
        request.get("NameContains", "").lower() in name.lower()
        and request.get("StatusEquals", status) == status
        and _is_between(created, request, "CreationTime", is_after_inclusive=is_after_inclusive)
        and _is_between(modified, request, "LastModifiedTime")
    )


def is_named_and_created(request: Mapping[str, Any], name: str, created: float) -> bool:
    """Say whether a thing that has no states and never changes passes a request's filters.

    Source: API reference, ListModels and ListEndpointConfigs, whose CreationTimeAfter is inclusive.
    """
    return is_asked_for(
        request,
        name=name,
        status="",
        created=created,
        modified=created,
        is_after_inclusive=True,
    )


def _is_between(
    at: float, request: Mapping[str, Any], name: str, *, is_after_inclusive: bool = False
) -> bool:
    # Python's clients hear a time, and name it again, to the microsecond.
    told = round(at, 6)
    after = round(float(request.get(f"{name}After", -math.inf)), 6)
    before = round(float(request.get(f"{name}Before", math.inf)), 6)
    return told < before and (told > after or (is_after_inclusive and told == after))
