"""scikit-learn objects in skops files, read with types checked and nothing unpickled.

Source: skops documentation, "Secure persistence with skops".
"""

from __future__ import annotations

import sys
import zipfile
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from crossfold.errors import UserError

# Beside scikit-learn's classes: an imputer keeps the element type of its rows.
_PLAIN_TYPES = frozenset({"numpy.dtype"})
# Parts of scikit-learn that no fitted model consists of.
_NEVER = ("sklearn.externals.", "sklearn.datasets.", "sklearn.tests.", "sklearn.conftest.")


def write_skops(path: Path, fitted: Any) -> None:
    """Write a fitted scikit-learn object."""
    path.write_bytes(_skops_for_writing().dumps(fitted))


def read_skops(path: Path) -> Any:
    """Read a fitted scikit-learn object.

    Beyond what skops trusts itself, classes of scikit-learn and numpy's element type are trusted,
    and nothing else: no function, since a file could call it, and no class of another package.

    Raises
    ------
    UserError
        The file is no skops file, or holds a type that is not trusted; the message names it.
    """
    import skops.io

    data = path.read_bytes()
    try:
        found = skops.io.get_untrusted_types(data=data)
        refused = [name for name in found if not _is_trusted(name)]
        if refused:
            message = (
                f"model file {path.name!r} holds types that are not trusted: {', '.join(refused)}; "
                "expected scikit-learn's own classes only"
            )
            raise UserError(message)
        return skops.io.loads(data, trusted=found)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        message = f"model file {path.name!r} is not a readable skops file: {error}; train again"
        raise UserError(message) from error


def _is_trusted(name: str) -> bool:
    if name in _PLAIN_TYPES:
        return True
    module_name, _, class_name = name.rpartition(".")
    if not name.startswith("sklearn.") or name.startswith(_NEVER) or ".tests." in name:
        return False
    try:
        return isinstance(getattr(import_module(module_name), class_name, None), type)
    except ImportError:
        return False


@cache
def _skops_for_writing() -> Any:
    """Import `skops.io` without its lists of trusted types, which take 0.2 s to make.

    Only reading looks at these lists.  The import is private to this module: whoever imports
    `skops.io` afterwards, `read_skops` included, gets a whole one.
    """
    if "skops.io" in sys.modules:
        return sys.modules["skops.io"]
    lists = ModuleType("skops.io._trusted_types")
    lists.__dict__["__getattr__"] = lambda _name: []
    sys.modules[lists.__name__] = lists
    try:
        return import_module("skops.io")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "skops"]:
            del sys.modules[name]
