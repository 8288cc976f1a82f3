"""What a model says of rows, named and ready to be written in any format.

Knows neither the model that said it nor how a format arranges it; only how one label or one number
is spelt, so that every format spells it alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from crossfold.data.cells import is_number, number_text

DEFAULT_KEY = "score"
"""The key of what is served when nothing is selected."""

_INT64 = np.iinfo(np.int64)
_QUOTED_IN_CSV = frozenset(',"\r\n')


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The classes of a model, spelt once for each format.

    Attributes
    ----------
    texts : tuple of str
        By class code.
    numbers : ndarray of shape (n_classes,), int64 or float64, optional
        Where every class is a finite number; then JSON, too, has numbers.
    json : tuple of bytes
    csv : tuple of bytes
        Quoted where RFC 4180 wants it.
    """

    texts: tuple[str, ...]
    numbers: NDArray[Any] | None
    json: tuple[bytes, ...]
    csv: tuple[bytes, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Spell classes as they are stored; numbers in the one way that training writes them.

        Raises
        ------
        ValueError
            A text has half of a surrogate pair, which no UTF-8 can hold.
        """
        numbers = _numbers(texts)
        if numbers is not None:
            spelt = tuple(number_text(text).encode() for text in texts)
            return cls(tuple(texts), numbers, spelt, spelt)
        csv = tuple(_csv_cell(text) for text in texts)
        return cls(tuple(texts), None, tuple(orjson.dumps(text) for text in texts), csv)

    @property
    def has_line_breaks(self) -> bool:
        """Whether a class in a CSV cell may run over several lines."""
        return any(b"\n" in cell or b"\r" in cell for cell in self.csv)


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """One thing said of each row.

    Attributes
    ----------
    key : str
        What it is called in JSON.
    values : ndarray of shape (n_rows,), (n_rows, n) or (n_rows, n_classes, n)
        float64, written as null or an empty cell where not finite; or int64, class codes.
        One dimension is one value for each row, two are a list, three a list of objects.
    labels : Labels, optional
        Set: `values` are codes into it.
    names : tuple of str, optional
        Set: what lies along the last axis is an object with these names.
    """

    key: str
    values: NDArray[Any]
    labels: Labels | None = None
    names: tuple[str, ...] | None = None


def _numbers(texts: Sequence[str]) -> NDArray[Any] | None:
    if not all(is_number(text) and math.isfinite(float(text)) for text in texts):
        return None
    spelt = [number_text(text) for text in texts]
    if all(text.lstrip("-").isdigit() for text in spelt):
        whole = [int(text) for text in spelt]
        if all(_INT64.min <= value <= _INT64.max for value in whole):
            return np.array(whole, dtype=np.int64)
    return np.array([float(text) for text in spelt], dtype=np.float64)


def _csv_cell(text: str) -> bytes:
    # A lone empty cell would be a blank line, which many readers skip.
    if not text or not _QUOTED_IN_CSV.isdisjoint(text):
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()
