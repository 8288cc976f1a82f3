"""Names of fold jobs: the same for the same driver, so that a restart finds them.

A job's name is at most 63 characters, its letters those of a host's name (API reference,
CreateTrainingJob).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

# `-f` and six digits, `-r` and three: what the longest stem leaves of 63.
_MAX_STEM = 63 - len("-f999999-r999")
_HASH_LENGTH = 8


@dataclass(frozen=True, slots=True)
class FoldTry:
    """One job for one fold.

    Attributes
    ----------
    index : int
        Fold, counted from 0 over folds × repeats.
    number : int
        0 for the fold's first job, 1 for the one that replaces it, and so on.
    """

    index: int
    number: int = 0


def stem(driver: str) -> str:
    """Return what the names of all fold jobs of a driver begin with, before ``-f``.

    A driver's name of more than 50 characters is cut, and a hash of the whole tells it from others
    that begin alike.
    """
    if len(driver) <= _MAX_STEM:
        return driver
    digest = hashlib.sha256(driver.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{driver[: _MAX_STEM - _HASH_LENGTH - 1].rstrip('-')}-{digest}"


def common_part(driver: str) -> str:
    """Return the text that the names of all fold jobs of a driver contain, to list them by."""
    return f"{stem(driver)}-f"


def fold_job_name(driver: str, fold: FoldTry) -> str:
    """Return ``<driver>-f<i>``, or ``<driver>-f<i>-r<n>`` for a further try."""
    further = f"-r{fold.number}" if fold.number else ""
    return f"{common_part(driver)}{fold.index}{further}"


def fold_of(driver: str, job_name: str) -> FoldTry | None:
    """Return which fold's job of a driver bears a name; None where it is none of its."""
    if not job_name.startswith(common_part(driver)):
        return None
    rest = job_name[len(common_part(driver)) :]
    found = re.fullmatch(r"(0|[1-9][0-9]*)(?:-r([1-9][0-9]*))?", rest)
    return FoldTry(int(found[1]), int(found[2] or 0)) if found else None
