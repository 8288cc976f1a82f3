"""The code of a script, put beside the model that it left, where ``serve`` looks for it.

AWS's images leave the model folder as the script wrote it, and the SDK packs the code in when it
makes a model, but only for its own frameworks (SageMaker SDK 2: ``Estimator.create_model`` names no
script).  Here the code is put in at once unless the script has brought its own, so that the model
is served as it is; ``inference.py`` is then the program itself where it has a `model_fn`, or
leads to it where it lies in a subfolder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

MAX_BYTES = 100_000_000
"""Data among the code would be in the archive of each trial's model, and on each endpoint."""

NOTE = ".copied-by-train"
"""In ``model/code`` where it is a copy of ours, and not what a script has put there."""

_CODE, _INFERENCE = "code", "inference.py"
_HALF = ".code.half"
_OTHER_FOLDERS = frozenset({"__pycache__", "node_modules"})
# The folder of a virtual environment may have any name.
_ENVIRONMENT = "pyvenv.cfg"
_OTHER_FILES = (".pyc", ".pem", ".key", ".p12", ".pfx")
# What Python does for a program: the folder that it lies in is looked into first.  The program may
# be called as a module of the server's.
_FORWARDER = """\
# Written by train, for serve: runs the program from its own folder.
import importlib.util
import sys
from pathlib import Path

_program = Path(__file__).parent / {program!r}
sys.path.insert(0, str(_program.parent))
_spec = importlib.util.spec_from_file_location(_program.stem, _program)
_module = importlib.util.module_from_spec(_spec)
sys.modules.setdefault(_program.stem, _module)
_spec.loader.exec_module(_module)
globals().update({{name: each for name, each in vars(_module).items() if name[:2] != "__"}})
"""


def files_to_bring(source: Path) -> tuple[str, ...]:
    """Return what belongs beside a model, named from `source`, before a script writes there too.

    Hidden files (``.git``, ``.env``), bytecode, environments, private keys, and links that leave
    the source do not.
    """
    return tuple(path.relative_to(source).as_posix() for path in _files(source))


def bring_code(
    model: Path, source: Path, files: Iterable[str], program: str, log: Callable[[str], None]
) -> str:
    """Copy files of the source into the model's folder; return what is there now.

    A copy that cannot be made is no failure of the job.

    Parameters
    ----------
    model, source : Path
    files : iterable of str
        Named from `source`; those that are gone do not count.
    program : str
        The script, named from `source`.
    log : callable
        Told why the code is not copied.
    """
    target, half = model / _CODE, model / _HALF
    try:
        # A script that trains on may have taken it over with the earlier model.
        clear_code(model)
        if os.path.lexists(target):
            return "the script has put code beside its model; it stays as it is"
        present = [name for name in files if _is_own(source / name, source)]
        n_bytes = sum((source / name).stat().st_size for name in present)
        if n_bytes <= MAX_BYTES:
            said = _copy(present, source, program, half)
            half.rename(target)
            return said
        why = f"it has {n_bytes:,} bytes, more than {MAX_BYTES:,}: keep data elsewhere"
    except OSError as error:
        why = str(error)
        shutil.rmtree(half, ignore_errors=True)
    log(f"the source is not in model/code: {why}; what serve needs, the script can put there")
    return "no code is in model/code"


def clear_code(model: Path) -> None:
    """Remove the copy that an earlier start has made, or half of it; a script's own stays."""
    shutil.rmtree(model / _HALF, ignore_errors=True)
    code = model / _CODE
    if (code / NOTE).is_file() and not code.is_symlink():
        shutil.rmtree(code)


def can_serve(source: Path, program: str) -> bool:
    """Say whether the source holds what `serve` calls: ``inference.py``, or a `model_fn`."""
    return (source / _INFERENCE).is_file() or _has_model_fn(source / program)


def _files(source: Path) -> Iterator[Path]:
    """Yield the files of the source that belong beside a model, sorted."""
    for folder, folders, names in os.walk(source):
        if _ENVIRONMENT in names:
            folders.clear()
            continue
        # Folders that are links are not entered.
        folders[:] = sorted(
            each for each in folders if not each.startswith(".") and each not in _OTHER_FOLDERS
        )
        for name in sorted(names):
            path = Path(folder, name)
            is_other = name.startswith(".") or name.lower().endswith(_OTHER_FILES)
            if not is_other and _is_own(path, source):
                yield path


def _is_own(path: Path, source: Path) -> bool:
    """Say whether it is a file whose contents lie in the source."""
    # Of a link to itself, `Path.resolve` raises RuntimeError.
    place = Path(os.path.realpath(path))
    if path.is_symlink() and not place.is_relative_to(os.path.realpath(source)):
        return False
    return path.is_file()


def _copy(files: Iterable[str], source: Path, program: str, folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / NOTE).write_text("a copy by train, which the next run replaces\n", encoding="utf-8")
    for name in files:
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, copy)
    inference = folder / _INFERENCE
    if inference.exists() or not _has_model_fn(folder / program):
        return "the code is in model/code, for serve"
    if Path(program).parent == Path():
        shutil.copyfile(folder / program, inference)
    else:
        inference.write_text(_FORWARDER.format(program=program), encoding="utf-8")
    return f"the code is in model/code, for serve; {_INFERENCE} is {program}"


def _has_model_fn(program: Path) -> bool:
    """Say whether a program can be served: it is Python and has a `model_fn`."""
    if program.suffix != ".py" or not program.is_file():
        return False
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            # Python has told them when it ran the program.
            warnings.simplefilter("ignore")
            tree = ast.parse(program.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == "model_fn" for node in tree.body)
