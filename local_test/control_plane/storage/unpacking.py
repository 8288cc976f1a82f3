"""Unpack an archive so that nothing is written outside of its folder.

Source: Python documentation, tarfile, 'Extraction filters': there from 3.11.4 on.
"""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath


def extract_all(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack every member into `folder`.

    Raises
    ------
    tarfile.TarError
        A member would leave the folder, or is a device; in an older Python also a link.
    OSError, ValueError, OverflowError, EOFError, zlib.error
        The archive is damaged, or the disk refuses.
    """
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    for member in archive:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts:
            raise tarfile.TarError(f"{member.name!r} would be written outside of the folder")
        if not (member.isreg() or member.isdir()):
            raise tarfile.TarError(
                f"{member.name!r} is neither file nor folder, which takes Python 3.11.4 or newer"
            )
        # Other rights than these, a set-user-id bit say, are nobody's business here.
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        archive.extract(member, folder, set_attrs=True)
