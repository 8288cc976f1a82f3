"""Folders of hosts into S3: what a processing job wrote, at its end or as it comes.

Knows folders and keys, not when a job ends.  Sources: AWS docs, 'How Amazon SageMaker Processing
Configures Input and Output For Your Processing Container' (links are not followed), API reference,
'ProcessingS3Output'.  Not documented: whose file counts where several hosts write the same one
(here the first host's), and that a file which is deleted stays in S3.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local_test.control_plane.storage.aws import S3Uri, Store
from local_test.control_plane.storage.tree import open_plain, walk
from local_test.control_plane.training.ports import Host

_logger = logging.getLogger(__name__)

# A file that keeps its size, its time of change and its inode has not been written.
_Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """One output of one host and where it goes."""

    host: Host
    folder: Path
    place: S3Uri


class Outputs:
    """The outputs of one job, uploaded as often as asked; only what is new goes up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marks: dict[tuple[str, str], _Mark] = {}

    def upload(self, folders: Sequence[OutputFolder]) -> None:
        """Copy the files of all folders that are new or changed since the last time.

        A file that is being written is copied as far as it is there, and again the next time.
        """
        taken: dict[str, str] = {}
        for each in folders:
            for name, path in _files(each).items():
                uri = S3Uri(each.place.bucket, each.place.as_folder + name)
                first = taken.setdefault(str(uri), each.host.name)
                if first == each.host.name:
                    self._upload(uri, each.host.name, path)
                else:
                    _logger.warning(
                        "%s of %s is not uploaded: %s has one", uri, each.host.name, first
                    )

    def _upload(self, uri: S3Uri, host: str, path: Path) -> None:
        try:
            # Before the copy: what is written meanwhile is seen the next time.
            mark = _mark(path)
            if self._marks.get((host, str(uri))) == mark:
                return
            with open_plain(path) as file:
                self._store.write(uri.bucket, uri.key, file)
        except FileNotFoundError:  # deleted since it was listed
            return
        self._marks[host, str(uri)] = mark


def _files(output: OutputFolder) -> dict[str, Path]:
    tree = walk(output.folder, output.host.opt_ml)
    links = [name for name in tree.files if (output.folder / name).is_symlink()]
    for name in [*links, *(name for name, _ in tree.left_out)]:
        _logger.warning("%s of %s is not uploaded: no plain file", name, output.host.name)
    return {name: path for name, path in tree.files.items() if name not in links}


def _mark(path: Path) -> _Mark:
    found = path.stat()
    return (found.st_size, found.st_mtime_ns, found.st_ino)
