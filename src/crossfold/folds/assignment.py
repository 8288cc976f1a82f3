"""Which rows each fold fits on and which it holds out.

Rows are kept as packed bits (an eighth of a byte a row), because row numbers of every fold's
training part would make memory grow with the number of folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import UserError
from crossfold.folds.options import POOLED_STRATEGIES, Strategy

# Part of every fingerprint: to be raised when its recipe changes.
_FINGERPRINT_FORMAT = b"crossfold split 1\n"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One fit: the rows to fit on and the rows to score.

    Attributes
    ----------
    fold, repeat : int
        Both counted from 0.
    n_rows : int
        Rows of the whole table.
    n_train, n_test : int
        Rows fitted on and rows held out, both at least 1.
    """

    fold: int
    repeat: int
    n_rows: int
    n_train: int
    n_test: int
    _test_bits: NDArray[np.uint8] = field(repr=False)
    # None: every row that is not held out.
    _train_bits: NDArray[np.uint8] | None = field(default=None, repr=False)

    @property
    def test(self) -> NDArray[np.int64]:
        """Rows held out, ascending."""
        return np.flatnonzero(_unpacked(self._test_bits, self.n_rows))

    @property
    def train(self) -> NDArray[np.int64]:
        """Rows to fit on, ascending."""
        return np.flatnonzero(self.train_mask)

    @property
    def fits_all_others(self) -> bool:
        """Whether every row that is not held out is fitted on, known without looking at rows."""
        return self._train_bits is None

    def packed(self) -> tuple[bytes, bytes]:
        """Return held-out and fitted rows as bits, the first row in the first byte's top bit."""
        return self._test_bits.tobytes(), np.packbits(self.train_mask).tobytes()

    @property
    def train_mask(self) -> NDArray[np.bool_]:
        """Whether each row of the table is fitted on."""
        if self._train_bits is None:
            return ~_unpacked(self._test_bits, self.n_rows)
        return _unpacked(self._train_bits, self.n_rows)


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """All splits of a job, ordered by repeat, then fold.

    Attributes
    ----------
    splitter : str
        The scikit-learn class with its exact arguments, or where the ready folds came from.
    seed : int, optional
        None where the strategy draws nothing by chance.
    warnings : tuple of str
        What a user should know before trusting the scores; one line each.
    """

    splits: tuple[Split, ...]
    strategy: Strategy
    splitter: str
    n_folds: int
    n_repeats: int
    seed: int | None
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_ready(
        cls,
        pairs: Sequence[tuple[NDArray[np.integer], NDArray[np.integer]]],
        n_rows: int,
        *,
        source: str = "ready folders",
        only: int | None = None,
    ) -> Assignment:
        """Take folds as the user prepared them: (rows to fit on, rows to hold out), in fold order.

        With `only` there is one pair, that of the fold of this number.

        Raises
        ------
        UserError
            There are fewer than two folds, or one has an empty or overlapping part.
        """
        if only is None and len(pairs) < 2:
            raise UserError(
                f"{source}: found {len(pairs)} fold(s); cross-validation needs at least 2"
            )
        splits = tuple(
            make_split(fold, 0, n_rows, test, train=train)
            for fold, (train, test) in enumerate(pairs, start=only or 0)
        )
        return cls(splits, "predefined", source, len(splits), 1, None)

    @property
    def n_rows(self) -> int:
        """Rows of the table that the splits number."""
        return self.splits[0].n_rows

    @property
    def pools_rows(self) -> bool:
        """Whether scores are taken over pooled held-out rows unless the user says otherwise."""
        return self.strategy in POOLED_STRATEGIES

    @property
    def sizes(self) -> list[dict[str, int]]:
        """Repeat, fold and the numbers of rows of each split, ready for JSON."""
        return [
            {"repeat": s.repeat, "fold": s.fold, "n_train": s.n_train, "n_test": s.n_test}
            for s in self.splits
        ]

    def fingerprint(self) -> str:
        """Return the SHA-256, in hexadecimal, of the rows of every split.

        Two assignments with the same rows in the same order have one fingerprint, whichever way
        they came about, on every machine.
        """
        digest = hashlib.sha256(_FINGERPRINT_FORMAT)
        for split in self.splits:
            digest.update(f"{split.repeat} {split.fold} {split.n_rows}\n".encode())
            for bits in split.packed():
                digest.update(bits)
        return digest.hexdigest()


def make_split(
    fold: int,
    repeat: int,
    n_rows: int,
    test: NDArray[np.integer],
    *,
    train: NDArray[np.integer] | None = None,
) -> Split:
    """Build a split from row numbers in any order; without `train`, fit on all other rows.

    Raises
    ------
    UserError
        A part is empty, or the two share a row.
    """
    held_out = _mask(test, n_rows)
    fitted = ~held_out if train is None else _mask(train, n_rows)
    n_train, n_test = int(fitted.sum()), int(held_out.sum())
    for part, count in (("rows to fit on", n_train), ("held-out rows", n_test)):
        if count == 0:
            raise UserError(f"fold {fold} has no {part}; every fold needs some of both kinds")
    n_shared = int((fitted & held_out).sum())
    if n_shared:
        raise UserError(
            f"fold {fold} fits on {n_shared} of its own {n_test} held-out rows; keep them apart"
        )
    train_bits = None if train is None else np.packbits(fitted)
    return Split(fold, repeat, n_rows, n_train, n_test, np.packbits(held_out), train_bits)


def _mask(rows: NDArray[np.integer], n_rows: int) -> NDArray[np.bool_]:
    mask = np.zeros(n_rows, dtype=np.bool_)
    mask[rows] = True
    return mask


def _unpacked(bits: NDArray[np.uint8], n_rows: int) -> NDArray[np.bool_]:
    return np.unpackbits(bits, count=n_rows).view(np.bool_)
