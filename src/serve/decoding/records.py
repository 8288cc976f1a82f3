"""What is wrong with one record of a body, before it is known how the record is to be called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NoReturn

from crossfold.data.cells import nearest_name, quoted
from serve.refusals import Refusal
from serve.schema import Schema

BOM = b"\xef\xbb\xbf"
"""The byte order mark that some programs put before UTF-8 text."""

_MOST_LISTED = 10
_VERBS = frozenset({"has", "holds", "is", "lacks", "names"})
"""A reason that begins so goes on about the record or column that is named before it."""


Reason = str | Callable[[], str]

_MOST_GROWTH = 64
_FREE_BYTES = 256 << 20
"""The rows of a body may always take so many; above it, `_MOST_GROWTH` times its size."""


class BadBodyError(Exception):
    """A body that cannot be read; becomes a refusal with status 400.

    Parameters
    ----------
    reason : str, or callable that returns it
        What was seen, what is allowed, what to do; a callable where it takes long to write, for
        it is never called for most of the bad lines of a batch.
    record : int, optional
        1-based line or row that is to blame.
    column : str, optional
        Name of the column that is to blame.
    """

    def __init__(
        self, reason: Reason, record: int | None = None, column: str | None = None
    ) -> None:
        super().__init__(reason)
        self._reason = reason
        self.record = record
        self.column = column

    @property
    def reason(self) -> str:
        """Write the reason."""
        return self._reason if isinstance(self._reason, str) else self._reason()

    def moved(self, n_records: int) -> BadBodyError:
        """Return the same complaint about a record so much further on."""
        record = None if self.record is None else self.record + n_records
        return BadBodyError(self._reason, record, self.column)

    def sentence(self, noun: str | None) -> str:
        """Write the message; `noun` is what a record is called here, None to leave it out."""
        where = [] if self.record is None or noun is None else [f"{noun} {self.record}"]
        if self.column is not None:
            where.append(f"column {quoted(self.column)}")
        reason = self.reason
        if reason.partition(" ")[0] in _VERBS:
            return f"{', '.join(where) or 'the body'} {reason}"
        return f"{', '.join(where)}: {reason}" if where else reason


def listed(names: Sequence[str], most: int = _MOST_LISTED) -> str:
    """List names for a message, the first few of them."""
    shown = ", ".join(quoted(name) for name in names[:most])
    return f"{shown}, … ({len(names)} in all)" if len(names) > most else shown


def refuse_count(n_values: int, schema: Schema, record: int | None) -> NoReturn:
    """Refuse a record with too few or too many values."""
    raise BadBodyError(lambda: _count_reason(n_values, schema), record)


def refuse_names(given: Sequence[str], schema: Schema, record: int | None = None) -> NoReturn:
    """Refuse names that are not those of the columns."""
    raise BadBodyError(lambda: _names_reason(given, schema), record)


def refuse_growth(n_rows: int, n_bytes: int, schema: Schema) -> None:
    """Refuse few bytes that would make a matrix of any size.

    Raises
    ------
    Refusal
        400: of the whole body, for no line of it is to blame.
    """
    size = n_rows * schema.n_features * schema.dtype.itemsize
    most = max(_FREE_BYTES, _MOST_GROWTH * n_bytes)
    if size > most:
        raise Refusal(
            400,
            f"{n_rows} rows in {n_bytes} bytes make a matrix of {size} bytes for "
            f"{schema.n_features} features; expected at most {most}; send fewer rows at a time",
        )


def _count_reason(n_values: int, schema: Schema) -> str:
    has = "has 1 value" if n_values == 1 else f"has {n_values} values"
    return (
        f"{has}; expected {schema.n_features}, one for each feature of the model in this order: "
        f"{listed(schema.names)}"
    )


def _names_reason(given: Sequence[str], schema: Schema) -> str:
    counts = Counter(given)
    missing = [name for name in schema.names if name not in counts]
    unknown = [name for name in counts if name not in schema.positions]
    twice = [name for name, n_times in counts.items() if n_times > 1]
    parts = []
    if missing:
        parts.append(f"lacks {_columns(missing)} (a value that is not known is null, not left out)")
    if unknown:
        hint = nearest_name(unknown[0], schema.names) if len(unknown) == 1 else "remove them"
        parts.append(f"has {_columns(unknown)} that the model does not know ({hint})")
    if twice:
        parts.append(f"names {_columns(twice)} twice; give each column once")
    return "; ".join(parts)


def _columns(names: Sequence[str]) -> str:
    return f"{'column' if len(names) == 1 else 'columns'} {listed(names)}"
