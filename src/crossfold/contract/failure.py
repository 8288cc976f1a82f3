"""``/opt/ml/output/failure``: the reason first, in one line, at most 1,024 characters.

SageMaker shows that much as the job's FailureReason (AWS docs, "How Amazon SageMaker Processes
Training Output"); the traceback belongs in the log.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

from crossfold.errors import AlgorithmError, PlatformError, UserError

MAX_CHARACTERS = 1024


def describe_failure(error: BaseException) -> str:
    """Return ``<class>: <reason>`` in one line, by who can mend it."""
    kind, reason = _classify(error)
    line = " ".join(f"{kind}: {reason}".split())
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"


def write_failure(path: Path, line: str) -> None:
    """Write the failure file; a disk that refuses even this must not hide the first error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        path.write_text(line + "\n", encoding="utf-8", errors="backslashreplace")


def _classify(error: BaseException) -> tuple[str, str]:
    for kind in (UserError, AlgorithmError, PlatformError):
        if isinstance(error, kind):
            return kind.__name__, str(error)
    if isinstance(error, MemoryError):
        return PlatformError.__name__, _out_of_memory(error)
    if isinstance(error, OSError):
        return PlatformError.__name__, _platform_reason(error)
    if isinstance(error, KeyboardInterrupt):
        return PlatformError.__name__, "interrupted from the keyboard"
    if isinstance(error, SystemExit):
        return AlgorithmError.__name__, f"the code called sys.exit({error.code!r})"
    return AlgorithmError.__name__, f"{type(error).__name__}: {error}"


def _out_of_memory(error: MemoryError) -> str:
    detail = f" ({error})" if str(error) else ""
    return f"out of memory{detail}; choose an instance with more memory or fewer rows"


def _platform_reason(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full ({error}); raise the job's VolumeSizeInGB"
    return str(error)
