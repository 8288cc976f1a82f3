"""What must hold of an XGBoost model file before the library may predict with it.

The library follows the indices in its trees without a look at their range; a damaged one makes it
read foreign memory at some later prediction.  Knows bytes only.

Source: XGBoost documentation, "Introduction to Model IO"; the UBJSON specification, "Optimized
Format" (typed arrays, big endian).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import UserError

_TYPES = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8"}
_INDICES = re.compile(
    rb"(split_indices|left_children|right_children)\[\$([iUIlL])#L(.{8})", re.DOTALL
)


def require_sound_trees(file_name: str, data: bytes, n_features: int) -> None:
    """Check that trees lead to nodes that they have and split on features that there are.

    Parameters
    ----------
    file_name : str
        For the message.
    data : bytes
        A model in UBJSON; one without trees passes.

    Raises
    ------
    UserError
        An index is out of range, a node has two parents, or an array is cut short.
    """
    left: NDArray[np.integer[Any]] = np.empty(0, dtype=np.int64)
    for name, indices in _index_arrays(data):
        if indices is None or not _are_within(indices, *_range(name, indices, n_features)):
            raise _damaged(file_name, f"{name} are out of range")
        if name == "left_children":
            left = indices
        elif name == "right_children" and not _is_tree(np.concatenate([left, indices])):
            raise _damaged(file_name, "a node has two parents")


def _is_tree(children: NDArray[np.integer[Any]]) -> bool:
    """Say whether no node is twice a child, and the root never: then no path is endless."""
    found = children[children >= 0]
    return not found.size or bool(found.min() > 0 and np.bincount(found).max() == 1)


def _damaged(file_name: str, reason: str) -> UserError:
    return UserError(f"model file {file_name!r} is damaged: {reason}; train again")


def _range(name: str, indices: NDArray[np.integer[Any]], n_features: int) -> tuple[int, int]:
    # A leaf has the children -1.
    return (0, n_features) if name == "split_indices" else (-1, len(indices))


def _are_within(indices: NDArray[np.integer[Any]], low: int, end: int) -> bool:
    return not indices.size or bool(low <= indices.min() and indices.max() < end)


def _index_arrays(data: bytes) -> Iterator[tuple[str, NDArray[np.integer[Any]] | None]]:
    """Yield name and values of each array of indices; None where it ends beyond the data."""
    for found in _INDICES.finditer(data):
        dtype = np.dtype(_TYPES[found[2]])
        count = int.from_bytes(found[3], "big")
        is_whole = found.end() + count * dtype.itemsize <= len(data)
        values = np.frombuffer(data, dtype, count, found.end()) if is_whole else None
        yield found[1].decode("ascii"), values
