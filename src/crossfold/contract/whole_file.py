"""Write a file aside and rename it: a reader sees the old file or the new one, never a half."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole_text(path: Path, text: str) -> None:
    """Replace `path` with `text` in UTF-8."""
    write_whole_file(path, lambda aside: _write_text(aside, text))


def write_whole_json(path: Path, document: dict[str, Any]) -> None:
    """Replace `path` with a JSON object; NaN and infinities are refused, as JSON has none."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole_text(path, text + "\n")


def write_whole_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, then rename it; a failure leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
