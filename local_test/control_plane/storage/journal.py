"""Records as files that survive a restart of the plane: one JSON document each.

Knows names and documents, not what is in them.  A record is written beside the old one and takes
its place whole.  It outlives the process, not a loss of power: nothing is forced to the disk.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

_logger = logging.getLogger(__name__)

_SUFFIX = ".json"


class FileJournal:
    """Implements records.journal.Journal below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, kind: str, name: str, record: Mapping[str, object]) -> None:
        path = self._path(kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        aside.write_text(json.dumps(record), encoding="utf-8")
        aside.replace(path)

    def load(self, kind: str) -> Sequence[Mapping[str, object]]:
        """Return all records of a kind, by name; one that cannot be read is left out, and said."""
        found = sorted((self._folder / file_name(kind)).glob(f"*{_SUFFIX}"))
        return [record for path in found if (record := _read(path)) is not None]

    def remove(self, kind: str, name: str) -> None:
        self._path(kind, name).unlink(missing_ok=True)

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / file_name(kind) / (file_name(name) + _SUFFIX)


def file_name(name: str) -> str:
    """Return a name that is one file's name, on its own: no slash, no ``..``, never empty."""
    return quote(name, safe="").replace(".", "%2E") or "%"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _logger.warning("the record %s cannot be read and is left out: %s", path, error)
        return None
    if not isinstance(record, dict):
        _logger.warning("the record %s is no object and is left out", path)
        return None
    return record
