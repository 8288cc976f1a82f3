"""Faults on demand: what the cloud does to callers and jobs, injected by a test or a user."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, Self, get_args

# Of calls: throttle, internal (before anything happened), lost_response (after it happened, the
# connection is closed).  Of jobs: capacity (none to be had), job_internal (the platform fails while
# the containers run), slow_start (`seconds` more before the containers start).
Kind = Literal["throttle", "internal", "lost_response", "capacity", "job_internal", "slow_start"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that happens `times` times to calls of `operation` or jobs named like `name`."""

    kind: Kind
    operation: str = "*"
    name: str = "*"
    times: int = 1
    seconds: float = 0.0

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Check and read a fault that came from outside.

        Raises
        ------
        ValueError
            It is no fault; the message says what one is.
        """
        kinds = get_args(Kind)
        if record.get("kind") not in kinds:
            raise ValueError(f"kind is {record.get('kind')!r}; expected one of {', '.join(kinds)}")
        names = {each.name for each in fields(cls)}
        if unknown := sorted(set(record) - names):
            raise ValueError(f"unknown keys {unknown}; a fault has {sorted(names)}")
        fault = cls(**record)
        # A pattern that is no text would break every call that it is held against.
        for key, (is_right, expected) in _checks(fault).items():
            if not is_right:
                raise ValueError(f"{key} is {getattr(fault, key)!r}; expected {expected}")
        return fault


class Faults:
    """The faults that are still to happen; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Let a fault happen."""
        with self._lock:
            self._faults.append((fault, fault.times))

    def take(self, kind: Kind, *, operation: str = "", name: str = "") -> Fault | None:
        """Return the first waiting fault that fits, and count it as happened."""
        with self._lock:
            for at, (fault, left) in enumerate(self._faults):
                fits = fnmatchcase(operation, fault.operation) and fnmatchcase(name, fault.name)
                if fault.kind == kind and fits:
                    self._faults[at : at + 1] = [(fault, left - 1)] if left > 1 else []
                    return fault
            return None

    def waiting(self) -> list[tuple[Fault, int]]:
        """Return every fault with the number of times that it still happens."""
        with self._lock:
            return list(self._faults)

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._faults.clear()


def _checks(fault: Fault) -> dict[str, tuple[bool, str]]:
    """Return of each key whether it is right, and what it has to be."""
    times, seconds = fault.times, fault.seconds
    # Not isinstance: true is no number here.
    is_number = type(seconds) in {int, float}
    return {
        "operation": (isinstance(fault.operation, str), "a text"),
        "name": (isinstance(fault.name, str), "a text"),
        "times": (type(times) is int and times >= 1, "a whole number, at least 1"),
        "seconds": (
            is_number and math.isfinite(seconds) and seconds >= 0,
            "a finite number, at least 0",
        ),
    }
