"""Where records are kept over a restart; simulations bring their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Journal(Protocol):
    """Keeps records over a restart."""

    def save(self, kind: str, name: str, record: Mapping[str, object]) -> None:
        """Write one record whole, or leave the old one."""
        ...

    def load(self, kind: str) -> Sequence[Mapping[str, object]]:
        """Return all records of a kind."""
        ...

    def remove(self, kind: str, name: str) -> None:
        """Forget one record; it is no mistake if there is none."""
        ...
