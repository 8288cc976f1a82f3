"""Batches: one answer for each line, so every line is a row, blank, or bad, and is counted.

Lines end with a newline, perhaps after a carriage return; nothing else ends one, not even within
quotes.  Many lines are read at once, and single ones only where something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve.decoding.decode import CSV, JSONLINES, LIBSVM, reader_of
from serve.decoding.pieces import pieces_of
from serve.decoding.records import BOM, BadBodyError
from serve.refusals import Refusal
from serve.schema import Schema

_PARTS = 16
"""Lines among which one is bad are read again in so many parts."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The rows of a batch, and which line each belongs to.

    Attributes
    ----------
    features : ndarray of shape (n_rows, n_features)
        In C order, of the schema's dtype; perhaps without rows.
    n_lines : int
        Lines of the body, blank and bad ones included.
    rows_at : ndarray of shape (n_rows,), int64, or None
        The 0-based line of each row; None where line i is row i.
    bad : mapping of int to str
        The reason for each 0-based line that cannot be read.
    """

    features: NDArray[Any]
    n_lines: int
    rows_at: NDArray[np.int64] | None
    bad: Mapping[int, str]


def reads_lines(media_type: str) -> bool:
    """Say whether bodies of a type are made of lines."""
    return media_type in CSV or media_type in JSONLINES or media_type in LIBSVM


def decode_lines(media_type: str, body: bytes, schema: Schema, *, keep_bad: bool) -> Lines:
    """Read a batch line by line, as far as the result goes; a header is never guessed.

    Parameters
    ----------
    media_type : str
        One for which `reads_lines` holds.
    keep_bad : bool
        Whether a bad line is set aside; otherwise it refuses the whole body.

    Raises
    ------
    Refusal
        400: the body is empty, or a line is bad and `keep_bad` is false.
    """
    if not body:
        raise Refusal(400, "the body is empty; give at least one line")
    batch = _Batch(reader_of(media_type), schema, _blank_test(media_type), keep_bad=keep_bad)
    for begin, end in pieces_of(body, len(BOM) * body.startswith(BOM)):
        batch.add(body[begin:end])
    return batch.lines()


@dataclass(slots=True)
class _Batch:
    """Grows while pieces are read."""

    read: Callable[[bytes, Schema], NDArray[Any]]
    schema: Schema
    is_blank: Callable[[bytes], bool]
    keep_bad: bool = field(kw_only=True)
    n_lines: int = 0
    blocks: list[NDArray[Any]] = field(default_factory=list)
    rows_at: list[NDArray[np.int64]] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)

    def add(self, piece: bytes) -> None:
        """Read the lines of one piece."""
        n_lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
        rows = self._rows(piece, n_lines) if _has_plain_ends(piece) else None
        if rows is not None:
            self._keep(rows, np.arange(self.n_lines, self.n_lines + n_lines))
        else:
            lines = piece.split(b"\n")[:n_lines]
            self._add_some(lines, [i for i, line in enumerate(lines) if not self.is_blank(line)])
        self.n_lines += n_lines

    def lines(self) -> Lines:
        """Return what has been read."""
        blocks = self.blocks or [np.empty((0, self.schema.n_features), self.schema.dtype)]
        features = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        rows_at = None
        if len(features) < self.n_lines:
            rows_at = np.concatenate([np.empty(0, np.int64), *self.rows_at])
        return Lines(features, self.n_lines, rows_at, self.bad)

    def _add_some(self, lines: Sequence[bytes], chosen: Sequence[int]) -> None:
        """Read some lines of a piece: together if that gives a row for each, else in parts."""
        if len(chosen) == 1:
            self._add_line(lines[chosen[0]], self.n_lines + chosen[0])
            return
        rows = self._rows(b"\n".join([lines[i] for i in chosen]), len(chosen)) if chosen else None
        if rows is not None:
            self._keep(rows, self.n_lines + np.array(chosen, np.int64))
            return
        step = -(-len(chosen) // _PARTS)
        for start in range(0, len(chosen), step or 1):
            self._add_some(lines, chosen[start : start + step])

    def _add_line(self, line: bytes, number: int) -> None:
        try:
            rows = self.read(line, self.schema)
            if len(rows) == 1:
                self._keep(rows, np.array([number]))
                return
            error = BadBodyError("a carriage return within the line; end lines with a newline")
        except BadBodyError as found:
            error = found
        if not self.keep_bad:
            error.record = number + 1
            raise Refusal(400, error.sentence("line"))
        self.bad[number] = error.sentence(None)

    def _rows(self, lines: bytes, n_lines: int) -> NDArray[Any] | None:
        """Read lines together; None unless each of them is one row."""
        try:
            rows = self.read(lines, self.schema)
        except BadBodyError:
            return None
        return rows if len(rows) == n_lines else None

    def _keep(self, rows: NDArray[Any], at: NDArray[np.int64]) -> None:
        self.blocks.append(rows)
        self.rows_at.append(at)


def _blank_test(media_type: str) -> Callable[[bytes], bool]:
    if media_type in CSV:
        # Blanks alone are a missing value where there is one column.
        return lambda line: line in (b"", b"\r")
    if media_type in LIBSVM:
        return lambda line: not line.partition(b"#")[0].strip()
    return lambda line: not line.strip()


def _has_plain_ends(piece: bytes) -> bool:
    """Say whether no carriage return stands alone; one could make two rows of a line."""
    return b"\r" not in piece or piece.count(b"\r") == piece.count(b"\r\n")
