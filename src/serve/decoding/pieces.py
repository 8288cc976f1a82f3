"""Bodies made of lines, a few megabytes at a time, so that memory stays near the matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve.decoding.records import BadBodyError

Piece = tuple[int, int]
"""The offsets between which it lies."""

PIECE_BYTES = 4 << 20


def pieces_of(body: bytes, start: int = 0, *, n_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """Cut a body behind newlines; a line that is longer than `n_bytes` is taken whole."""
    while start < len(body):
        end = len(body)
        if end - start > n_bytes:
            near = body.rfind(b"\n", start, start + n_bytes) + 1
            end = near or body.find(b"\n", start) + 1 or end
        yield start, end
        start = end


def read_by_pieces(body: bytes, read: Callable[[bytes], NDArray[Any]]) -> NDArray[Any]:
    """Read each piece and put the rows together.

    Parameters
    ----------
    body : bytes
        Not empty.
    read : callable
        Returns the rows of a piece, perhaps none.

    Raises
    ------
    BadBodyError
        As `read`; the line is counted from the start of the body.
    """
    blocks = []
    for begin, end in pieces_of(body):
        try:
            blocks.append(read(body[begin:end]))
        except BadBodyError as error:
            raise error.moved(n_lines(body, begin)) from None
    return joined(blocks, blocks[0][:0])


def joined(blocks: list[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    """Put the rows of blocks together, and take each from the list, so that few are there twice.

    Parameters
    ----------
    blocks : list of ndarray of shape (n, n_features)
        Empty afterwards.
    empty : ndarray of shape (0, n_features)
        The result where there is no block.
    """
    if len(blocks) == 1:
        return blocks.pop()
    features = np.empty((sum(map(len, blocks)), empty.shape[1]), empty.dtype)
    end = len(features)
    while blocks:
        block = blocks.pop()
        features[end - len(block) : end] = block
        end -= len(block)
    return features


def n_lines(body: bytes, end: int) -> int:
    r"""Count the lines that end before an offset, however they end: \n, \r\n or \r."""
    n_ends = body.count(b"\n", 0, end)
    if body.find(b"\r", 0, end) >= 0:
        n_ends += body.count(b"\r", 0, end) - body.count(b"\r\n", 0, end)
    return n_ends
