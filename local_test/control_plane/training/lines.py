"""Bytes of a container's output as the lines that CloudWatch shows.

It knows no job and no metric.  Sources: AWS's own metric expressions and users' logs show a tab as
``#011`` and an escape as ``#033``; that every other control character becomes ``#`` and its octal
number follows from these two and is not documented.  The longest line is CloudWatch Logs' former
limit of one event, 256 KB; that longer ones are cut into several is not documented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LIMIT_BYTES = 256 * 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OCTAL = {code: f"#{code:03o}" for code in (*range(0x20), 0x7F)}


class LineSplitter:
    """Lines of one stream of bytes; how the stream was cut into chunks makes no difference."""

    def __init__(self, *, limit_bytes: int = LIMIT_BYTES) -> None:
        assert limit_bytes >= 4, "a limit below the longest UTF-8 character has no cut"
        self._limit = limit_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes; the unfinished last one is kept."""
        *complete, rest = (self._rest + data).split(b"\n")
        lines = [line for raw in complete for line in self._lines(raw)]
        *cut, self._rest = _pieces(rest, self._limit)
        return lines + [_text(piece) for piece in cut]

    def flush(self) -> list[str]:
        """Return the unfinished last line, if any; the stream has ended."""
        rest, self._rest = self._rest, b""
        return list(self._lines(rest)) if rest else []

    def _lines(self, raw: bytes) -> Iterator[str]:
        *cut, last = _pieces(raw, self._limit)
        yield from map(_text, cut)
        yield _text(last.removesuffix(b"\r"))


def _pieces(raw: bytes, limit: int) -> Iterator[bytes]:
    start = 0
    while len(raw) - start > limit:
        end = start + limit
        while raw[end] & 0xC0 == 0x80 and end > start + limit - 3:
            end -= 1
        yield raw[start:end]
        start = end
    yield raw[start:]


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", errors="replace")
    # Few lines have any, and some programs print nothing else.
    return text.translate(_OCTAL) if _CONTROL.search(text) else text
