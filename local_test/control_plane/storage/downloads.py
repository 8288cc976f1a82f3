"""Objects as files of a folder: names that stay inside it, and no name that is file and folder."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from local_test.control_plane.storage.aws import S3Uri, Store
from local_test.control_plane.training.ports import ClientFault

_CHUNK_BYTES = 1 << 20


def download(store: Store, wanted: Iterable[tuple[S3Uri, str]], folder: Path) -> None:
    """Write each object to its name below `folder`; names have slashes between their parts.

    Raises
    ------
    ClientFault
        An object is gone, its name would leave the folder or is no file name, or it is a file where
        another one needs a folder.
    """
    for uri, name in wanted:
        _download(store, uri, folder.joinpath(*_parts(uri, name)))


def _parts(uri: S3Uri, name: str) -> list[str]:
    # How the service treats an empty part (`a//b`) is not documented; a file system has none.
    parts = [part for part in name.split("/") if part]
    if not parts or "\0" in name or any(part in {".", ".."} for part in parts):
        raise ClientFault(
            f"Data download failed:Cannot download {uri}, its name {name!r} is not the name of a "
            'file below the folder of the input. Please rename the object so that no part is ".." '
            'or ".".'
        )
    return parts


def _download(store: Store, uri: S3Uri, path: Path) -> None:
    try:
        source = store.read(uri.bucket, uri.key)
    except FileNotFoundError:
        raise ClientFault(
            f"Data download failed:NoSuchKey (404): The specified key does not exist. ({uri})"
        ) from None
    with source:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise ClientFault(
                f"Data download failed:Failed to download data. Cannot download {uri}, a "
                "previously downloaded file/folder clashes with it. Please check your s3 objects "
                "and ensure that there is no object that is both a folder as well as a file."
            ) from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise ClientFault(
                f"Data download failed:Cannot download {uri}, a part of its name is longer than a "
                "file name may be. Please rename the object."
            ) from None
