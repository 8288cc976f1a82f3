"""The script `inference`, packed as a model: ``model.tar.gz`` with ``code/inference.py``."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from local_test.verify_aws import inference


def model_archive() -> bytes:
    """Return a ``model.tar.gz`` whose model is the script."""
    packed = io.BytesIO()
    script = Path(inference.__file__).read_bytes()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, body in (("code/inference.py", script), ("note.txt", b"a model\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()
