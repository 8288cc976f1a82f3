"""``sagemaker_program`` → what to run: a Python file, a module of a package, or a command.

The kinds are sagemaker-training's (README, "How a script is executed"): a name that ends in ``.sh``
is a command, with a ``setup.py`` it is a module, ``.py`` is a file, anything else is a command.
Added: a ``pyproject.toml`` that says how to build also makes a package, a module may lie in a
folder, and a name may hold any sign, because nothing is read by a shell.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from crossfold.errors import UserError
from train.script.child import Reach

Kind = Literal["python", "package", "command"]

_SHELL = "/bin/sh"
_SHOWN_FILES = 10
# The kernel looks no further (execve(2)).
_SHEBANG_BYTES = 256


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What to run.

    Attributes
    ----------
    name : str
        As the user gave it.
    kind : {'python', 'package', 'command'}
    argv : tuple of str
        The hyperparameters' arguments follow.
    """

    name: str
    kind: Kind
    argv: tuple[str, ...]

    @property
    def reach(self) -> Reach:
        """A shell passes no signal on to what it runs, so its whole group gets it."""
        return "group" if self.kind == "command" else "process"


def find_entry_point(folder: Path, name: str) -> EntryPoint:
    """Find the program in the source.

    Raises
    ------
    UserError
        The name leaves the source, nothing of that name is there, or it cannot be executed.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or name.startswith("-"):
        raise UserError(
            f"sagemaker_program is {name!r}; expected a path inside the source such as train.py"
        )
    kind = _kind(folder, name)
    path = folder / pure
    if kind == "package" and not _is_file(path):
        # The module may be one that the installation brings.
        return EntryPoint(name, kind, _module_argv(name))
    if not _is_file(path) or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"sagemaker_program is {name!r}, but the source has no such file ({_files_in(folder)})"
        )
    if kind == "package":
        return EntryPoint(name, kind, _module_argv(name))
    if kind == "python":
        return EntryPoint(name, kind, (sys.executable, str(pure)))
    return EntryPoint(name, kind, _command_argv(path, pure))


def is_package(folder: Path) -> bool:
    """Say whether the source is to be installed; many keep a linter's settings in pyproject.toml.

    Raises
    ------
    UserError
        Its pyproject.toml is none.
    """
    if (folder / "setup.py").is_file():
        return True
    path = folder / "pyproject.toml"
    if not path.is_file():
        return False
    import tomllib

    try:
        return "build-system" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"pyproject.toml of the source cannot be read: {error}") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # of a name that is longer than any


def _kind(folder: Path, name: str) -> Kind:
    if name.endswith(".sh"):
        return "command"
    if is_package(folder):
        return "package"
    return "python" if name.endswith(".py") else "command"


def _module_argv(name: str) -> tuple[str, ...]:
    module = name.removesuffix(".py").replace("/", ".")
    return (sys.executable, "-m", module)


def _command_argv(path: Path, pure: PurePosixPath) -> tuple[str, ...]:
    """Let the kernel read ``#!``, as a script may want bash; without it, a shell runs the file."""
    with path.open("rb") as file:
        start = file.readline(_SHEBANG_BYTES)
    if start[:2] != b"#!" and start[:4] != b"\x7fELF":
        return (_SHELL, f"./{pure}")
    if start[:2] == b"#!" and start.endswith(b"\r\n"):
        raise UserError(
            f"sagemaker_program {str(pure)!r} has the line ends of Windows, which Linux takes for "
            "part of its interpreter's name; save it with those of Unix (LF)"
        )
    with contextlib.suppress(OSError):
        path.chmod(path.stat().st_mode | 0o111)
    return (f"./{pure}",)


def _files_in(folder: Path) -> str:
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if not names:
        return "it is empty"
    more = f" and {len(names) - _SHOWN_FILES} more" if len(names) > _SHOWN_FILES else ""
    return f"it has {', '.join(names[:_SHOWN_FILES])}{more}"
