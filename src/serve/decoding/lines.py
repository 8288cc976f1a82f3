"""Batches: one answer for each line, so every line is a row, blank, or bad, and is counted.

Lines end with a newline, perhaps after a carriage return; nothing else ends one, not even within
quotes.  Many lines are read at once, and single ones only where something is wrong.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve.decoding.decode import CSV, LIBSVM, reader_of
from serve.decoding.pieces import pieces_of
from serve.decoding.records import BOM, BadBodyError, refuse_growth
from serve.encoding.encode import JSON_LINES
from serve.refusals import Refusal
from serve.schema import Schema

_SMALL_BYTES = 1 << 18
_PARTS = 32
"""Lines among which one is bad are read again in so many parts."""

_FEW = 32
"""So many are looked at one by one."""

_MANY = 512
"""So many are, as long as most of them are bad."""

_MOST_REASONS = 3


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
    bad_at : ndarray of shape (n_bad,), int64
        The 0-based lines that cannot be read, ascending.
    reasons : tuple of str
        Why not, of the first three, each with its 1-based line.
    """

    features: NDArray[Any]
    n_lines: int
    rows_at: NDArray[np.int64] | None
    bad_at: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    reasons: tuple[str, ...] = ()


def reads_lines(media_type: str) -> bool:
    """Say whether bodies of a type are made of lines."""
    return media_type in CSV or media_type in JSON_LINES or media_type in LIBSVM


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
    batch = _Batch(
        reader_of(media_type),
        _checker_of(media_type),
        schema,
        _blank_test(media_type),
        n_bytes=len(body),
        keep_bad=keep_bad,
    )
    for begin, end in pieces_of(body, len(BOM) * body.startswith(BOM)):
        batch.add(body[begin:end])
    return batch.lines()


@dataclass(slots=True)
class _Batch:
    """Grows while pieces are read."""

    read: Callable[[bytes, Schema], NDArray[Any]]
    check: Callable[[bytes, Schema], None]
    schema: Schema
    is_blank: Callable[[bytes], bool]
    n_bytes: int = field(kw_only=True)
    keep_bad: bool = field(kw_only=True)
    n_lines: int = 0
    blocks: list[NDArray[Any]] = field(default_factory=list)
    rows_at: list[NDArray[np.int64]] = field(default_factory=list)
    n_rows: int = 0
    bad_at: array[int] = field(default_factory=lambda: array("q"))
    reasons: list[str] = field(default_factory=list)
    are_mostly_bad: bool = False
    """Whether those that were last looked at one by one were."""

    def add(self, piece: bytes) -> None:
        """Read the lines of one piece."""
        if self._add_whole(piece):
            return
        for begin, end in pieces_of(piece, n_bytes=_SMALL_BYTES):
            part = piece[begin:end]
            if not self._add_whole(part):
                lines = part.split(b"\n")[: _n_lines(part)]
                filled = [i for i, line in enumerate(lines) if not self.is_blank(line)]
                self._add_some(lines, filled)
                self.n_lines += len(lines)

    def lines(self) -> Lines:
        """Return what has been read."""
        blocks = self.blocks or [np.empty((0, self.schema.n_features), self.schema.dtype)]
        features = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        rows_at = None
        if len(features) < self.n_lines:
            rows_at = np.concatenate([np.empty(0, np.int64), *self.rows_at])
        bad_at = np.array(self.bad_at, np.int64)
        return Lines(features, self.n_lines, rows_at, bad_at, tuple(self.reasons))

    def _add_whole(self, piece: bytes) -> bool:
        """Read a piece if each of its lines is a row; say whether it was."""
        if self.are_mostly_bad:
            return False
        n_lines = _n_lines(piece)
        rows = self._rows(piece, n_lines) if _has_plain_ends(piece) else None
        if rows is None:
            return False
        self._keep(rows, np.arange(self.n_lines, self.n_lines + n_lines))
        self.n_lines += n_lines
        return True

    def _add_some(self, lines: Sequence[bytes], chosen: Sequence[int]) -> None:
        """Read some lines of a piece: together if that gives a row for each, else in parts."""
        while chosen and self.are_mostly_bad:
            self._add_few(lines, chosen[:_MANY])
            chosen = chosen[_MANY:]
        if self._add_together(lines, chosen):
            return
        if len(chosen) <= _FEW:
            self._add_few(lines, chosen)
            return
        step = -(-len(chosen) // _PARTS)
        for start in range(0, len(chosen), step):
            self._add_some(lines, chosen[start : start + step])

    def _add_together(self, lines: Sequence[bytes], chosen: Sequence[int]) -> bool:
        """Read some lines if each of them is a row; say whether it was."""
        rows = self._rows(b"\n".join([lines[i] for i in chosen]), len(chosen)) if chosen else None
        if rows is not None:
            self._keep(rows, self.n_lines + np.array(chosen, np.int64))
        return rows is not None or not chosen

    def _add_few(self, lines: Sequence[bytes], chosen: Sequence[int]) -> None:
        """Set bad lines aside, and read those between them."""
        fine: list[int] = []
        n_before = len(self.bad_at)
        for i in chosen:
            try:
                self.check(lines[i], self.schema)
                fine.append(i)
            except BadBodyError:
                if self.keep_bad and len(self.reasons) == _MOST_REASONS:
                    self.bad_at.append(self.n_lines + i)
                else:
                    self._add_fine(lines, fine)
                    fine = []
                    self._add_line(lines[i], self.n_lines + i)
        self._add_fine(lines, fine)
        self.are_mostly_bad = 2 * (len(self.bad_at) - n_before) > len(chosen)

    def _add_fine(self, lines: Sequence[bytes], chosen: Sequence[int]) -> None:
        """Read lines with which nothing was found to be wrong."""
        if not self._add_together(lines, chosen):
            for i in chosen:
                self._add_line(lines[i], self.n_lines + i)

    def _add_line(self, line: bytes, number: int) -> None:
        try:
            rows = self.read(line, self.schema)
            if len(rows) == 1:
                self._keep(rows, np.array([number]))
                return
            error = BadBodyError("a carriage return within the line; end lines with a newline")
        except BadBodyError as found:
            error = found
        error.record = number + 1
        if not self.keep_bad:
            raise Refusal(400, error.sentence("line"))
        self.bad_at.append(number)
        if len(self.reasons) < _MOST_REASONS:
            self.reasons.append(error.sentence("line"))

    def _rows(self, lines: bytes, n_lines: int) -> NDArray[Any] | None:
        """Read lines together; None unless each of them is one row."""
        try:
            rows = self.read(lines, self.schema)
        except BadBodyError:
            return None
        return rows if len(rows) == n_lines else None

    def _keep(self, rows: NDArray[Any], at: NDArray[np.int64]) -> None:
        self.n_rows += len(rows)
        refuse_growth(self.n_rows, self.n_bytes, self.schema)
        self.blocks.append(rows)
        self.rows_at.append(at)


def _checker_of(media_type: str) -> Callable[[bytes, Schema], None]:
    if media_type in CSV:
        from serve.decoding.csv_rows import check_line as check_csv

        return check_csv
    if media_type in LIBSVM:
        from serve.decoding.libsvm import check_line as check_libsvm

        return check_libsvm
    from serve.decoding.jsonlines import check_line as check_json

    return check_json


def _n_lines(piece: bytes) -> int:
    return piece.count(b"\n") + (not piece.endswith(b"\n"))


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
