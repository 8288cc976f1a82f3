"""A user's inference script that answers with what its container sees; it runs under `serve`.

Nothing but the standard library, because it travels inside a model to whatever image is checked.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

# What differs from call to call, or tells where a server is.
_NOT_KEPT = ("HTTP_X_AMZN_REQUESTID", "HTTP_X_AMZN_TRACE", "HTTP_TRACEPARENT", "HTTP_HOST")
# Such values stay where they are: the log and the bucket are kept for others to read.
_SECRET = re.compile(
    r"CREDENTIAL|SECRET|TOKEN|PASSW|AUTH|COOKIE|SIGNATURE|KEY|ENDPOINT_URL|METADATA|CONTAINER_|"
    r"_PORT$",
    re.IGNORECASE,
)


def model_fn(model_dir: str) -> str:
    """Take the folder for the model."""
    return model_dir


def transform_fn(
    model_dir: str, body: str | bytes, content_type: str, accept: str
) -> tuple[str, str]:
    """Answer with what is here; a body that asks for it fails."""
    if "fail" in (body.decode() if isinstance(body, bytes) else body):
        raise ValueError("the probe's script failed as it was asked to")
    base = Path(model_dir).parent
    files = sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())
    seen = {
        "environment": _without_secrets(os.environ),
        "files": [name for name in files if "__pycache__" not in name],
        "user": os.getuid(),
        "content_type": content_type,
        "accept": accept,
        "headers": _headers(),
        "can_write": os.access(model_dir, os.W_OK),
    }
    return json.dumps(seen), "application/json"


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: "<set>" if _SECRET.search(name) else environ[name] for name in environ}


def _is_hidden(header: str) -> bool:
    return header.startswith(_NOT_KEPT) or _SECRET.search(header) is not None


def _headers() -> dict[str, str]:
    """Find the request's headers in a frame of the server: no convention hands them to a script.

    The check sends one request at a time, so that what any thread holds is ours.
    """
    for frame in sys._current_frames().values():  # noqa: SLF001 - see the docstring
        environ = _environ_above(frame)
        if environ is not None:
            return {
                name: "<set>" if _is_hidden(name) else str(environ[name])
                for name in sorted(environ)
                if name.startswith("HTTP_")
            }
    return {}


def _environ_above(frame: FrameType | None) -> dict[str, object] | None:
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, dict) and "REQUEST_METHOD" in value:
                return value
        frame = frame.f_back
    return None
