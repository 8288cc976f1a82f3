"""The grammar of LIBSVM lines: ``label[:weight] [qid:n] index:value …  # comment``.

Knows texts and their line numbers only, not where they come from: a file of a channel has labels,
the body of a request may leave them out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from crossfold.data.cells import is_number
from crossfold.errors import UserError

Line = tuple[int, str]
"""A line's number, as messages shall call it, and its text without a comment."""
Place = Callable[[int], str]
"""Says where a line is, for a message: ``file a.libsvm, row 3``."""

_LINES = 4096
# Possessive: a long row of digits that ends in a letter is refused in one pass.
_NUMBER = r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?"
_PLAIN_LINE = re.compile(rf"\s*{_NUMBER}(?:\s+\d{{1,15}}:{_NUMBER})*\s*", re.ASCII)
_INDEX = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Rows as they were written.

    Attributes
    ----------
    labels, weights, groups : ndarray of shape (n_rows,), float64
        NaN where a row has no weight or no query; labels left out are 0.
    starts : ndarray of shape (n_rows + 1,), int64
        The entries of row i are ``starts[i]`` to ``starts[i + 1]``.
    indices : ndarray of shape (n_entries,), int64
        As in the text, ascending in each row.
    values : ndarray of shape (n_entries,), float64
        NaN and infinities included.
    """

    labels: NDArray[np.float64]
    weights: NDArray[np.float64]
    groups: NDArray[np.float64]
    starts: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]


def without_comment(line: str) -> str:
    """Return the text of a line without its comment; only blanks are left where it has no row."""
    return line.partition("#")[0]


def read_rows(lines: Iterable[Line], place: Place, *, labels_required: bool = True) -> SparseRows:
    """Read lines, each of which holds a row.

    Parameters
    ----------
    lines : iterable of (int, str)
        Number and text of each line, without comments and blank lines.
    place : callable
        Says where a line is, for messages.
    labels_required : bool
        If False, a first token with a colon is an entry: the row has neither label nor weight.

    Raises
    ------
    UserError
        A token is malformed, or the indices of a row do not ascend; the message begins with the
        line's place.
    """
    waiting, parts = iter(lines), []
    while block := list(islice(waiting, _LINES)):
        if not labels_required:
            block = [_with_label(line) for line in block]
        parts.append(_plain_rows(block) or _any_rows(place, block))
    return parts[0] if len(parts) == 1 else _joined(parts)


def _with_label(line: Line) -> Line:
    first = line[1].split(maxsplit=1)[:1]
    return line if first and ":" not in first[0] else (line[0], f"0 {line[1]}")


def _plain_rows(block: Sequence[Line]) -> SparseRows | None:
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
    return SparseRows(numbers[at_label], nothing, nothing, starts, indices, entries[1::2])


def _any_rows(place: Place, block: Sequence[Line]) -> SparseRows:
    heads, starts = [], [0]
    indices: list[int] = []
    values: list[float] = []
    for line, text in block:
        tokens = text.split()
        heads.append(_head(place, line, tokens))
        entries = tokens[2:] if len(tokens) > 1 and tokens[1].startswith("qid:") else tokens[1:]
        _add_entries(place, line, entries, indices, values)
        starts.append(len(indices))
    labels, weights, groups = np.array(heads, np.float64).T
    return SparseRows(
        labels,
        weights,
        groups,
        np.array(starts, np.int64),
        np.array(indices, np.int64),
        np.array(values, np.float64),
    )


def _head(place: Place, line: int, tokens: Sequence[str]) -> tuple[float, float, float]:
    label, _, weight = tokens[0].partition(":")
    qid = tokens[1][4:] if len(tokens) > 1 and tokens[1].startswith("qid:") else ""
    has_weight, has_qid = ":" in tokens[0], len(tokens) > 1 and tokens[1].startswith("qid:")
    if not is_number(label) or (has_weight and not is_number(weight)):
        raise UserError(
            f"{place(line)}: {tokens[0][:60]!r} is no label; expected a number, or "
            "label:weight with two numbers"
        )
    if has_qid and not _INDEX.fullmatch(qid):
        raise UserError(
            f"{place(line)}: {tokens[1][:60]!r} is no query; expected qid: and a whole number"
        )
    return (
        float(label),
        float(weight) if has_weight else np.nan,
        float(qid) if has_qid else np.nan,
    )


def _add_entries(
    place: Place, line: int, entries: Sequence[str], indices: list[int], values: list[float]
) -> None:
    last = -1
    for token in entries:
        index, colon, value = token.partition(":")
        if not colon or not _INDEX.fullmatch(index) or not (is_number(value) or _is_nan(value)):
            raise UserError(
                f"{place(line)}: {token[:60]!r} is no entry; expected index:value, a whole "
                "number of at least 0 and a number"
            )
        if int(index) <= last:
            raise UserError(
                f"{place(line)}: index {index} comes after {last}; "
                "write each index once, in ascending order"
            )
        last = int(index)
        indices.append(last)
        values.append(float(value))


def _is_nan(text: str) -> bool:
    return text.lower() == "nan"


def _joined(parts: Sequence[SparseRows]) -> SparseRows:
    empty = np.zeros(0)
    offsets = np.cumsum([0, *(part.starts[-1] for part in parts)])
    starts = [part.starts[1:] + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
    return SparseRows(
        labels=np.concatenate([empty, *(part.labels for part in parts)]),
        weights=np.concatenate([empty, *(part.weights for part in parts)]),
        groups=np.concatenate([empty, *(part.groups for part in parts)]),
        starts=np.concatenate([np.zeros(1, np.int64), *starts]),
        indices=np.concatenate([np.zeros(0, np.int64), *(part.indices for part in parts)]),
        values=np.concatenate([empty, *(part.values for part in parts)]),
    )
