"""Which script serves a model folder: found by its place, before anything of it runs.

Source: AWS's containers look for ``inference.py`` in the folder ``code`` of the model, unless
``SAGEMAKER_PROGRAM`` and ``SAGEMAKER_SUBMIT_DIRECTORY`` say otherwise; aws/sagemaker-containers
2.8, README and ``_env.py``, for the folder ``code`` beside the model's, which an image fills, and
for what lies in S3.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import orjson

from crossfold.contract.paths import OptMl
from crossfold.data.cells import quoted
from crossfold.errors import CrossfoldError, UserError
from crossfold.persistence.bundle import MAX_MANIFEST_BYTES
from crossfold.persistence.manifest import FILE_NAME
from serve.request_log import log_event
from serve.settings import ScriptSettings
from serve.user_script.fetching import fetch_code, remove_code

CODE = "code"
DEFAULT_PROGRAM = "inference.py"

_KEYS = frozenset({"format", "algorithm", "models"})
_FILE = "file://"
_REMOTE = "s3://"


@dataclass(frozen=True, slots=True)
class Script:
    """A script and where it lies.

    Attributes
    ----------
    folder : Path
        What its imports are looked for in.
    program : Path
        The file itself, in that folder or below.
    is_fetched : bool
        Whether the folder was made for it, and is to be removed at the end.
    """

    folder: Path
    program: Path
    is_fetched: bool = False

    @property
    def name(self) -> str:
        """Name the file as the user does."""
        return self.program.relative_to(self.folder).as_posix()


def find_script(model: Path, settings: ScriptSettings) -> Script | None:
    """Find the script that serves `model`; None where the folder is for us to read.

    A manifest of ours goes before any script.  Without one, ``SAGEMAKER_PROGRAM`` is obeyed, and
    else ``inference.py`` is taken where there is one.  A source in S3 is fetched; where that fails,
    the program of that name beside the model does.

    Raises
    ------
    UserError
        ``SAGEMAKER_PROGRAM`` names nothing that can be served.
    PlatformError
        It lies in S3, which cannot be reached.
    """
    folder = _folder(model, settings)
    program = folder / (settings.program or DEFAULT_PROGRAM)
    is_remote = (settings.submit_directory or "").startswith(_REMOTE)
    if settings.program is None and not is_remote and not program.is_file():
        return None
    if has_own_manifest(model):
        facts = {"program": program.name, "message": "the model has a manifest and is served by it"}
        log_event("script_ignored", facts)
        return None
    return _fetched(folder, settings) if is_remote else _checked(folder, settings)


def require_manifest(model: Path) -> None:
    """Say what a folder lacks that neither we nor a script can serve.

    Raises
    ------
    UserError
        There is no manifest at all.
    """
    if os.path.lexists(model / FILE_NAME):
        return
    message = (
        f"model folder {str(model)!r} has no {FILE_NAME!r} and no '{CODE}/{DEFAULT_PROGRAM}'; "
        "expected the folder that a training job of ours left, or beside the model a script that "
        "defines model_fn(model_dir)"
    )
    raise UserError(message)


def has_own_manifest(model: Path) -> bool:
    """Say whether a folder's manifest is one of ours; other programs call files so, too."""
    path = model / FILE_NAME
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            return False
        document = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.keys() >= _KEYS


def _folder(model: Path, settings: ScriptSettings) -> Path:
    submitted = settings.submit_directory
    if submitted is not None and not submitted.startswith(_REMOTE):
        # The SDKs name the folder in the container, which a run without one has elsewhere.
        return OptMl(model.parent).here(Path(submitted.removeprefix(_FILE)))
    folder, of_image = model / CODE, model.parent / CODE
    # An image may bring the code: that is where it lies for training, too.
    if settings.program is not None and not (folder / _python_file(settings.program)).is_file():
        return of_image if (of_image / _python_file(settings.program)).is_file() else folder
    return folder


def _fetched(folder: Path, settings: ScriptSettings) -> Script:
    """Take the script from S3; where it cannot be had there, the one of that name in `folder`."""
    assert settings.submit_directory is not None
    code: Path | None = None
    try:
        code = fetch_code(settings.submit_directory, settings.region)
        return replace(_checked(code, settings), is_fetched=True)
    except CrossfoldError as error:
        if code is not None:
            remove_code(code)
        if not (folder / _python_file(settings.program or DEFAULT_PROGRAM)).is_file():
            raise
        facts = {"reason": str(error), "message": "the code beside the model is taken"}
        log_event("script_not_fetched", facts)
    return _checked(folder, settings)


def _python_file(name: str) -> PurePosixPath:
    """Return the file of a name; AWS's containers take the name of a module as well."""
    path = PurePosixPath(name)
    return path if path.suffix or not path.name else path.with_suffix(".py")


def _checked(folder: Path, settings: ScriptSettings) -> Script:
    name = settings.program or DEFAULT_PROGRAM
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        message = (
            f"SAGEMAKER_PROGRAM is {quoted(name)}; expected a file below "
            "SAGEMAKER_SUBMIT_DIRECTORY, named from there"
        )
        raise UserError(message)
    relative = _python_file(name)
    if relative.suffix != ".py":
        message = (
            f"SAGEMAKER_PROGRAM is {quoted(name)}; to serve, expected a Python file that defines "
            "model_fn"
        )
        raise UserError(message)
    program = folder / relative
    if not program.is_file():
        raise UserError(_missing(folder, relative, settings))
    return Script(folder, program)


def _missing(folder: Path, program: PurePosixPath, settings: ScriptSettings) -> str:
    asked = f"SAGEMAKER_PROGRAM is {quoted(str(program))}"
    if settings.program is None:
        asked = f"SAGEMAKER_PROGRAM is not set, so that the script is {quoted(str(program))}"
    submitted = settings.submit_directory
    if submitted is not None and submitted.startswith(_REMOTE):
        return (
            f"{asked}, which SAGEMAKER_SUBMIT_DIRECTORY {quoted(submitted)} does not hold; name "
            "one of its files"
        )
    return (
        f"{asked}, which is not in {str(folder)!r}; put the script into the folder 'code' of "
        "model.tar.gz, or name the folder it is in by SAGEMAKER_SUBMIT_DIRECTORY"
    )
