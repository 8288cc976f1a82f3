"""LIBSVM files: ``label[:weight] [qid:n] index:value …``, a row on each line.

Indices are taken as they are in the file, never shifted, in training and serving alike.
Rows are kept sparse until all files are read, because the greatest index decides the width.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from crossfold.data.blocks import Block, Kind, TextBlock
from crossfold.data.cells import float_text, is_number
from crossfold.data.channel_files import DataFile
from crossfold.data.file_bytes import is_utf8, not_utf8, open_text
from crossfold.errors import UserError

_LINES = 4096
_BLOCK_CELLS = 1 << 24
"""Cells made dense at a time, 128 MiB, so that wide rows need little beside the matrix."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_PLAIN_LINE = re.compile(rf"\s*{_NUMBER}(?:\s+\d{{1,15}}:{_NUMBER})*\s*", re.ASCII)
_INDEX = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Sparse rows: ``starts`` has one entry more than there are rows."""

    labels: NDArray[np.float64]
    weights: NDArray[np.float64]
    groups: NDArray[np.float64]
    starts: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LibsvmFile:
    """A LIBSVM file that has been read; its last three columns are label, weight and qid."""

    file: DataFile
    rows: _Rows
    n_features: int
    absent: float

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return None: LIBSVM has indices only."""
        return None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return numbers throughout."""
        number: Kind = "number"
        return (number,) * (self.n_features + 3)

    @property
    def n_rows_hint(self) -> int:
        """Return the number of rows."""
        return len(self.rows.labels)

    @property
    def has_weights(self) -> bool:
        """Say whether any row has a weight."""
        return not np.isnan(self.rows.weights).all()

    @property
    def has_groups(self) -> bool:
        """Say whether any row has a qid."""
        return not np.isnan(self.rows.groups).all()

    def widened(self, n_features: int) -> LibsvmFile:
        """Return the same file with more columns."""
        return replace(self, n_features=n_features)

    def blocks(self, wanted: Sequence[tuple[int, Kind]]) -> Iterator[Block]:
        """Fill the columns wanted, block by block; see `FileReader.blocks`."""
        rows, where = self.rows, _column_map(wanted, self.n_features)
        step = min(_LINES, max(1, _BLOCK_CELLS // (len(wanted) + 1)))
        for start in range(0, len(rows.labels), step):
            stop = min(start + step, len(rows.labels))
            dense = np.full((stop - start, len(wanted) + 1), self.absent)
            entries = slice(rows.starts[start], rows.starts[stop])
            owner = np.repeat(np.arange(stop - start), np.diff(rows.starts[start : stop + 1]))
            dense[owner, where[rows.indices[entries]]] = rows.values[entries]
            for column, (position, _) in enumerate(wanted):
                if position >= self.n_features:
                    role = (rows.labels, rows.weights, rows.groups)[position - self.n_features]
                    dense[:, column] = role[start:stop]
            columns = [_column(dense[:, i], kind) for i, (_, kind) in enumerate(wanted)]
            yield Block(stop - start, columns)

    def row_of(self, record: int) -> int:
        """Return the line that holds the 0-based record."""
        return next(islice((line for line, _ in _lines(self.file)), record, None), record + 1)


def open_libsvm(file: DataFile, absent: float) -> LibsvmFile:
    """Read a LIBSVM file.

    Raises
    ------
    UserError
        A token is malformed, or the indices of a row do not ascend; names file and row.
    """
    lines, parts = _lines(file), []
    while block := list(islice(lines, _LINES)):
        parts.append(_plain_rows(block) or _any_rows(file, block))
    if not parts:
        raise UserError(f"{file.place()} is empty; remove the file, or give it rows")
    rows = _joined(parts)
    n_features = int(rows.indices.max()) + 1 if len(rows.indices) else 0
    return LibsvmFile(file, rows, n_features, absent)


def _lines(file: DataFile) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that holds a row, without its comment."""
    with open_text(file) as lines:
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0]
            if not is_utf8(text):
                raise not_utf8(file, number)
            if text.strip():
                yield number, text


