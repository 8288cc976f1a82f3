"""What reading yields: rows as numbers, and what each column means.

This module knows neither files nor formats, and nothing of what is done with a table later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Column:
    """A feature: its name, and its categories in the order of their codes."""

    name: str
    kind: Literal["number", "category"]
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of texts, each stored once.

    Attributes
    ----------
    codes : ndarray of shape (n_rows,), int32
        Position in `values`; -1 is missing.
    values : tuple of str
        Distinct and sorted: as numbers when all are numbers, else as texts.
    """

    codes: NDArray[np.int32]
    values: tuple[str, ...]

    def take(self, rows: NDArray[Any]) -> TextColumn:
        """Return the rows asked for, with the same codes and values."""
        return TextColumn(self.codes[rows], self.values)


@dataclass(frozen=True, slots=True)
class Source:
    """Which rows of a table one file gave; `path` is relative to the channel's folder."""

    channel: str
    path: str
    first_row: int
    n_rows: int


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one channel, in the order of its sorted files.

    Attributes
    ----------
    features : ndarray of shape (n_rows, n_features), float32 or float64
        C order.  NaN is missing, no value is infinite or beyond float32;
        category columns hold codes.
    columns : tuple of Column
        One for each column of `features`.
    label : ndarray of shape (n_rows,), float64, or TextColumn, or None
        Finite; a TextColumn when the labels are texts.
    weight : ndarray of shape (n_rows,), float64, or None
        Finite, at least 0, not all 0.
    group, fold : TextColumn or None
        No value is missing.
    time : ndarray of shape (n_rows,), float64 or int64, or None
        Numbers as given, or nanoseconds since 1970-01-01 UTC.
    ids : ndarray of shape (n_rows,), object (str), or None
        As written in the file.
    sources : tuple of Source
        Empty once rows have been taken.
    """

    features: NDArray[Any]
    columns: tuple[Column, ...]
    label: NDArray[np.float64] | TextColumn | None = None
    label_name: str | None = None
    weight: NDArray[np.float64] | None = None
    group: TextColumn | None = None
    time: NDArray[Any] | None = None
    fold: TextColumn | None = None
    ids: NDArray[Any] | None = None
    sources: tuple[Source, ...] = ()

    @property
    def n_rows(self) -> int:
        """Count the rows."""
        return int(self.features.shape[0])

    def take(self, rows: NDArray[Any]) -> Table:
        """Copy the rows asked for, in the order asked for."""
        return replace(
            self,
            features=self.features[rows],
            label=_take(self.label, rows),
            weight=_take(self.weight, rows),
            group=_take(self.group, rows),
            time=_take(self.time, rows),
            fold=_take(self.fold, rows),
            ids=_take(self.ids, rows),
            sources=(),
        )

    def fingerprint(self) -> str:
        """Return a SHA-256 in hex over names, features and roles, the same on every machine."""
        digest = sha256(usedforsecurity=False)
        names = [(c.name, c.kind, c.categories) for c in self.columns]
        digest.update(repr((names, self.label_name)).encode("utf-8", "surrogatepass"))
        digest.update(_portable_bytes(self.features))
        for part in (self.label, self.weight, self.group, self.time, self.fold, self.ids):
            _digest_part(digest, part)
        return digest.hexdigest()


def duplicate_groups(table: Table) -> NDArray[np.int64]:
    """Give two rows the same number exactly if their features are equal.

    Missing equals missing, and -0.0 equals 0.0.

    Returns
    -------
    ndarray of shape (n_rows,), int64
    """
    keys = _row_hashes(table.features)
    order = np.argsort(keys, kind="stable")
    is_new = np.ones(len(keys), dtype=bool)
    is_new[1:] = keys[order[1:]] != keys[order[:-1]]
    groups = np.empty(len(keys), dtype=np.int64)
    groups[order] = np.cumsum(is_new) - 1
    return groups


def _take(part: Any, rows: NDArray[Any]) -> Any:
    if part is None:
        return None
    return part.take(rows) if isinstance(part, TextColumn) else part[rows]


def _portable_bytes(array: NDArray[Any]) -> memoryview:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data


def _digest_part(digest: Any, part: Any) -> None:
    if part is None:
        digest.update(b"none;")
    elif isinstance(part, TextColumn):
        digest.update(repr(part.values).encode("utf-8", "surrogatepass"))
        digest.update(_portable_bytes(part.codes))
    elif part.dtype == object:
        digest.update(repr(part.tolist()).encode("utf-8", "surrogatepass"))
    else:
        digest.update(f"{part.dtype.kind}{part.dtype.itemsize};".encode())
        digest.update(_portable_bytes(part))


_HASH_ROWS = 16_384
"""Rows hashed at a time, so that the intermediate values stay in the cache."""


def _row_hashes(features: NDArray[Any]) -> NDArray[np.uint64]:
    """Hash each row to 64 bits; 2 million rows collide with a probability of about 1e-7."""
    hashes = np.empty(features.shape[0], dtype=np.uint64)
    rng = np.random.Generator(np.random.PCG64(20_140_601))
    multipliers = rng.integers(1, 2**63, size=features.shape[1], dtype=np.uint64)
    odd: NDArray[np.uint64] = np.bitwise_or(multipliers, np.uint64(1))
    for start in range(0, len(hashes), _HASH_ROWS):
        hashes[start : start + _HASH_ROWS] = _hash_block(features[start : start + _HASH_ROWS], odd)
    return hashes


def _hash_block(block: NDArray[Any], multipliers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    canonical = np.where(np.isnan(block), np.nan, block + 0.0).astype(np.float64)
    bits = canonical.view(np.uint64)
    mixed = bits ^ (bits >> np.uint64(32))
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed = mixed * multipliers
    mixed ^= mixed >> np.uint64(32)
    hashes: NDArray[np.uint64] = np.add.reduce(mixed * multipliers, axis=1, dtype=np.uint64)
    return hashes
