"""Every object also as a file on disk, so that buckets survive a restart of the plane.

Knows objects, not who writes them: it compares what the store has with what it saved last, so it
needs no word from whoever writes, deletes, copies or completes an upload.  Versions, tags and
uploads in parts that were not completed do not survive.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote

from local_test.control_plane.storage.aws import Store, StoredObject
from local_test.control_plane.storage.journal import file_name

_logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20


class Mirror:
    """Keeps a folder as the store is, by a thread of its own, at most `every_s` seconds late."""

    def __init__(self, store: Store, folder: Path, *, every_s: float = 1.0) -> None:
        self._store = store
        self._folder = folder
        self._every_s = every_s
        self._saved: dict[str, dict[str, object]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def restore(self) -> int:
        """Put what the folder has into the store; return the number of objects."""
        n_objects = 0
        for home in sorted(self._folder.glob("*")):
            bucket = _bucket_of(home)
            if bucket is None:
                continue
            self._store.make_bucket(bucket)
            for entry in sorted(home.glob("*.json")):
                n_objects += self._restore(bucket, entry)
            self._saved[bucket] = {each.key: each.mark for each in self._store.objects(bucket)}
        return n_objects

    def start(self) -> None:
        """Begin to follow the store."""
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)
        self._thread.start()

    def note(self) -> None:
        """Say that something has changed: it is looked for at once instead of a little later."""
        self._wake.set()

    def scan(self) -> None:
        """Write what is new or changed, and remove what is gone."""
        with self._lock:
            there = self._store.buckets()
            for bucket in there:
                self._scan(bucket)
            for bucket in [each for each in self._saved if each not in there]:
                shutil.rmtree(self._folder / file_name(bucket), ignore_errors=True)
                del self._saved[bucket]

    def keep(self) -> None:
        """Save what there is now; where that cannot be, it is said and tried again later."""
        try:
            self.scan()
        except Exception as error:  # noqa: BLE001 - the thread must not die, nor a job fail
            _logger.warning("objects cannot be saved in %s: %r", self._folder, error)

    def close(self) -> None:
        """End the thread and save the last changes."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.keep()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._every_s)
            self._wake.clear()
            self.keep()

    def _scan(self, bucket: str) -> None:
        home = self._folder / file_name(bucket)
        home.mkdir(parents=True, exist_ok=True)
        saved = self._saved.setdefault(bucket, {})
        found = {each.key: each for each in self._store.objects(bucket)}
        for each in found.values():
            if saved.get(each.key) is not each.mark and self._save(bucket, each):
                saved[each.key] = each.mark
        for key in [key for key in saved if key not in found]:
            _paths(home, key)[1].unlink(missing_ok=True)
            _paths(home, key)[0].unlink(missing_ok=True)
            del saved[key]

    def _save(self, bucket: str, each: StoredObject) -> bool:
        home = self._folder / file_name(bucket)
        body, entry = _paths(home, each.key)
        aside = body.with_suffix(".part")
        try:
            metadata = self._store.metadata(bucket, each.key)
            with self._store.read(bucket, each.key) as source, aside.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
        except FileNotFoundError:  # deleted since it was listed
            aside.unlink(missing_ok=True)
            return False
        aside.replace(body)
        document = {"key": each.key, "metadata": metadata, "modified": each.modified}
        aside.write_text(json.dumps(document), encoding="utf-8")
        aside.replace(entry)
        return True

    def _restore(self, bucket: str, entry: Path) -> int:
        try:
            document = json.loads(entry.read_text(encoding="utf-8"))
            with entry.with_suffix(".body").open("rb") as file:
                self._store.write(
                    bucket,
                    document["key"],
                    file,
                    metadata=document["metadata"],
                    modified=document["modified"],
                )
        except (OSError, ValueError, LookupError) as error:
            _logger.warning("the saved object %s cannot be read and is left out: %s", entry, error)
            return 0
        return 1


def _paths(home: Path, key: str) -> tuple[Path, Path]:
    # A key has up to 1024 bytes and any character, a file's name has not.
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return home / f"{digest}.body", home / f"{digest}.json"


def _bucket_of(home: Path) -> str | None:
    return unquote(home.name) if home.is_dir() else None
