"""Category codes that a fit may see: those of its own rows, and no others.

A table codes categories over all of its rows.  The number of categories and the codes themselves
would tell a fit about rows that it must not see, so every fit counts its own anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.table import Column
from crossfold.errors import UserError

FILE_NAME = "categories.json"


@dataclass(frozen=True, slots=True)
class CategoryEncoder:
    """The table's codes that a fit has seen, in ascending order, by position of the feature.

    Attributes
    ----------
    known : tuple of (int, ndarray of int64)
        Feature and the table's codes; the fit's own code is the position in the array.
    """

    known: tuple[tuple[int, NDArray[np.int64]], ...] = ()

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions of the category features."""
        return tuple(position for position, _ in self.known)

    def encode(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return features with the fit's own codes; a category that the fit has not seen is NaN.

        The array itself is returned, not a copy, where no code changes.
        """
        if not self.known:
            return features
        changed = [item for item in self.known if not _is_unchanged(features[:, item[0]], item[1])]
        if not changed:
            return features
        encoded = features.copy()
        for position, codes in changed:
            encoded[:, position] = _own_codes(features[:, position], codes)
        return encoded

    def save(self, folder: Path, columns: Sequence[Column]) -> tuple[str, ...]:
        """Write what the columns alone do not tell; return the file's name, if one was needed."""
        if all(len(codes) == len(columns[position].categories) for position, codes in self.known):
            return ()
        stored = {str(position): codes.tolist() for position, codes in self.known}
        (folder / FILE_NAME).write_text(json.dumps(stored) + "\n", encoding="utf-8")
        return (FILE_NAME,)


def fit_encoder(features: NDArray[Any], columns: Sequence[Column]) -> CategoryEncoder:
    """Learn the categories present in `features`, of shape (n_rows, n_features)."""
    return CategoryEncoder(
        tuple(
            (position, _present_codes(features[:, position]))
            for position, column in enumerate(columns)
            if column.kind == "category"
        )
    )


def load_encoder(path: Path | None, columns: Sequence[Column]) -> CategoryEncoder:
    """Read what `CategoryEncoder.save` wrote; without a file, every category is known.

    Raises
    ------
    UserError
        The file does not fit the columns.
    """
    wanted = [
        (position, len(column.categories))
        for position, column in enumerate(columns)
        if column.kind == "category"
    ]
    if path is None:
        return CategoryEncoder(tuple((position, np.arange(size)) for position, size in wanted))
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        known = tuple(
            (position, _checked(stored[str(position)], size)) for position, size in wanted
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"model file {path.name!r} does not fit the manifest's columns; train again"
        raise UserError(message) from error
    return CategoryEncoder(known)


def _present_codes(codes: NDArray[Any]) -> NDArray[np.int64]:
    present = codes[~np.isnan(codes)].astype(np.int64)
    return np.flatnonzero(np.bincount(present)).astype(np.int64)


def _is_unchanged(column: NDArray[Any], codes: NDArray[np.int64]) -> bool:
    n_known = len(codes)
    if n_known and codes[-1] != n_known - 1:
        return False
    return not bool(np.any(column >= n_known))


def _own_codes(column: NDArray[Any], codes: NDArray[np.int64]) -> NDArray[Any]:
    n_codes = int(codes[-1]) + 1 if len(codes) else 0
    # One place more than there are codes: whatever is missing or unknown looks there.
    own = np.full(n_codes + 1, np.nan, dtype=column.dtype)
    own[codes] = np.arange(len(codes))
    is_known = (column >= 0) & (column < n_codes)
    return own[np.where(is_known, column, n_codes).astype(np.int64)]


def _checked(stored: Any, n_categories: int) -> NDArray[np.int64]:
    codes = np.asarray(stored, dtype=np.int64)
    is_ascending = codes.ndim == 1 and bool(np.all(np.diff(codes) > 0))
    if not is_ascending or (codes.size and (codes[0] < 0 or codes[-1] >= n_categories)):
        message = "codes are not ascending, or out of range"
        raise ValueError(message)
    return codes
