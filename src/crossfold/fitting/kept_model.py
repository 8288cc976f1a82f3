"""Whether a fold's model that was kept in checkpoints is all there.

The service copies checkpoints to S3 file by file: a job that is interrupted meanwhile finds a
folder again that lacks a file, and a model without its categories would predict something else.
Source: AWS docs, "Use Checkpoints in Amazon SageMaker".
"""

from __future__ import annotations

import json
from pathlib import Path

from crossfold.contract.whole_file import write_whole_json


def write_inventory(path: Path, folder: Path) -> None:
    """Write the names and sizes of a whole model's files to `path`, which is not in its folder."""
    write_whole_json(path, dict(_sizes(folder)))


def is_whole(path: Path, folder: Path) -> bool:
    """Say whether a folder holds the files that `write_inventory` has seen in it."""
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return bool(told == _sizes(folder))


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
