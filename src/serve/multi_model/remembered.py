"""The names of loaded models in a file, for a worker process that takes over from a dead one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from crossfold.contract.whole_file import write_whole_json


def write_remembered(path: Path, urls: Mapping[str, str]) -> None:
    """Replace what is remembered: the path of each model, by its name."""
    write_whole_json(path, {"models": dict(urls)})


def read_remembered(path: Path) -> dict[str, str]:
    """Return what is remembered; nothing where there is no file or no such file."""
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        return {str(name): str(url) for name, url in models.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
