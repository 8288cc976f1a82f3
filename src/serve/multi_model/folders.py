"""Where models of a multi-model server may lie, and words about them that hold no path."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from serve.refusals import Refusal, presentable

_CALLED = "the model folder"


def model_folder(url: str, models: Path) -> Path:
    """Find the folder that a request to load a model names.

    Parameters
    ----------
    url : str
        Absolute path below `models`.
    models : Path
        Parent of all folders of models.

    Returns
    -------
    Path
        Free of links.

    Raises
    ------
    Refusal
        400: the path is not absolute, leads out of `models`, by a link or by dots, or is no folder.
    """
    # The path itself stays out of the messages: a client learns nothing about what lies where.
    if not url.startswith("/") or "\0" in url:
        raise Refusal(400, "url is no absolute path; expected that of a model folder")
    try:
        # Links are followed once, here: whatever is read later is read below this folder.
        top = os.path.realpath(models, strict=True)
        found = os.path.realpath(url, strict=True)
        is_folder = stat.S_ISDIR(os.stat(found).st_mode)  # noqa: PTH116 (realpath gave a text)
    except (OSError, ValueError) as error:
        reason = "url names nothing that can be read; expected the path of a model folder"
        raise Refusal(400, reason) from error
    if not found.startswith(top + "/"):
        reason = (
            "url leads out of the folder that models are loaded from; expected a folder inside it"
        )
        raise Refusal(400, reason)
    if not is_folder:
        raise Refusal(400, "url names a file; expected the path of a model folder")
    return Path(found)


def without_paths(message: str, folder: Path) -> str:
    """Tell what is wrong with a model in one line that a client may see."""
    text = message.replace(f"model folder {str(folder)!r}", _CALLED)
    return presentable(text.replace(str(folder), _CALLED))
