"""Texts of one column, each with a number, over all channels of a job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crossfold.data.blocks import TextBlock
from crossfold.data.cells import is_missing


class Vocabulary:
    """Grows while blocks are read; blanks around a text do not count."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def texts(self) -> Sequence[str]:
        """Return the texts seen, in the order of their numbers."""
        return tuple(self._numbers)

    def encode(self, block: TextBlock) -> NDArray[np.float64]:
        """Return the number of each text; NaN is missing."""
        numbers = np.empty(len(block.texts) + 1)
        numbers[:-1] = [self._number(text) for text in block.texts]
        numbers[-1] = np.nan
        return numbers[block.codes]

    def _number(self, text: str) -> float:
        text = text.strip()
        if is_missing(text):
            return np.nan
        return self._numbers.setdefault(text, len(self._numbers))
