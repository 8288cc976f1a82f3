"""Where the user's code comes from, in this order; it ends up in ``code`` below the root.

1. ``sagemaker_submit_directory`` (hyperparameter, else environment): an s3:// URI of a tar.gz, an
   archive or a folder of this machine.  Where ``code`` holds something already, that is taken, as
   sagemaker-training does: SDK 2's local mode mounts it, an image may bring it.  What an earlier
   run of ours has brought there is brought anew, because its source may have changed since.
2. ``code``, where an image or a mount has put something there.
3. Channel ``code``: an archive ``sourcedir.tar.gz``, else its files.

A folder is copied without the job's own tree, which on a laptop often lies in it.

Sources: sagemaker-training 5.1.4, README and ``files.download_and_extract``; SageMaker SDK 2, which
puts the source into a channel when a job has no network.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crossfold.contract.hyperparameters import is_nothing, unquote
from crossfold.contract.paths import OptMl
from crossfold.errors import PlatformError, UserError
from crossfold.source.archive import unpack
from crossfold.source.s3_object import download

CHANNEL = "code"
_ARCHIVE = "sourcedir.tar.gz"
_SUBMIT_DIRECTORY = "sagemaker_submit_directory"
_REGION = "sagemaker_region"
# Beside ``code``: that it is a copy of ours.  Written first, so that half a copy is known as one.
_NOTE = ".code-is-a-copy"
_PREVIOUS = "code.previous"
_INSTEAD = "give the source as channel 'code'"


@dataclass(frozen=True, slots=True)
class Source:
    """The user's code.

    Attributes
    ----------
    folder : Path
        Where it lies now.
    origin : str
        Where it came from, for the log.
    """

    folder: Path
    origin: str


def submit_directory(hyperparameters: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Return where the user says that the code is."""
    return _setting(_SUBMIT_DIRECTORY, hyperparameters, environ)


def fetch_source(
    opt_ml: OptMl,
    hyperparameters: Mapping[str, str],
    environ: Mapping[str, str],
) -> Source:
    """Bring the code to its folder.

    Raises
    ------
    UserError
        There is none, it cannot be read, or it is an archive that is refused.
    PlatformError
        S3 or the disk failed.
    """
    folder = opt_ml.root / "code"
    given = submit_directory(hyperparameters, environ)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not _is_set_aside(folder):
            return Source(folder, f"{folder}, which was there already")
        (opt_ml.root / _NOTE).touch()
        if given is not None and given.startswith("s3://"):
            region = environ.get("AWS_REGION") or _setting(_REGION, hyperparameters, environ)
            _download(given, folder, region=region, environ=environ)
            return Source(folder, given)
        return Source(folder, str(_take(_place(opt_ml, given), folder, opt_ml)))
    except OSError as error:
        raise PlatformError(f"the source cannot be brought to {folder}: {error}") from error


def _is_set_aside(folder: Path) -> bool:
    """Move an earlier copy of ours to ``code.previous``: somebody may have edited it."""
    if not (folder.parent / _NOTE).exists():
        return False
    previous = folder.parent / _PREVIOUS
    if previous.exists():
        shutil.rmtree(previous)
    folder.rename(previous)
    folder.mkdir()
    return True


def _setting(
    name: str, hyperparameters: Mapping[str, str], environ: Mapping[str, str]
) -> str | None:
    text = unquote(hyperparameters.get(name) or environ.get(name.upper()) or "")
    return None if is_nothing(text) else text


def _download(uri: str, folder: Path, *, region: str | None, environ: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="source-") as scratch:
        archive = Path(scratch) / _ARCHIVE
        download(uri, archive, region=region, environ=environ, instead=_INSTEAD)
        unpack(archive, folder)


def _place(opt_ml: OptMl, given: str | None) -> Path:
    """Return the file or folder of this machine that holds the code."""
    if given is not None:
        place = opt_ml.here(Path(given.removeprefix("file://")))
        if not _exists(place):
            raise UserError(
                f"sagemaker_submit_directory is {given!r}, which does not exist; expected an "
                "s3:// URI, an archive or a folder"
            )
        return place
    place = opt_ml.channel(CHANNEL)
    if not place.is_dir() or not any(place.iterdir()):
        raise UserError(
            "there is a sagemaker_program but no source: give sagemaker_submit_directory, channel "
            f"'{CHANNEL}', or an image with files in {opt_ml.root / 'code'}"
        )
    archive = place / _ARCHIVE
    return archive if archive.is_file() else place


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        return False  # of a name that is longer than any


def _take(place: Path, folder: Path, opt_ml: OptMl) -> Path:
    """Copy or unpack what is there; a channel is read-only, and an installation writes."""
    if place.is_file():
        unpack(place, folder)
    elif place.resolve() == folder.resolve():
        raise UserError(f"sagemaker_submit_directory is {str(place)!r}, which is empty")
    else:
        shutil.copytree(
            place, folder, symlinks=True, dirs_exist_ok=True, ignore=_but_for(opt_ml, folder)
        )
    return place


def _but_for(opt_ml: OptMl, folder: Path) -> Callable[[str, list[str]], list[str]]:
    """Return what leaves the job out of a copy: else the copy would be copied, without an end."""
    root = opt_ml.root
    beside = (folder, root / _PREVIOUS, root / _NOTE, root / "input")
    own = (root, *beside, opt_ml.model, opt_ml.output, opt_ml.checkpoints)
    left_out = {os.path.realpath(path) for path in own}

    def ignored(parent: str, names: list[str]) -> list[str]:
        place = Path(os.path.realpath(parent))
        return [name for name in names if str(place / name) in left_out]

    return ignored
