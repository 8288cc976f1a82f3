"""What the text of one cell means: missing, a number, a date, or plain text.

Every format asks here, so that a cell means the same in CSV, Parquet, LIBSVM and JSON Lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import product

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
"""Lower-case texts that stand for a missing cell."""

# Possessive: a long row of digits that ends in a letter is refused in one pass.
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?|inf|infinity)", re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r"[+-]?\d{1,400}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_TIME_OF_DAY = (
    r"(?:[T ,]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?"
    r"(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?"
)
_LONGEST_NAME = 200
_PLAIN_BELOW = 1e16
"""From here on Python, too, writes floats with an exponent."""

_DATE = re.compile(
    r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2})"
    rf"|\d{{1,2}}[- ](?:{_MONTHS})[a-z]*[- ,]+\d{{2,4}}|(?:{_MONTHS})[a-z]* \d{{1,2}},? \d{{4}})"
    + _TIME_OF_DAY,
    re.ASCII | re.IGNORECASE,
)


def missing_spellings() -> list[str]:
    """List every spelling of a missing cell without blanks around it."""
    return [
        "".join(letters)
        for text in sorted(MISSING)
        for letters in product(*(sorted({c.lower(), c.upper()}) for c in text))
    ]


def is_missing(text: str) -> bool:
    """Say whether a cell is missing, whatever its case and the blanks around it."""
    return text.strip().lower() in MISSING


def is_number(text: str) -> bool:
    """Say whether a cell is a number, infinities included, as Arrow's parser understands it."""
    return _NUMBER.fullmatch(text.strip()) is not None


def is_date(text: str) -> bool:
    """Say whether a cell has the form of a date, with or without a time of day."""
    return _DATE.fullmatch(text.strip()) is not None


def has_decimal_comma(text: str) -> bool:
    """Say whether a cell is a number with a comma where a point belongs."""
    return _DECIMAL_COMMA.fullmatch(text.strip()) is not None


def number_text(text: str) -> str:
    """Write a number in one way, so that ``1``, ``1.0`` and ``1e0`` are one text.

    >>> [number_text(t) for t in ("1", "1.0", "+1e0", "-0", "0.50", "12345678901234567890")]
    ['1', '1', '1', '0', '0.5', '12345678901234567890']
    """
    text = text.strip()
    return str(int(text)) if _WHOLE.fullmatch(text) else float_text(float(text))


def float_text(value: float) -> str:
    """Write a float as `number_text` does: whole numbers below 1e16 without a point.

    >>> [float_text(v) for v in (1.0, -0.0, 0.1, 1e20)]
    ['1', '0', '0.1', '1e+20']
    """
    is_plain = value.is_integer() and abs(value) < _PLAIN_BELOW
    return str(int(value)) if is_plain else repr(value)


def cell_text(value: object) -> str:
    """Write a typed cell as a CSV file would: missing is empty, booleans are 0 and 1."""
    if value is None:
        return ""
    if isinstance(value, float):
        return float_text(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def sort_texts(texts: Iterable[str]) -> list[str]:
    """Sort as numbers when all are numbers, else as texts."""
    listed = list(texts)
    if all(is_number(text) for text in listed):
        return sorted(listed, key=lambda text: (_exact(text), text))
    return sorted(listed)


def nearest_name(name: str, known: Sequence[str], *, n_listed: int = 20) -> str:
    """Say which known name is nearest and list what is known, for an error message."""
    # The search takes time and memory by the square of a name's length.
    near = get_close_matches(name, known, n=1) if len(name) <= _LONGEST_NAME else []
    more = f", … ({len(known)} in all)" if len(known) > n_listed else ""
    hint = f"did you mean {quoted(near[0])}? " if near else ""
    return f"{hint}known: {', '.join(quoted(k) for k in known[:n_listed])}{more}"


def quoted(text: str, most: int = 60) -> str:
    """Quote a text for a message; a long one is cut, so that the rest of the message is seen."""
    return repr(text if len(text) <= most else text[:most] + "…")


def _exact(text: str) -> float | int:
    return int(text) if _WHOLE.fullmatch(text) else float(text)
