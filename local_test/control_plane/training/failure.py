"""The words of a FailureReason: who is at fault, what happened, at most 1024 characters.

Source: AWS docs, 'How Amazon SageMaker Processes Training Output' (the failure file's first 1024
characters) and the service model (FailureReason holds 1024).  The prefixes and ``, exit code: 1``
are not documented; they are what users' reports show.
"""

from __future__ import annotations

LIMIT = 1024

CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. "
    "Please retry using a different ML instance type or after some time."
)
PLANE_ENDED = (
    "InternalServerError: the local control plane ended while the job ran; create the job again"
)


def algorithm_error(text: str | None, exit_code: int) -> str:
    """Return the reason of a container that failed; `text` is its failure file's, None without.

    The text is cut, so that the exit code is always seen.  A text that names its own kind of error
    (``UserError: …``) keeps it behind the prefix: the exit code says no more than that the
    container failed (not documented).
    """
    end = f", exit code: {exit_code}"
    start = f"AlgorithmError: {(text or '').strip()}"
    return start[: LIMIT - len(end)] + end


def client_error(text: str) -> str:
    """Return the reason of a job whose request named what cannot be used."""
    return _prefixed("ClientError", text)


def internal_error(text: str) -> str:
    """Return the reason of a job that the platform failed."""
    return _prefixed("InternalServerError", text)


def _prefixed(kind: str, text: str) -> str:
    text = text.strip()
    return (text if text.startswith(f"{kind}:") else f"{kind}: {text}")[:LIMIT]
