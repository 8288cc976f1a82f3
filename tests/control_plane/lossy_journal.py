"""A journal on a disk that may be full, and that may lose what it has."""

from __future__ import annotations

from collections.abc import Mapping

from local_test.control_plane.training.simulated import MemoryJournal


class LossyJournal(MemoryJournal):
    """Forgets records, and is full where it is told so."""

    is_full = False

    def save(self, kind: str, name: str, record: Mapping[str, object]) -> None:
        if self.is_full:
            raise OSError(28, "no space left on device")
        super().save(kind, name, record)

    def lose(self, kind: str, name: str) -> None:
        """Forget a record without a word."""
        del self._records[kind, name]
