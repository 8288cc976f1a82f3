"""How the servers' figures are written."""

from __future__ import annotations


def microseconds(value: float) -> str:
    """Write a short time given in microseconds."""
    return f"{value:.0f} µs"


def milliseconds(value_us: float) -> str:
    """Write a time given in microseconds."""
    return f"{value_us / 1e3:.2f} ms"


def megabytes(n_bytes: float) -> str:
    """Write an amount of memory in units of 10^6 bytes."""
    return f"{n_bytes / 1e6:.1f} MB"
