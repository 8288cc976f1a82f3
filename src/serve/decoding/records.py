"""What is wrong with one record of a body, before it is known how the record is to be called."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NoReturn

from crossfold.data.cells import nearest_name, quoted
from serve.schema import Schema

BOM = b"\xef\xbb\xbf"
"""The byte order mark that some programs put before UTF-8 text."""

_MOST_LISTED = 10


class BadBodyError(Exception):
    """A body that cannot be read; becomes a refusal with status 400.

    Parameters
    ----------
    reason : str
        What was seen, what is allowed, what to do.
    record : int, optional
        1-based line or row that is to blame.
    column : str, optional
        Name of the column that is to blame.
    """

    def __init__(self, reason: str, record: int | None = None, column: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.record = record
        self.column = column

    def moved(self, n_records: int) -> BadBodyError:
        """Return the same complaint about a record so much further on."""
        record = None if self.record is None else self.record + n_records
        return BadBodyError(self.reason, record, self.column)

    def sentence(self, noun: str | None) -> str:
        """Write the message; `noun` is what a record is called here, None to leave it out."""
        where = [] if self.record is None or noun is None else [f"{noun} {self.record}"]
        if self.column is not None:
            where.append(f"column {quoted(self.column)}")
        return f"{', '.join(where)}: {self.reason}" if where else self.reason


def refuse_count(n_values: int, schema: Schema, record: int | None) -> NoReturn:
    """Refuse a record with too few or too many values."""
    has = "has 1 value" if n_values == 1 else f"has {n_values} values"
    raise BadBodyError(
        f"{has}; expected {schema.n_features}, one for each feature of the model in this order: "
        f"{listed(schema.names)}",
        record,
    )


def refuse_names(given: Collection[str], schema: Schema, record: int | None = None) -> NoReturn:
    """Refuse names that are not those of the columns."""
    missing = [name for name in schema.names if name not in given]
    unknown = [name for name in given if name not in schema.positions]
    parts = []
    if missing:
        parts.append(f"lacks {_columns(missing)} (a value that is not known is null, not left out)")
    if unknown:
        hint = nearest_name(unknown[0], schema.names) if len(unknown) == 1 else "remove them"
        parts.append(f"has {_columns(unknown)} that the model does not know ({hint})")
    if not parts:
        parts.append("names a column twice; give each column once")
    raise BadBodyError("; ".join(parts), record)


def listed(names: Sequence[str], most: int = _MOST_LISTED) -> str:
    """List names for a message, the first few of them."""
    shown = ", ".join(quoted(name) for name in names[:most])
    return f"{shown}, … ({len(names)} in all)" if len(names) > most else shown


def _columns(names: Sequence[str]) -> str:
    return f"{'column' if len(names) == 1 else 'columns'} {listed(names)}"
