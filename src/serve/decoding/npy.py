"""NPY bodies: a matrix of numbers as ``numpy.save`` writes it; never objects, so never pickle.

Source: NumPy, NEP 1 and the documentation of `numpy.lib.format`.  The header is read with a pattern
and nothing is evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import quoted
from serve.decoding.cell_values import features_of_numbers
from serve.decoding.records import BadBodyError
from serve.schema import Schema

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
"""Bytes that hold the header's length, by version."""

_MOST_HEADER = 1 << 16
_MOST_DIGITS = 15
_MOST_AXES = 32
_ITEM = re.compile(
    r"""\s*(['"])(?P<key>descr|fortran_order|shape)\1\s*:\s*"""
    r"""(?P<value>'[^'\\]*'|"[^"\\]*"|True|False|\([\d\s,]*\))\s*(?:,|$)"""
)
_NUMBERS = re.compile(r"[<>|=]?[fiub]\d{1,2}")


def decode_npy(body: bytes, schema: Schema) -> NDArray[Any]:
    """Read an array; one dimension is one row.

    Raises
    ------
    BadBodyError
        It is no NPY file, holds other than numbers, or its shape does not fit columns and bytes.
    """
    start, header = _header(body)
    dtype, sizes = _dtype(header.get("descr", "")), _sizes(header.get("shape", ""))
    if not 1 <= len(sizes) <= 2 or sizes[-1] != schema.n_features:
        raise BadBodyError(
            f"the array has shape {quoted(header.get('shape', ''))}; expected (rows, "
            f"{schema.n_features}), or ({schema.n_features},) for one row"
        )
    numbers = _numbers(body, start, dtype, sizes)
    return features_of_numbers(
        numbers.reshape((-1, schema.n_features), order=_order(header)), schema
    )


def array_of_npy(body: bytes) -> NDArray[Any]:
    """Read an array of numbers of any shape, as it was written.

    Raises
    ------
    BadBodyError
        It is no NPY file, holds other than numbers, or its shape does not fit the bytes.
    """
    start, header = _header(body)
    dtype, sizes = _dtype(header.get("descr", "")), _sizes(header.get("shape", ""))
    if len(sizes) > _MOST_AXES:
        raise BadBodyError(f"the array has {len(sizes)} axes; expected at most {_MOST_AXES}")
    return _numbers(body, start, dtype, sizes).reshape(sizes, order=_order(header))


def _numbers(body: bytes, start: int, dtype: np.dtype[Any], sizes: tuple[int, ...]) -> NDArray[Any]:
    """Return the numbers in the order of the file, without a copy."""
    n_items = math.prod(sizes)
    if n_items * dtype.itemsize != len(body) - start:
        raise BadBodyError(
            f"the header promises shape {sizes} of {dtype.str!r}, {n_items * dtype.itemsize} "
            f"bytes, but {len(body) - start} follow; write the file again"
        )
    if not n_items:
        raise BadBodyError("no rows; give at least one")
    return np.frombuffer(body, dtype, offset=start)


def _order(header: Mapping[str, str]) -> Literal["C", "F"]:
    return "F" if header.get("fortran_order") == "True" else "C"


def _header(body: bytes) -> tuple[int, dict[str, str]]:
    """Return where the numbers begin, and the header's items."""
    version = body[6] if len(body) > 10 and body.startswith(_MAGIC) else 0
    n_bytes = _LENGTH_BYTES.get(version)
    if n_bytes is None:
        begins = quoted(body[:8].decode("latin-1"))
        raise BadBodyError(f"not an NPY file (it begins with {begins}); write it with numpy.save")
    begin = 8 + n_bytes
    length = int.from_bytes(body[8:begin], "little")
    end = begin + length
    if length > _MOST_HEADER or end > len(body):
        raise BadBodyError(f"the NPY header has {length} bytes, more than there are or may be")
    text = body[begin:end].decode("latin-1").strip()
    items: dict[str, str] = {}
    at, inner = 0, text[1:-1].rstrip()
    while at < len(inner) and (item := _ITEM.match(inner, at)):
        items[item["key"]] = item["value"]
        at = item.end()
    if text[:1] + text[-1:] != "{}" or at < len(inner) or len(items) != 3:
        raise BadBodyError(f"the NPY header is {quoted(text)}; write the file with numpy.save")
    return end, items


def _dtype(descr: str) -> np.dtype[Any]:
    kind = descr[1:-1]
    if _NUMBERS.fullmatch(kind):
        try:
            return np.dtype(kind)
        except TypeError:
            pass
    raise BadBodyError(
        f"the array has dtype {quoted(kind or descr)}; expected numbers (kinds f, i, u and b)"
    )


def _sizes(text: str) -> tuple[int, ...]:
    sizes = [size.strip() for size in text[1:-1].split(",")]
    if not sizes[-1]:
        sizes.pop()
    if any(len(size) > _MOST_DIGITS or not size.isdigit() for size in sizes):
        raise BadBodyError(f"the array has shape {quoted(text)}; write the file with numpy.save")
    return tuple(map(int, sizes))