def _plain_rows(block: Sequence[tuple[int, str]]) -> _Rows | None:
    """Read lines of label and entries alone, many at a time; None when one has more."""
    if not all(_PLAIN_LINE.fullmatch(text) for _, text in block):
        return None
    n_entries = np.array([text.count(":") for _, text in block], np.int64)
    joined = " ".join(text for _, text in block).replace(":", " ")
    numbers = np.fromstring(joined, np.float64, sep=" ")
    starts = np.concatenate(([0], np.cumsum(n_entries)))
    at_label = 2 * starts[:-1] + np.arange(len(block))
    entries = np.delete(numbers, at_label)
    nothing = np.full(len(block), np.nan)
    indices = entries[::2].astype(np.int64)
    steps = np.diff(indices)
    is_first = np.zeros(len(indices) + 1, dtype=bool)
    is_first[starts[:-1]] = True
    if (steps[~is_first[1:-1]] <= 0).any():
        return None
    return _Rows(numbers[at_label], nothing, nothing, starts, indices, entries[1::2])


def _any_rows(file: DataFile, block: Sequence[tuple[int, str]]) -> _Rows:
    heads, starts = [], [0]
    indices: list[int] = []
    values: list[float] = []
    for line, text in block:
        tokens = text.split()
        heads.append(_head(file, line, tokens))
        entries = tokens[2:] if len(tokens) > 1 and tokens[1].startswith("qid:") else tokens[1:]
        _add_entries(file, line, entries, indices, values)
        starts.append(len(indices))
    labels, weights, groups = np.array(heads, np.float64).T
    return _Rows(
        labels,
        weights,
        groups,
        np.array(starts, np.int64),
        np.array(indices, np.int64),
        np.array(values, np.float64),
    )


def _head(file: DataFile, line: int, tokens: Sequence[str]) -> tuple[float, float, float]:
    label, _, weight = tokens[0].partition(":")
    qid = tokens[1][4:] if len(tokens) > 1 and tokens[1].startswith("qid:") else ""
    has_weight, has_qid = ":" in tokens[0], len(tokens) > 1 and tokens[1].startswith("qid:")
    if not is_number(label) or (has_weight and not is_number(weight)):
        raise UserError(
            f"{file.place(line)}: {tokens[0][:60]!r} is no label; expected a number, or "
            "label:weight with two numbers"
        )
    if has_qid and not _INDEX.fullmatch(qid):
        raise UserError(
            f"{file.place(line)}: {tokens[1][:60]!r} is no query; expected qid: and a whole number"
        )
    return (
        float(label),
        float(weight) if has_weight else np.nan,
        float(qid) if has_qid else np.nan,
    )


def _add_entries(
    file: DataFile, line: int, entries: Sequence[str], indices: list[int], values: list[float]
) -> None:
    last = -1
    for token in entries:
        index, colon, value = token.partition(":")
        if not colon or not _INDEX.fullmatch(index) or not (is_number(value) or _is_nan(value)):
            raise UserError(
                f"{file.place(line)}: {token[:60]!r} is no entry; expected index:value, a whole "
                "number of at least 0 and a number"
            )
        if int(index) <= last:
            raise UserError(
                f"{file.place(line)}: index {index} comes after {last}; "
                "write each index once, in ascending order"
            )
        last = int(index)
        indices.append(last)
        values.append(float(value))


def _is_nan(text: str) -> bool:
    return text.lower() == "nan"


def _joined(parts: Sequence[_Rows]) -> _Rows:
    offsets = np.cumsum([0, *(part.starts[-1] for part in parts)])
    starts = [part.starts[1:] + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
    return _Rows(
        labels=np.concatenate([part.labels for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        groups=np.concatenate([part.groups for part in parts]),
        starts=np.concatenate([np.zeros(1, np.int64), *starts]),
        indices=np.concatenate([part.indices for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )


def _column_map(wanted: Sequence[tuple[int, Kind]], n_features: int) -> NDArray[np.int64]:
    """Map each index to its place among the columns wanted; the place behind them is a bin."""
    where = np.full(n_features, len(wanted), np.int64)
    for column, (position, _) in enumerate(wanted):
        if position < n_features:
            where[position] = column
    return where


def _column(numbers: NDArray[np.float64], kind: Kind) -> NDArray[np.float64] | TextBlock:
    if kind == "number":
        return numbers
    distinct, codes = np.unique(numbers, return_inverse=True)
    return TextBlock(codes.astype(np.int32), [float_text(v) for v in distinct.tolist()])
