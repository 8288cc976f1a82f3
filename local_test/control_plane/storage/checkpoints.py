"""Checkpoints: S3 into the hosts' folders before a start, and the folders into S3 as they are.

Knows folders and keys, not when a job is started or interrupted.

Source: AWS docs, "Use checkpoints in Amazon SageMaker": what lies in S3 is copied before the start
and at every restart, later additions are not; the folder is synchronised as it is, without a tar,
and deletions in the container reach S3; all hosts share one place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_test.control_plane.storage.aws import S3Uri, Store
from local_test.control_plane.storage.downloads import download
from local_test.control_plane.storage.tree import open_plain, walk

_logger = logging.getLogger(__name__)

# A file that keeps its size, its time of change and its inode has not been written.
_Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """Where one host keeps its checkpoints."""

    host: str
    folder: Path
    opt_ml: Path


@dataclass(slots=True)
class _Known:
    """What S3 has of each host's folder since the last restart."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    marks: dict[str, dict[str, _Mark]] = field(default_factory=dict)
    left_out: set[tuple[str, str]] = field(default_factory=set)


class Checkpoints:
    """The checkpoint folders of all jobs; safe for threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}

    def restore(self, job_name: str, place: S3Uri, folders: Sequence[CheckpointFolder]) -> None:
        """Copy every object below `place` to all folders, which are empty.

        Raises
        ------
        ClientFault
            An object is not a file of the folder; nothing has left it.
        """
        prefix = place.as_folder
        found = self._store.objects(place.bucket, prefix)
        keys = [each.key for each in found if each.key[-1:] != "/"]
        wanted = [(S3Uri(place.bucket, key), key[len(prefix) :]) for key in keys]
        known = self._known[job_name] = _Known()
        for each in folders:
            download(self._store, wanted, each.folder)
            tree = walk(each.folder, each.opt_ml)
            known.marks[each.host] = {name: _mark(path) for name, path in tree.files.items()}

    def sync(self, job_name: str, place: S3Uri, folders: Sequence[CheckpointFolder]) -> None:
        """Copy what the hosts wrote since the last time, and delete what they deleted.

        A file that is being written is copied as far as it is there, and again the next time.
        """
        known = self._known.setdefault(job_name, _Known())
        with known.lock:
            for each in folders:
                self._sync(place, each, known)

    def forget(self, job_name: str) -> None:
        """Keep nothing of a job that has ended."""
        self._known.pop(job_name, None)

    def _sync(self, place: S3Uri, folder: CheckpointFolder, known: _Known) -> None:
        tree = walk(folder.folder, folder.opt_ml)
        for name, why in set(tree.left_out) - known.left_out:
            known.left_out.add((name, why))
            _logger.warning("checkpoint %s of %s is not copied: it %s", name, folder.host, why)
        marks = known.marks.setdefault(folder.host, {})
        self._upload(place, tree.files, marks)
        # Where two hosts have files of one name is not documented: each acts for itself.
        for name in [name for name in marks if name not in tree.files]:
            self._store.delete(place.bucket, place.as_folder + name)
            del marks[name]

    def _upload(self, place: S3Uri, files: Mapping[str, Path], marks: dict[str, _Mark]) -> None:
        for name, path in files.items():
            try:
                # Before the copy: what is written meanwhile is seen the next time.
                mark = _mark(path)
                if marks.get(name) == mark:
                    continue
                with open_plain(path) as file:
                    self._store.write(place.bucket, place.as_folder + name, file)
            except FileNotFoundError:  # deleted since it was listed
                continue
            marks[name] = mark


def _mark(path: Path) -> _Mark:
    found = path.stat()
    return (found.st_size, found.st_mtime_ns, found.st_ino)
