"""A user's inference script that answers with what its container sees, packed as a model.

The script travels as text: it runs in the image, under `serve`, not here.
"""

from __future__ import annotations

import io
import tarfile

SCRIPT = """\
import json
import os
from pathlib import Path


def model_fn(model_dir):
    return model_dir


def transform_fn(model_dir, body, content_type, accept):
    text = body.decode() if isinstance(body, bytes) else body
    if "fail" in text:
        raise ValueError("the probe's script failed as it was asked to")
    base = Path(model_dir).parent
    files = sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())
    seen = {
        "environment": dict(os.environ),
        "files": [name for name in files if "__pycache__" not in name],
        "user": os.getuid(),
        "content_type": content_type,
        "accept": accept,
        "can_write": os.access(model_dir, os.W_OK),
    }
    return json.dumps(seen), "application/json"
"""


def model_archive() -> bytes:
    """Return a ``model.tar.gz`` whose model is the script."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (("code/inference.py", SCRIPT), ("note.txt", "a model\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
