"""Why a file could not be transformed, in the words that a job's data log and its reason have.

Source: data logs that users show (``BUCKET/KEY: ClientError: 400``, ``Bad HTTP status received
from algorithm: 500``, ``Unable to get response from algorithm``, ``Failed to parse output from the
algorithm as CSV``, ``Too much data for max payload size``) and the reasons of their jobs (``See job
logs for more information``).  The service names the failed files in the data log only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Blame = Literal["ClientError", "AlgorithmError"]

NO_ANSWER = "Unable to get response from algorithm"
TOO_LARGE = "Too much data for max payload size"

_SEE_LOGS = "See job logs for more information"


class FileFault(Exception):
    """One input file cannot be transformed; the others can.

    `text` is what the data log says of it, `details` what the algorithm has answered; `blame` says
    who can mend it: the job's creator, or the algorithm.
    """

    def __init__(self, text: str, *, blame: Blame = "ClientError", details: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.blame = blame
        self.details = details

    def lines(self) -> list[str]:
        """Return what the data log says, line by line."""
        if not self.details:
            return [self.text]
        return [self.text, "", "Message:", *self.details.splitlines()]


def bad_status(status: int, body: bytes) -> FileFault:
    """Return the fault of an answer that is not 200; `body` is told in the data log."""
    details = body.decode("utf-8", errors="replace")
    if status < 500:
        return FileFault(f"ClientError: {status}", details=details)
    text = f"Bad HTTP status received from algorithm: {status}"
    return FileFault(text, blame="AlgorithmError", details=details)


def no_answer() -> FileFault:
    """Return the fault of a request without an answer."""
    return FileFault(NO_ANSWER, blame="AlgorithmError")


def reason(faults: Iterable[FileFault]) -> str:
    """Return a job's FailureReason: the algorithm's blame outweighs the creator's."""
    blames = {fault.blame for fault in faults}
    blame = "AlgorithmError" if "AlgorithmError" in blames else "ClientError"
    return f"{blame}: {_SEE_LOGS}"
