"""NPY: all rows as one array, never pickled.

Source: NumPy documentation, `numpy.lib.format`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve.outputs import Output


def npy_document(outputs: Sequence[Output]) -> bytes:
    """Write (n_rows,) for one value in each row, else (n_rows, n_columns), keys side by side.

    Numbers are float64; labels int64 or float64 when all classes are numbers, else text.
    """
    columns = [_array(output) for output in outputs]
    array = columns[0] if len(columns) == 1 else np.column_stack(columns)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def is_one_array(outputs: Sequence[Output]) -> bool:
    """Say whether one array can hold the outputs: no objects, and not numbers beside text."""
    texts = [o.labels for o in outputs if o.labels is not None and o.labels.numbers is None]
    if any(output.names is not None for output in outputs) or len(texts) not in (0, len(outputs)):
        return False
    # NumPy pads texts with NUL, and takes those at the end for padding.
    return not any(text.endswith("\0") for labels in texts for text in labels.texts)


def _array(output: Output) -> NDArray[Any]:
    if output.labels is None:
        values = np.asarray(output.values, dtype=np.float64)
        # As in the other formats: not a number, where the model had none to give.
        return np.where(np.isfinite(values), values, np.nan)
    numbers = output.labels.numbers
    spelt = np.array(output.labels.texts, dtype=np.str_) if numbers is None else numbers
    return np.asarray(spelt[output.values])
