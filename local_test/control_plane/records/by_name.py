"""Records of one kind by their names, in memory as they are in the journal.

It knows no kind: what a name may be, and the words in which one is refused, are its callers'.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from local_test.control_plane.records.journal import Journal

_LOG = logging.getLogger(__name__)


class Record(Protocol):
    """A dataclass with a name; `created` is in seconds since 1970."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """What no other record of the kind is called."""
        ...

    @property
    def created(self) -> float:
        """When it came."""
        ...


Kept = TypeVar("Kept", bound=Record)


class Records(Generic[Kept]):
    """All records of a kind; `read` takes the members of what `write` returns, which are JSON's."""

    def __init__(
        self,
        journal: Journal,
        kind: str,
        read: Callable[..., Kept],
        write: Callable[[Kept], dict[str, Any]] = asdict,
    ) -> None:
        self._journal = journal
        self._kind = kind
        self._read = read
        self._write = write
        self._records: dict[str, Kept] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._records

    def find(self, name: str) -> Kept | None:
        """Return the record of a name, None where there is none."""
        return self._records.get(name)

    def all(self) -> tuple[Kept, ...]:
        """Return every record in the order of creation."""
        return tuple(self._records.values())

    def save(self, record: Kept) -> None:
        """Write a record that is new or has changed; a new one that cannot be written is none."""
        self._journal.save(self._kind, record.name, self._write(record))
        self._records[record.name] = record

    def remove(self, record: Kept) -> Kept:
        """Forget a record, and return it."""
        self._journal.remove(self._kind, record.name)
        return self._records.pop(record.name)

    def restore(self) -> tuple[Kept, ...]:
        """Load what an earlier plane has saved, and return it; what cannot be read is left out."""
        loaded = []
        for record in self._journal.load(self._kind):
            try:
                loaded.append(self._read(**record))
            except (KeyError, TypeError, AttributeError):
                _LOG.exception("a record of the journal is no %s and is left out", self._kind)
        self._records = {each.name: each for each in sorted(loaded, key=lambda one: one.created)}
        return self.all()
