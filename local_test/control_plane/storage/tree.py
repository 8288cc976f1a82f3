"""A host's folder as names and files: what may be taken out of it, and what is left out and why.

A container writes what it likes.  Nothing outside its folder is read, and no link, device or pipe
is followed or opened that would make the plane do so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_CONTAINER_ROOT = Path("/opt/ml")


@dataclass(frozen=True, slots=True)
class Tree:
    """The plain files of a folder by relative name, its folders, and (name, why) left out."""

    files: dict[str, Path] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def walk(folder: Path, opt_ml: Path) -> Tree:
    """List a folder below `opt_ml`; one that is missing is empty.

    A link to a file of the same folder stands for that file; every other link is left out.
    """
    tree = Tree()
    if crosses_link(folder, opt_ml):
        tree.left_out.append((folder.name, "is a link, not a folder"))
    elif folder.is_dir():
        _walk(folder, "", tree, (folder, opt_ml))
    return tree


def crosses_link(folder: Path, opt_ml: Path) -> bool:
    """Whether a folder below `opt_ml`, or one on the way to it, is a link."""
    chain = [folder, *folder.parents]
    return any(each.is_symlink() for each in chain[: chain.index(opt_ml)])


def open_plain(path: Path) -> BinaryIO:
    """Open a file of a tree to read, also if it has become a link or a pipe since.

    Raises
    ------
    OSError
        It is gone, or a link now.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.fdopen(descriptor, "rb")


def _walk(folder: Path, prefix: str, tree: Tree, roots: tuple[Path, Path]) -> None:
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        name = prefix + entry.name
        path = Path(entry.path)
        if not _is_text(entry.name):
            tree.left_out.append((repr(name), "has a name that is not UTF-8"))
        elif entry.is_symlink():
            target = _target(path, *roots)
            if target is None:
                tree.left_out.append((name, "is a link to something else than a file beside it"))
            else:
                tree.files[name] = target
        elif entry.is_dir():
            tree.folders.append(name)
            _walk(path, f"{name}/", tree, roots)
        elif entry.is_file():
            tree.files[name] = path
        else:
            tree.left_out.append((name, "is not a plain file"))


def _target(link: Path, folder: Path, opt_ml: Path) -> Path | None:
    try:
        aim = link.readlink()
        # The container's /opt/ml is this folder; elsewhere on this machine it is something else.
        if aim.is_relative_to(_CONTAINER_ROOT):
            aim = opt_ml / aim.relative_to(_CONTAINER_ROOT)
        target = (link.parent / aim).resolve(strict=True)
    except (OSError, RuntimeError):  # gone, or a loop
        return None
    return target if target.is_relative_to(folder.resolve()) and target.is_file() else None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
