"""Removing what the check made, also what an earlier run had no time to remove.

Everything is first asked to stop, because an endpoint that is being made lets nobody delete it for
a while.  That a request was taken proves nothing: each thing is looked at until it has ended.

Source of the statuses: API reference, the Describe operations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from local_test.verify_aws.jobs import (
    BUSY,
    PROCESSING,
    TRAINING,
    TRANSFORM,
    TUNING,
    JobKind,
    is_of_what_is_gone,
)
from local_test.verify_aws.side import Side

Pair = tuple[str, str]

# An endpoint that is being made or changed cannot be deleted before that is over.
SETTLED_S = 1800.0
_ENDED_S = 600.0
_CHANGING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_OURS = re.compile(r"(crossfold|cf)-verify-\d{12}(-.*)?")


_JOBS: dict[str, JobKind] = {
    # First, because it makes others.
    "tuning-job": TUNING,
    "training-job": TRAINING,
    "transform-job": TRANSFORM,
    "processing-job": PROCESSING,
}


def remove_all(side: Side, others: Sequence[Pair] = ()) -> list[str]:
    """Stop or delete everything that is noted as made, and `others`.

    Return what could not be removed, in words; it stays noted.
    """
    noted = list(side.made.newest_first())
    pairs = [*(pair for pair in others if pair not in noted), *noted]
    problems = []
    for pair in pairs:
        if pair[0] in _JOBS:
            # Whatever is wrong with it is seen, and told, when its end is looked for.
            _attempt(_JOBS[pair[0]].stop, side, pair[1])
    for kind, name in pairs:
        problem = _attempt(_ENDINGS[kind], side, name)
        if not problem and (kind, name) in noted:
            problem = _attempt(partial(_strike_out, kind), side, name)
        if problem:
            problems.append(f"{kind} {name}: {problem}")
    return problems


def found_by_name(side: Side) -> list[Pair]:
    """Return the endpoints and the running jobs that have the names of this check's.

    For what is noted nowhere any more, because the notes' folder is gone.
    """
    found = [
        (kind, name)
        for kind, job in _JOBS.items()
        for part in ("crossfold-verify-", "cf-verify-")
        for name in job.busy(side, part)
    ]
    pages = side.sagemaker.get_paginator("list_endpoints").paginate(NameContains="-verify-")
    found += [("endpoint", each["EndpointName"]) for page in pages for each in page["Endpoints"]]
    return [(kind, name) for kind, name in found if _OURS.fullmatch(name)]


def delete_endpoint(side: Side, name: str) -> None:
    """Delete an endpoint, as soon as it can be, and see that this is under way.

    Raises
    ------
    NotInTime
        It was being made or changed for half an hour.
    botocore.exceptions.ClientError
        The service refused.
    """

    def is_on_its_way() -> bool | None:
        status = _endpoint_status(side, name)
        if status in (None, "Deleting"):
            return True
        if status not in _CHANGING:
            try:
                side.sagemaker.delete_endpoint(EndpointName=name)
            except ClientError as error:
                # Also said of one that has begun to change since: the next look shows it.
                if not is_of_what_is_gone(error):
                    raise
        return None

    # Also where the run is cancelled: nobody else would delete it.
    side.wait(is_on_its_way, most_s=SETTLED_S, what=f"the removal of {name}", always=True)


def _endpoint_status(side: Side, name: str) -> str | None:
    try:
        return str(side.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])
    except ClientError as error:
        if not is_of_what_is_gone(error):
            raise
        return None


def _strike_out(kind: str, side: Side, name: str) -> None:
    side.made.remove(kind, name)


def _attempt(act: Callable[[Side, str], None], side: Side, name: str) -> str:
    """Return what went wrong, in words; one failure shall not keep the others from removal."""
    try:
        act(side, name)
    except Exception as error:  # noqa: BLE001 - expired credentials, no network, a full disk
        return f"{type(error).__name__}: {error}"
    return ""


def _end(kind: JobKind) -> Callable[[Side, str], None]:
    def act(side: Side, name: str) -> None:
        def is_over() -> bool | None:
            return None if kind.status(side, name) in BUSY else True

        side.wait(is_over, most_s=_ENDED_S, what=f"the end of {name}", always=True)

    return act


def _end_tuning(side: Side, name: str) -> None:
    """See a tuning job end, and stop what its trials have started and may have left."""
    _end(TUNING)(side, name)

    def is_quiet() -> bool | None:
        busy = TRAINING.busy(side, f"{name}-")
        for each in busy:
            TRAINING.stop(side, each)
        return None if busy else True

    side.wait(is_quiet, most_s=_ENDED_S, what=f"the end of {name}'s jobs", always=True)


def _deleted(operation: str, member: str) -> Callable[[Side, str], None]:
    def act(side: Side, name: str) -> None:
        try:
            getattr(side.sagemaker, operation)(**{member: name})
        except ClientError as error:
            if not is_of_what_is_gone(error):
                raise

    return act


def _delete_objects(side: Side, folder: str) -> None:
    """Delete what is below `folder`, which begins with its bucket's name."""
    bucket, _, prefix = folder.partition("/")
    s3: Any = side.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=each["Key"])


_ENDINGS: dict[str, Callable[[Side, str], None]] = {
    **{kind: _end(job) for kind, job in _JOBS.items()},
    "tuning-job": _end_tuning,
    "endpoint": delete_endpoint,
    "endpoint-config": _deleted("delete_endpoint_config", "EndpointConfigName"),
    "model": _deleted("delete_model", "ModelName"),
    "objects": _delete_objects,
}
