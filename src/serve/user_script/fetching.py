"""A script that was submitted in S3: fetched once, before the server forks, to a folder of its own.

The model's folder is read-only.  Source: AWS's containers for scikit-learn fetch
``SAGEMAKER_SUBMIT_DIRECTORY`` when they start (aws/sagemaker-containers 2.8, ``_modules.py``), and
SageMaker's SDK 2 counts on it: its SKLearn estimator and its `Model` with an entry point leave the
model's archive as it is.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from crossfold.errors import PlatformError

_ARCHIVE, _CODE = "sourcedir.tar.gz", "code"
_INSTEAD = "put the script into the folder 'code' of model.tar.gz"


def fetch_code(uri: str, region: str | None) -> Path:
    """Fetch an archive and unpack it; return the folder, for `remove_code` at the end.

    Raises
    ------
    UserError
        There is no such object, it may not be read, or it is an archive that is refused.
    PlatformError
        S3 or the disk failed.
    """
    from crossfold.source.archive import unpack
    from crossfold.source.s3_object import download

    scratch = _made_scratch()
    try:
        archive, code = scratch / _ARCHIVE, scratch / _CODE
        download(uri, archive, region=region, environ={}, instead=_INSTEAD)
        code.mkdir()
        unpack(archive, code)
        archive.unlink()
    except BaseException as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, OSError):
            raise PlatformError(f"{uri} cannot be unpacked: {error}") from error
        raise
    return code


def remove_code(folder: Path) -> None:
    """Remove what was fetched."""
    shutil.rmtree(folder.parent, ignore_errors=True)


def _made_scratch() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="crossfold-script-"))
    except OSError as error:
        message = f"the script cannot be fetched: no folder for it can be made ({error})"
        raise PlatformError(message) from error
