"""Which packages a script's ``requirements.txt`` asks for in vain.

AWS's containers run pip at each start.  An endpoint that needs a package index to start fails
where there is no network, and when it scales while the index is down; so nothing is installed.

Source: PEP 508 for the names; versions and options are pip's business.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FILE_NAME = "requirements.txt"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def unmet_requirements(folder: Path) -> tuple[str, ...]:
    """Return the names of packages that are asked for and not installed; versions do not count."""
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    names = (_NAME.match(line.strip()) for line in text.splitlines())
    asked = dict.fromkeys(name[0] for name in names if name is not None)
    return tuple(name for name in asked if not _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
