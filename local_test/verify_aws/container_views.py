"""What containers told of themselves, read from the job's log and made comparable.

Source of the groups' and streams' names: AWS docs, 'Amazon SageMaker Events and Metrics'.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from local_test.verify_aws.facts import Observation
from local_test.verify_aws.inside import SECRET
from local_test.verify_aws.side import Side

# Where the image, the shell and the program's interpreter set what they like.
_NOT_THE_PLATFORMS = re.compile(
    r"^(PATH|HOME|HOSTNAME|PWD|SHLVL|LANG|TERM|OLDPWD|_|LC_.*|PYTHON.*|LD_.*|GPG_KEY|VIRTUAL_ENV|"
    r"G?OMP_.*|OPENBLAS_.*|MKL_.*|MALLOC_.*|JE_.*|CROSSFOLD_.*|"
    r"SERVER_SOFTWARE|"
    # How a plane's process is told where its /opt/ml is.
    r"SAGEMAKER_BASE_DIR)$"
)
_LOG_S = 120.0


def log_lines(side: Side, group: str, job: str) -> dict[str, list[str]]:
    """Return the lines of every stream of a job, by the stream's name after the job's."""
    logs = side.client("logs")
    streams = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=f"/aws/sagemaker/{group}", logStreamNamePrefix=f"{job}/"
    )
    try:
        names = [each["logStreamName"] for page in streams for each in page["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        # An account's first job makes the group.
        return {}
    return {name.removeprefix(f"{job}/"): _lines(logs, group, name) for name in sorted(names)}


def seen_by(side: Side, group: str, job: str) -> dict[str, Any]:
    """Return what the first host of a job has told; logs come some seconds after the job's end."""

    def look() -> dict[str, Any] | None:
        for stream, lines in log_lines(side, group, job).items():
            # A second host sees other things, and may be the first whose lines are there.
            for line in lines if stream.startswith("algo-1") else ():
                if line.startswith("seen "):
                    found: dict[str, Any] = json.loads(line.removeprefix("seen "))
                    return found
        return None

    return side.wait(look, most_s=_LOG_S, what=f"the log of {job}")


def settled_log_lines(side: Side, group: str, job: str) -> dict[str, list[str]]:
    """Return the lines once two looks show the same: they come some seconds after the job's end."""
    before: dict[str, list[str]] = {}

    def look() -> dict[str, list[str]] | None:
        nonlocal before
        last, before = before, log_lines(side, group, job)
        return before if before and before == last else None

    return side.wait(look, most_s=_LOG_S, what=f"the whole log of {job}")


def described(prefix: str, seen: Mapping[str, Any]) -> Iterable[Observation]:
    """Return the facts that a container's own view gives, below a common name."""
    yield Observation(
        f"{prefix}.environment",
        "Which variables come from the platform, and with which values?",
        platform_environment(seen["environment"]),
    )
    yield Observation(
        f"{prefix}.files", "Which files lie below /opt/ml at the start?", seen["files"]
    )
    for name, document in seen["configs"].items():
        yield Observation(f"{prefix}.{name}", f"What does {name} say?", document)
    yield Observation(
        f"{prefix}.user", "As which user do containers run?", seen["user"], documented=0
    )
    yield Observation(
        f"{prefix}.arguments", "Which arguments does the entry point get?", seen["arguments"]
    )
    yield Observation(f"{prefix}.writable", "Which folders can be written?", seen["writable"])


def platform_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Keep the platform's variables; secrets and addresses show only that they are there.

    >>> platform_environment({"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "r"})
    {'AWS_REGION': 'r', 'AWS_SECRET_ACCESS_KEY': '<set>'}
    """
    return {
        name: "<set>" if SECRET.search(name) else value
        for name, value in sorted(environ.items())
        if not _NOT_THE_PLATFORMS.match(name)
    }


def _lines(logs: Any, group: str, stream: str) -> list[str]:
    lines: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(
            logGroupName=f"/aws/sagemaker/{group}",
            logStreamName=stream,
            startFromHead=True,
            **token,
        )
        lines += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token.get("nextToken"):
            return lines
        token = {"nextToken": page["nextForwardToken"]}
