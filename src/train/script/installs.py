"""``requirements.txt`` and packages: what pip is asked for before the program runs.

As sagemaker-training: a package is installed from its folder, together with ``requirements.txt``;
beside a Python file ``requirements.txt`` is; a command installs for itself.  With nothing to
install, as where every line names what is installed already, there is no pip and no network.

Sources: PEP 508 for names, versions and markers; all other lines are pip's business.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from crossfold.errors import UserError
from train.script.child import Program
from train.script.entry_point import EntryPoint

_REQUIREMENTS = "requirements.txt"
# Read by every version of pip that knows them, ignored by the others; the user's own come first.
_SETTINGS = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
# It builds a package in an environment of its own, which it fills from the index.
_BUILD_NEEDS = "build dependencies did not run successfully"
_BUILD_HINT = (
    "where there is no index, put what builds the package (setuptools and wheel, unless its "
    "pyproject.toml names others) into the image and set PIP_NO_BUILD_ISOLATION=false in the job's "
    "environment"
)


def installation(folder: Path, entry: EntryPoint, environ: Mapping[str, str]) -> Program | None:
    """Return the run of pip that the source needs; None where there is nothing to install.

    Raises
    ------
    UserError
        Something is to be installed, and there is no pip.
    """
    wanted: list[str] = []
    if entry.kind == "package":
        wanted.append(".")
    if entry.kind != "command" and _asks_for_something(folder / _REQUIREMENTS):
        wanted += ["--requirement", _REQUIREMENTS]
    if not wanted:
        return None
    if importlib.util.find_spec("pip") is None:
        raise UserError(
            f"the source asks for {' '.join(wanted)}, but this image has no pip; build it with "
            "REQUIREMENTS='runtime.txt script-mode.txt', or install it in an image of your own"
        )
    # -P: a queue.py of the user's must not be taken for the standard library's by pip.
    argv = (sys.executable, "-P", "-m", "pip", "install", *wanted)
    return Program(argv, folder, {**_SETTINGS, **environ})


def pip_reason(errors: bytes) -> str:
    """Return pip's own words for why it failed, the last ones last, and ours where it has none."""
    text = errors.decode("utf-8", errors="replace")
    lines = text.splitlines()
    said = [re.sub(r"^\s*(ERROR|error): *", "", line) for line in lines if _is_error(line)]
    hint = [_BUILD_HINT] if _BUILD_NEEDS in text else []
    return "; ".join(dict.fromkeys([*said, *hint])) or "see the log"


def _is_error(line: str) -> bool:
    return line.lstrip().startswith(("ERROR:", "error:"))


def _asks_for_something(path: Path) -> bool:
    if not path.is_file():
        return False
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    asked = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
    return not all(_is_met(line) for line in asked if line)


def _is_met(line: str) -> bool:
    """Say whether a line names an installed package, or none for this machine."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    try:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate():
            return True
        if wanted.url or wanted.extras:
            return False
        return wanted.specifier.contains(version(wanted.name), prereleases=True)
    except (PackageNotFoundError, TypeError, ValueError):
        return False
