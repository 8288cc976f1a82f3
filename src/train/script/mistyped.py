"""Hyperparameters beside a script that are one slip away from ours: its own, or mistyped?

A script gets every name that is not ours, so that a mistyped ``cv_folds`` would train without
folds, and a mistyped ``group_column`` with folds that share groups.  What is the script's own
stands somewhere in its source.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from crossfold.contract.hyperparameters import shortened
from crossfold.errors import UserError
from crossfold.request.job_request import JobRequest
from crossfold.request.mode import SWITCHES
from crossfold.request.names import SCRIPT_OWN

# One slip makes too many words of a shorter name.
_SHORTEST = 5
_MOST_BYTES = 1 << 20


def refuse_mistyped(request: JobRequest, source: Path) -> None:
    """Refuse a name that looks like ours and is nowhere in the source.

    Raises
    ------
    UserError
        There is one; the message has the name that it is near to.
    """
    # Where nothing asks for folds, only what would have asked for them is missed.
    known = SWITCHES if request.mode == "script" else SCRIPT_OWN.names
    given = request.script_hyperparameters
    for name, ours in _near(given, known).items():
        if not _is_named(name, source):
            raise UserError(
                f"hyperparameter {name!r} (value {shortened(given[name], 40)!r}) is nowhere in the "
                f"script's source; did you mean {ours!r}? If it is the script's own, name it there"
            )


def _near(given: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the names that are one slip away from a known one, and that one."""
    known = tuple(known)
    plain = {_plain(name): name for name in known if len(_plain(name)) >= _SHORTEST}
    return {
        name: ours
        for name in given
        if name not in known
        for text, ours in plain.items()
        if _is_one_slip(_plain(name), text)
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name).lower()


def _is_one_slip(text: str, other: str) -> bool:
    """Say whether at most one letter is missing, too many, another, or swapped with the next."""
    alike = (ours == theirs for ours, theirs in zip(text, other, strict=False))
    start = sum(itertools.takewhile(bool, alike))
    text, other = text[start:], other[start:]
    swapped = text[:2] == other[1::-1] and text[2:] == other[2:]
    return swapped or text[1:] in (other, other[1:]) or text == other[1:]


def _is_named(name: str, source: Path) -> bool:
    """Say whether any file has the name as a word, with either dash, as in ``SM_HP_<NAME>``."""
    spelled = re.sub(r"[-_]|\\-", "[-_]", re.escape(name))
    word = re.compile(rf"(?<![a-z0-9]){spelled}(?![a-z0-9_])".encode(), re.IGNORECASE)
    return any(
        word.search(path.read_bytes())
        for path in source.rglob("*")
        if path.is_file() and path.stat().st_size <= _MOST_BYTES
    )
