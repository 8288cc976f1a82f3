"""A job's log a piece at a time: the end of it first, then what was added since.

Source: AWS docs, "Log Groups and Streams that Amazon SageMaker Sends to CloudWatch Logs" (a stream
is named ``JOB/host-…``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

_LAST_LINES = 400
_MOST_LINES = 1000
_MOST_CHARACTERS = 4000


class Logs(Protocol):
    """Log streams of the local account; lines are counted from 0."""

    def streams(self, group: str, prefix: str) -> Sequence[str]:
        """Return the names of the streams that begin with `prefix`, oldest first."""
        ...

    def count(self, group: str, stream: str) -> int:
        """Return how many lines a stream has; 0 where there is no such stream."""
        ...

    def lines(self, group: str, stream: str, first: int, end: int) -> Sequence[tuple[float, str]]:
        """Return (seconds since 1970, text) of the lines from `first` to before `end`."""
        ...


def log_piece(
    logs: Logs, group: str, prefix: str, *, stream: str | None, first: int | None
) -> dict[str, Any]:
    """Return a piece of one stream as JSON.

    Parameters
    ----------
    logs : Logs
    group, prefix : str
        Where the job's streams are.
    stream : str or None
        One of them; None or another name for the newest.
    first : int or None
        The first line that is wanted, at least 0; None for the last lines.
    """
    streams = list(logs.streams(group, prefix))
    if not streams:
        return {"streams": [], "stream": None, "first": 0, "end": 0, "total": 0, "lines": []}
    chosen = stream if stream in streams else streams[-1]
    total = logs.count(group, chosen)
    begin = min(max(total - _LAST_LINES, 0) if first is None else first, total)
    end = min(begin + _MOST_LINES, total)
    return {
        "streams": streams,
        "stream": chosen,
        "first": begin,
        "end": end,
        "total": total,
        "lines": [[at, _cut(text)] for at, text in logs.lines(group, chosen, begin, end)],
    }


def _cut(text: str) -> str:
    left_out = len(text) - _MOST_CHARACTERS
    return text if left_out <= 0 else f"{text[:_MOST_CHARACTERS]} … {left_out} more characters"
