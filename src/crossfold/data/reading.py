"""Read the channels of a job together, so that columns, kinds and categories agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crossfold.data.channel_files import DataFile, find_files
from crossfold.data.file_sets import read_file_sets
from crossfold.data.options import ChannelFiles, DataOptions
from crossfold.data.paired_files import are_pairs, read_pairs
from crossfold.data.table import Table


def read_channels(
    channels: Sequence[ChannelFiles],
    options: DataOptions,
    *,
    dtype: Any = np.float64,
    absent: float = np.nan,
    pooled: str | None = None,
) -> dict[str, Table]:
    """Read each channel into a table; all tables have the same columns and categories.

    Parameters
    ----------
    channels : sequence of ChannelFiles
        Names of columns come from the first file of the first channel.
    dtype : numpy.float32 or numpy.float64
        Of the features.
    absent : float
        What an entry that a LIBSVM row leaves out stands for: NaN or 0.
    pooled : str, optional
        Channel whose rows follow those of the first in one table.

    Raises
    ------
    UserError
        Anything about the files; the message names channel, file, row and column.
    """
    sets: dict[str, Sequence[DataFile]] = {
        channel.name: find_files(channel) for channel in channels
    }
    if pooled is not None:
        first = channels[0].name
        sets[first] = [*sets[first], *sets.pop(pooled)]
    paired = any(are_pairs(files) for files in sets.values())
    read = read_pairs if paired else read_file_sets
    return read(sets, options, dtype=dtype, absent=absent)
