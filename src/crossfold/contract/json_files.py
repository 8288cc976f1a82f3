"""Reading of SageMaker's small JSON files: one error text for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossfold.errors import UserError


def read_json_object(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None where there is no such file.

    Raises
    ------
    UserError
        The file cannot be read, is no JSON, or holds something else than an object.
    """
    try:
        # Editors of Windows put a byte order mark first.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name} cannot be read: {error}; expected a JSON object in UTF-8"
        raise UserError(msg) from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path.name} is not JSON: {error}; expected an object such as {{}}"
        raise UserError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path.name} holds a JSON {type(content).__name__}; expected an object such as {{}}"
        raise UserError(msg)
    return content
