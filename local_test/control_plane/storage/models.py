"""A model's files in S3: whether they are there, and how they come into a host's folder.

Knows URLs and folders, no endpoint.  Source: API reference, ModelDataSource (prefix or object,
packed or not); AWS docs, 'Use Your Own Inference Code' (the tar.gz is unpacked as it is).  The
wording of faults is what users report.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path

from local_test.control_plane.storage.aws import S3Uri, Store, parse_s3_uri
from local_test.control_plane.storage.downloads import download
from local_test.control_plane.storage.unpacking import extract_all
from local_test.control_plane.training.ports import ClientFault

# The service's name of a model's first container.
_CONTAINER = 'container "container_1"'


def model_exists(store: Store, url: str) -> bool:
    """Whether there is an object whose URL is `url`, or one below it."""
    try:
        uri = parse_s3_uri(url)
    except ValueError:
        return False
    return any(
        each.key == uri.key or each.key.startswith(uri.as_folder)
        for each in store.objects(uri.bucket, uri.key)
    )


def fetch_model(store: Store, url: str, folder: Path, *, is_packed: bool) -> None:
    """Fill `folder`, which must not be there yet, with a model; it appears whole or not at all.

    Raises
    ------
    ClientFault
        There is no such object, it is no tar.gz, or its files would leave the folder.
    """
    uri = _parsed(url)
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        if is_packed:
            _unpack(store, uri, aside)
        else:
            _copy(store, uri, aside)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _parsed(url: str) -> S3Uri:
    try:
        return parse_s3_uri(url)
    except ValueError as error:
        raise ClientFault(f"model data: {error}") from None


def _unpack(store: Store, uri: S3Uri, folder: Path) -> None:
    try:
        source = store.read(uri.bucket, uri.key)
    except FileNotFoundError:
        raise _missing(uri) from None
    try:
        with source, tarfile.open(fileobj=source, mode="r|gz") as archive:
            extract_all(archive, folder)
    # ValueError, OverflowError: names with a zero byte, times out of range.
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, zlib.error) as error:
        raise ClientFault(
            f'Failed to extract model data archive for {_CONTAINER} from URL "{uri}". Please '
            "ensure that the object located at the URL is a valid tar.gz archive. "
            f"({type(error).__name__}: {error})"
        ) from error


def _copy(store: Store, uri: S3Uri, folder: Path) -> None:
    objects = store.objects(uri.bucket, uri.key)
    if any(each.key == uri.key and uri.key for each in objects):
        wanted = [(uri, uri.key.rpartition("/")[2])]
    else:
        prefix = uri.as_folder
        wanted = [
            (S3Uri(uri.bucket, each.key), each.key.removeprefix(prefix))
            for each in objects
            if each.key.startswith(prefix) and not each.key.endswith("/")
        ]
    if not wanted:
        raise _missing(uri)
    download(store, wanted, folder)


def _missing(uri: S3Uri) -> ClientFault:
    return ClientFault(
        f'Failed to download model data for {_CONTAINER} from URL: "{uri}". Please ensure that '
        "there is an object located at the URL and that the role passed to CreateModel has "
        "permissions to download the object."
    )
