"""The feed as server-sent events, for as many pages as may listen.

Source: the HTML standard, "Server-sent events".  A page that reads slowly gets the newest state
when it can take it, never a queue of old ones; one that reads nothing, or has gone, is given up.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

from local_test.control_plane.page.feed import Changes, Feed

# Nothing for that long is a dead connection to the page; it listens for twice as long.
BEAT_S = 10.0
_RETRY_MS = 1000
_MOST_STREAMS = 24


class TooManyPages(Exception):
    """Every place of a listener is taken."""


class Events:
    """The listeners of one feed."""

    def __init__(self, feed: Feed, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._feed = feed
        self._clock = clock
        self._lock = threading.Lock()
        self._open = 0

    @property
    def n_open(self) -> int:
        """How many pages listen."""
        return self._open

    def stream(
        self, last_event_id: str, *, has_gone: Callable[[], bool] = lambda: False
    ) -> Iterator[bytes]:
        """Return the events after `last_event_id`, which is empty for a page that has none.

        They end once the page `has_gone`, also where there is nothing to tell it.

        Raises
        ------
        TooManyPages
            See above; the message says what to do.
        """
        with self._lock:
            if self._open >= _MOST_STREAMS:
                raise TooManyPages(f"{self._open} pages listen already; close one of them")
            self._open += 1
        return _Counted(self._events(self._version(last_event_id), has_gone), self._leave)

    def _events(self, since: int, has_gone: Callable[[], bool]) -> Iterator[bytes]:
        yield f"retry: {_RETRY_MS}\n\n".encode()
        said_at = self._clock()
        while True:
            changes = self._feed.changes(since)
            is_new = changes.version != since
            if is_new or self._clock() - said_at >= BEAT_S:
                since, said_at = changes.version, self._clock()
                yield self._event("changes" if is_new else "beat", changes)
            if not self._feed.wait() or has_gone():
                return

    def _event(self, kind: str, changes: Changes) -> bytes:
        lists = ",".join(
            f"{json.dumps(name)}:[{','.join(records)}]" for name, records in changes.records.items()
        )
        data = (
            f'{{"now":{changes.now!r},"is_all":{json.dumps(not changes.since)},'
            f'"records":{{{lists}}},"removed":{json.dumps(changes.removed)}}}'
        )
        name = f"{self._feed.run}.{changes.version}"
        return f"id: {name}\nevent: {kind}\ndata: {data}\n\n".encode()

    def _version(self, last_event_id: str) -> int:
        run, _, version = last_event_id.partition(".")
        return int(version) if run == self._feed.run and version.isdecimal() else 0

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1


class _Counted:
    """Events whose end is told once, also where nobody has asked for the first of them."""

    def __init__(self, events: Iterator[bytes], left: Callable[[], None]) -> None:
        self._events = events
        self._left: Callable[[], None] | None = left

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._events)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        left, self._left = self._left, None
        if left is not None:
            left()

    def __del__(self) -> None:
        # The server forgets to close what it could not send to a client that went away.
        self.close()
