"""Lines of the local account's log streams by their number; beside `aws`, what knows moto.

moto keeps a stream's events in a list that only grows; a slice of it needs no lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from local_test.control_plane.api.names import ACCOUNT


class StoredLogs:
    """Implements the page's `Logs` on moto's CloudWatch Logs of one region."""

    def __init__(self, region: str) -> None:
        self._region = region

    def streams(self, group: str, prefix: str) -> Sequence[str]:
        return [name for name in self._streams(group) if name.startswith(prefix)]

    def count(self, group: str, stream: str) -> int:
        found = self._streams(group).get(stream)
        return 0 if found is None else len(found.events)

    def lines(self, group: str, stream: str, first: int, end: int) -> Sequence[tuple[float, str]]:
        found = self._streams(group).get(stream)
        events = [] if found is None else found.events[first:end]
        return [(each.timestamp / 1000, each.message) for each in events]

    def _streams(self, group: str) -> dict[str, Any]:
        from moto.logs.models import logs_backends

        found = logs_backends[ACCOUNT][self._region].groups.get(group)
        # A copy: a job may begin a stream meanwhile.
        return {} if found is None else dict(found.streams)
