"""Write channels as SageMaker lays them out, and read them back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossfold.data.options import ChannelFiles, DataOptions
from crossfold.data.reading import read_channels
from crossfold.data.table import Table
from crossfold.errors import UserError


def write_channels(
    root: Path, files: Mapping[str, str | bytes], content_type: str | None = None
) -> list[ChannelFiles]:
    """Write files named ``channel/path``; return the channels in the order given."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    names = dict.fromkeys(name.split("/")[0] for name in files)
    return [ChannelFiles(name, root / name, content_type) for name in names]


def read(
    files: Mapping[str, str | bytes],
    options: DataOptions | None = None,
    *,
    content_type: str | None = None,
    dtype: Any = np.float64,
    absent: float = np.nan,
) -> dict[str, Table]:
    """Read channels that exist only for this call."""
    with tempfile.TemporaryDirectory() as root:
        channels = write_channels(Path(root), files, content_type)
        return read_channels(channels, options or DataOptions(), dtype=dtype, absent=absent)


def read_train(content: str | bytes, options: DataOptions | None = None, **more: Any) -> Table:
    """Read one CSV file as channel ``train``."""
    return read({"train/a.csv": content}, options, **more)["train"]


def refusal(
    files: Mapping[str, str | bytes] | str, options: DataOptions | None = None, **more: Any
) -> str:
    """Return the message with which files (or the text of one CSV file) are refused."""
    given = {"train/a.csv": files} if isinstance(files, str) else files
    with pytest.raises(UserError) as caught:
        read(given, options, **more)
    return str(caught.value)
