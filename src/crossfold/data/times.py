"""Dates and times of day as nanoseconds since 1970-01-01 UTC."""

from __future__ import annotations

import re
from datetime import datetime

FIRST_YEAR, LAST_YEAR = 1678, 2261
"""Whole years that 64-bit nanoseconds can hold."""

_FRACTION = re.compile(r"[.,](\d+)", re.ASCII)


def nanoseconds(text: str) -> int:
    """Read an ISO 8601 date or timestamp; without an offset it is UTC.

    >>> nanoseconds("1970-01-02"), nanoseconds("1970-01-01T01:00:00.000000001+01:00")
    (86400000000000, 1)

    Raises
    ------
    ValueError
        It is none, or lies outside the years 1678 to 2261, which 64 bits can hold.
    """
    fraction = _FRACTION.search(text)
    moment = (
        datetime.fromisoformat(text[: fraction.start()] + text[fraction.end() :])
        if (fraction)
        else datetime.fromisoformat(text)
    )
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"year {moment.year} is outside {FIRST_YEAR} to {LAST_YEAR}")
    offset = moment.utcoffset()
    naive = moment.replace(tzinfo=None) - offset if offset is not None else moment
    since = naive - datetime(1970, 1, 1)  # noqa: DTZ001  both are naive UTC
    whole = (since.days * 86_400 + since.seconds) * 1_000_000_000
    return whole + (int(fraction[1][:9].ljust(9, "0")) if fraction else 0)
