"""What has changed since a client last looked, as numbered sets of records.

Knows lists of named records, not what is in them.  However many clients there are, one of them
looks at the plane at a time, and seldom where a look is dear.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_EVERY_S = 0.4
# Looks may take at most this part of a processor's time, however seldom that makes them.
_LOOKING = 0.1

# A record by the name of its list and its own name.
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """Records that are new or other than in version `since`; where it is 0, they are all.

    `records` and `removed` go by the list's name; a record is JSON already.
    """

    since: int
    version: int
    now: float
    records: Mapping[str, tuple[str, ...]]
    removed: Mapping[str, tuple[str, ...]]


class Feed:
    """Numbers the states of the plane.

    `look` returns its newest snapshot; it is called at most each `every_s` seconds of `clock`, and
    less often where it takes much `effort` (seconds of a processor).
    """

    def __init__(
        self,
        look: Callable[[], Mapping[str, Any]],
        *,
        every_s: float = _EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        effort: Callable[[], float] = time.thread_time,
    ) -> None:
        # A plane that was started again begins at 1 again; its clients must not mistake that.
        self.run = uuid.uuid4().hex[:12]
        self._look = look
        self._every_s = every_s
        self._clock = clock
        self._effort = effort
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._version = 0
        self._now = 0.0
        self._next = -1.0
        # The version in which a record came to be as it is; its text is None once it is gone.
        self._records: dict[_Key, tuple[int, str | None]] = {}

    def changes(self, since: int) -> Changes:
        """Return what differs from version `since`; 0 for everything."""
        with self._lock:
            if self._clock() >= self._next:
                self._refresh()
            return self._since(since)

    def wait(self) -> bool:
        """Wait until there may be something new; return False once the feed is closed."""
        return not self._closed.wait(self._every_s)

    def close(self) -> None:
        """Let every client go."""
        self._closed.set()

    def _refresh(self) -> None:
        began = self._effort()
        document = self._look()
        self._now = document["now"]
        found = dict(_records(document))
        changed = {
            key: text for key, text in found.items() if self._records.get(key, (0, None))[1] != text
        }
        gone = [
            key for key, (_, text) in self._records.items() if text is not None and key not in found
        ]
        if changed or gone or not self._version:
            self._version += 1
        self._records.update({key: (self._version, text) for key, text in changed.items()})
        self._records.update(dict.fromkeys(gone, (self._version, None)))
        # Not the time that has passed: others may have held the lock, or the processors.
        wait_s = max(self._every_s, (self._effort() - began) / _LOOKING)
        self._next = self._clock() + wait_s

    def _since(self, since: int) -> Changes:
        records: dict[str, list[str]] = {}
        removed: dict[str, list[str]] = {}
        for (kind, name), (version, text) in self._records.items():
            if version <= since:
                continue
            if text is not None:
                records.setdefault(kind, []).append(text)
            elif since:
                removed.setdefault(kind, []).append(name)
        return Changes(since, self._version, self._now, _frozen(records), _frozen(removed))


def _records(document: Mapping[str, Any]) -> list[tuple[_Key, str]]:
    return [
        ((kind, name_of(record)), json.dumps(record))
        for kind, records in document.items()
        if isinstance(records, list)
        for record in records
    ]


def name_of(record: Mapping[str, Any]) -> str:
    """Return what a record is known by: its name, within its kind where it has one."""
    kind = record.get("kind")
    return str(record["name"]) if kind is None else f"{kind}/{record['name']}"


def _frozen(lists: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(each) for name, each in lists.items()}
