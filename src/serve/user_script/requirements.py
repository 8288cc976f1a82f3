"""Which packages a script's ``requirements.txt`` asks for in vain.

AWS's containers run pip at each start.  An endpoint that needs a package index to start fails
where there is no network, and when it scales while the index is down; so nothing is installed.

Source: PEP 508 for names and markers; versions and options are pip's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FILE_NAME = "requirements.txt"

_COMMENT = " #"


def unmet_requirements(folder: Path) -> tuple[str, ...]:
    """Return the names of packages that are asked for and not installed; versions do not count."""
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    asked = dict.fromkeys(_names(text.splitlines()))
    return tuple(name for name in asked if not _is_installed(name))


def _names(lines: list[str]) -> Iterator[str]:
    """Give the names that are asked for on this machine; addresses and options have none."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            requirement = Requirement(line.split(_COMMENT)[0].strip())
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
