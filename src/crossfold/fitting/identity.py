"""Everything that a fold's numbers depend on, and one short text for it.

The driver and each of its folds compute the same, so neither takes another job's fold for its own.
Of our own code its text is a part: an image's tag may move, and a version number stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from crossfold.errors import PlatformError
from crossfold.fitting.job import Job
from crossfold.fitting.problem import FoldedProblem
from crossfold.persistence.manifest import library_versions

_KEY_LENGTH = 32
_OWN_CODE = Path(__file__).parents[1]


def identity_of(job: Job, folded: FoldedProblem, data: str) -> dict[str, Any]:
    """Return data, split, request and versions; `data` is the fingerprint of the table."""
    return {
        "data": data,
        "split": folded.assignment.fingerprint(),
        "request": job.request.canonical(),
        "versions": versions_of(job.request.algorithm),
    }


def identity_key(identity: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that tell one identity from another."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


def versions_of(algorithm: str) -> dict[str, str]:
    """Return the versions of all code that a fold's numbers come from, by name."""
    return library_versions(algorithm) | {"crossfold": code_version()}


@cache
def code_version(root: Path = _OWN_CODE) -> str:
    """Return 32 hexadecimal digits of every Python file below a package's folder."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:_KEY_LENGTH]


def refuse_other_identity(own: str | None, expected: str | None) -> None:
    """Refuse to run a fold whose numbers its driver would not take for its own.

    Parameters
    ----------
    own : str, optional
        The fold's key.
    expected : str, optional
        The driver's; None where no driver started the fold as a job of its own.

    Raises
    ------
    PlatformError
        They differ.
    """
    if expected is not None and own != expected:
        raise PlatformError(
            "the fold reads other data than its driver, or reads it otherwise (fingerprint "
            f"{own}, the driver's {expected}); channels, source code, hyperparameters and image "
            "must be the same"
        )
