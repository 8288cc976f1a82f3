"""Read what hosts have written since the last time; files take the bytes, whoever reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

# What one look may bring, of each host: all of it is handled before the plane answers a call, and
# a megabyte of short lines with values takes a second.
LOOK_BYTES = 1 << 17


class LogTail:
    """The end of one host's log, from what is in it when the host starts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def read(self) -> bytes:
        """Return the next bytes, at most `LOOK_BYTES`; none where nothing is new."""
        if not self._path.exists() or self._path.stat().st_size <= self._offset:
            return b""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            data = log.read(LOOK_BYTES)
        self._offset += len(data)
        return data


def read_all(tails: Mapping[str, LogTail]) -> Sequence[tuple[str, bytes]]:
    """Return (host, bytes) of each host that has written; long logs come in pieces."""
    read = [(name, tail.read()) for name, tail in tails.items()]
    return [(name, data) for name, data in read if data]
