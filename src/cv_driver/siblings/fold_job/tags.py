"""Tags of fold jobs, which tell whose a job is and which data it reads.

A resource has at most 50 tags, and nobody may set one that begins with ``aws:`` (API reference,
Tag).
"""

from __future__ import annotations

from collections.abc import Mapping

from crossfold.errors import UserError
from cv_driver.siblings.fold_job.names import FoldTry

PREFIX = "crossfold:"
DRIVER_TAG = PREFIX + "driver"
TUNING_JOB_TAG = PREFIX + "tuning-job"
FOLD_TAG = PREFIX + "fold"
REPEAT_TAG = PREFIX + "repeat"
FINGERPRINT_TAG = PREFIX + "fingerprint"

_AWS_PREFIX = "aws:"
_MAX_TAGS = 50


def fold_tags(
    own: Mapping[str, str],
    *,
    driver: str,
    tuning_job: str | None,
    fold: FoldTry,
    repeat: int,
    fingerprint: str,
) -> dict[str, str]:
    """Return a fold job's tags: ours, then the driver's own as far as there is room.

    Parameters
    ----------
    own : mapping
        The driver's tags; those that begin with ``aws:`` are the service's and left out.
    driver, tuning_job : str
        Names of jobs.
    fold : FoldTry
    repeat : int
        Repetition of the cross-validation that the fold belongs to, counted from 0.
    fingerprint : str
        Of everything that the fold's numbers depend on.
    """
    ours = {
        DRIVER_TAG: driver,
        **({} if tuning_job is None else {TUNING_JOB_TAG: tuning_job}),
        FOLD_TAG: str(fold.index),
        REPEAT_TAG: str(repeat),
        FINGERPRINT_TAG: fingerprint,
    }
    others = {key: value for key, value in own.items() if _may_be_set(key)}
    return dict(list((ours | others).items())[:_MAX_TAGS])


def refuse_foreign(
    job_name: str, tags: Mapping[str, str], *, driver: str, fingerprint: str
) -> None:
    """Refuse to take a job for one of this driver's that is not, or that read other data.

    Raises
    ------
    UserError
        The tags say so.
    """
    owner = tags.get(DRIVER_TAG)
    if owner != driver:
        seen = "it has no tag" if owner is None else f"it belongs to driver {owner!r} by its tag"
        raise UserError(
            f"training job {job_name!r} exists already and is none of driver {driver!r}: "
            f"{seen} {DRIVER_TAG!r}; job names are unique in an account and region, so start the "
            "driver under another name"
        )
    seen_fingerprint = tags.get(FINGERPRINT_TAG)
    if seen_fingerprint != fingerprint:
        raise UserError(
            f"training job {job_name!r} is of driver {driver!r} but has the fingerprint "
            f"{seen_fingerprint!r}, and this start has {fingerprint!r}: data, source code, "
            "hyperparameters or image have changed since; start the driver under another name"
        )


def _may_be_set(key: str) -> bool:
    return not key.lower().startswith(_AWS_PREFIX) and not key.startswith(PREFIX)
