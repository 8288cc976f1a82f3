"""One file out of a fold's ``output.tar.gz``."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack_member(packed: Path, name: str) -> Path:
    """Write a member beside the archive and return its path."""
    with tarfile.open(packed) as archive:
        file = archive.extractfile(name)
        assert file is not None
        path = packed.parent / name
        path.write_bytes(file.read())
    return path
