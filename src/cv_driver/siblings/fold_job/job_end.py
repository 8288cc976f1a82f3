"""How a fold job ended, and whose fault it was: the platform's may be tried again.

Source: API reference, DescribeTrainingJob (status, secondary status, FailureReason).  The prefixes
of FailureReason are not documented; they are what users' reports show: ``AlgorithmError: <failure
file>, exit code: 1``, ``InternalServerError: …``, ``CapacityError: …``, ``ClientError: …``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# stopped: somebody else ended it; capacity: it never got its instances.
Fault = Literal["none", "capacity", "stopped", "platform", "lasting"]

_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_OURS = re.compile(r"(UserError|AlgorithmError|PlatformError): ")
_EXIT_CODE = re.compile(r" ?, exit code: \d+$")
_STOPPED_WORDS = "stopped before a model existed"
# The driver's failure file shows 1,024 characters, of which job names and the log's place need 300.
_MAX_TEXT = 700


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended; `reason` is ``<class>: <one line>``, empty where it is completed."""

    fault: Fault
    reason: str = ""

    @property
    def is_transient(self) -> bool:
        """Whether another job for the same fold can succeed."""
        return self.fault in ("capacity", "stopped", "platform")


def read_end(described: Mapping[str, Any]) -> JobEnd:
    """Tell how a described job ended; the reason names the job and its log stream."""
    status, name = described["TrainingJobStatus"], described["TrainingJobName"]
    if status == "Completed":
        return JobEnd("none")
    if status == "Stopped":
        fault, text = _stopped(str(described.get("SecondaryStatus", "")))
        kind = "PlatformError"
    else:
        # A failure file ends with a line break, which comes back in the middle of the reason.
        fault, kind, text = _failed(" ".join(str(described.get("FailureReason", "")).split()))
    if len(text) > _MAX_TEXT:
        text = f"{text[: _MAX_TEXT - 1]}…"
    return JobEnd(fault, f"{kind}: in job {name}: {text} (log: {_LOG_GROUP}, stream {name}/…)")


def _stopped(secondary: str) -> tuple[Fault, str]:
    if secondary == "MaxRuntimeExceeded":
        return "lasting", (
            "it was ended after its MaxRuntimeInSeconds, which is fold_max_run_s or what its "
            "driver had left; raise fold_max_run_s or the driver's MaxRuntimeInSeconds"
        )
    if secondary == "MaxWaitTimeExceeded":
        return "platform", "it waited longer than its MaxWaitTimeInSeconds for spot capacity"
    return "stopped", "it was stopped from outside"


def _failed(reason: str) -> tuple[Fault, str, str]:
    """Return fault, class and text of a FailureReason."""
    service, _, text = reason.partition(": ")
    if service == "CapacityError":
        return "capacity", "PlatformError", reason
    if service == "InternalServerError" or not reason:
        return "platform", "PlatformError", reason or "it failed without a reason"
    if service == "ClientError":
        return "lasting", "UserError", reason
    text = _EXIT_CODE.sub("", text if service == "AlgorithmError" else reason)
    ours = _OURS.match(text)
    if ours is None:
        return "lasting", "AlgorithmError", text or "it failed without a word; see its log"
    kind, text = ours[1], text[ours.end() :]
    if kind != "PlatformError":
        return "lasting", kind, text
    return ("stopped" if text.startswith(_STOPPED_WORDS) else "platform"), kind, text
