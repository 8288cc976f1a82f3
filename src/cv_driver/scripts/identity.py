"""Everything that the scores of a script's fold depend on.

The driver and each fold that is a job of its own compute the same; see
`crossfold.fitting.identity`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossfold.fitting.identity import code_version, versions_of
from crossfold.fitting.job import Job
from cv_driver.scripts.channel import CutChannel
from cv_driver.scripts.printed_scores import Objective
from cv_driver.scripts.user_script import UserScript

# It lays out what a script sees, and reads what it prints.
_DRIVER_CODE = Path(__file__).parents[1]


def identity_of_script(
    job: Job, script: UserScript, cut: CutChannel, objective: Objective
) -> dict[str, Any]:
    """Return data, split, request, what counts, code and versions."""
    return {
        "data": cut.fingerprint,
        "split": cut.assignment.fingerprint(),
        "request": job.request.canonical(),
        "objective": [objective.name, objective.expression, job.request.driver.group_by],
        "code": script.digest,
        "versions": script_versions(),
    }


def script_versions() -> dict[str, str]:
    """Return the versions of all code but the script's own that its scores come from, by name."""
    return versions_of("script") | {"cv_driver": code_version(_DRIVER_CODE)}
