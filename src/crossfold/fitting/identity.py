"""Everything that a fold's numbers depend on, and one short text for it.

The driver and each of its folds compute the same, so neither takes another job's fold for its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from crossfold.fitting.job import Job
from crossfold.fitting.problem import FoldedProblem
from crossfold.persistence.manifest import library_versions

_KEY_LENGTH = 32


def identity_of(job: Job, folded: FoldedProblem, data: str) -> dict[str, Any]:
    """Return data, split, request and versions; `data` is the fingerprint of the table."""
    return {
        "data": data,
        "split": folded.assignment.fingerprint(),
        "request": job.request.canonical(),
        "versions": library_versions(job.request.algorithm),
    }


def identity_key(identity: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that tell one identity from another."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]
