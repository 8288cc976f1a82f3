"""A journal on a disk that may be full or keep everything, and that may lose what it has."""

from __future__ import annotations

from collections.abc import Mapping

from local_test.control_plane.training.simulated import MemoryJournal


class LossyJournal(MemoryJournal):
    """Forgets records, and is full, or keeps what it shall remove, where it is told so."""

    is_full = False
    keeps_all = False

    def save(self, kind: str, name: str, record: Mapping[str, object]) -> None:
        if self.is_full:
            raise OSError(28, "no space left on device")
        super().save(kind, name, record)

    def remove(self, kind: str, name: str) -> None:
        if self.keeps_all:
            raise OSError(30, "read-only file system")
        super().remove(kind, name)

    def lose(self, kind: str, name: str) -> None:
        """Forget a record without a word."""
        del self._records[kind, name]
