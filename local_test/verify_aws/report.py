"""The result: a dated file for programs, a table for people."""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local_test.verify_aws.facts import UNSAID, Fact

_WIDE = 60


def make_room(path: Path) -> None:
    """See, before anything is paid for, that the result can be written to `path`.

    Raises
    ------
    OSError
        It cannot.
    """
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "the result needs a file, and this is a folder", str(path)
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    _aside(path).touch()
    _aside(path).unlink()


def write(path: Path, facts: Sequence[Fact], about: Mapping[str, Any]) -> None:
    """Write ``fidelity.json``: `about` says when, where and with what; the file comes whole."""
    document = {**about, "summary": summary(facts), "facts": [_as_json(each) for each in facts]}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    aside.write_text(json.dumps(document, indent=1, default=str) + "\n", "utf-8")
    aside.replace(path)


def summary(facts: Sequence[Fact]) -> dict[str, int]:
    """Count the verdicts, and the facts on which a side contradicts the documents."""
    counted = Counter[str](each.verdict for each in facts)
    against = sum(not each.is_as_documented for each in facts)
    return {"facts": len(facts), **counted, "against the documents": against}


def table(facts: Sequence[Fact]) -> str:
    """Return what differs, or is not as documented, in full; what agrees as a count.

    >>> print(table([Fact("a.b", "Which?", "1", "2", UNSAID, "differs")]))
    a.b  differs
      Which?
      real   "1"
      plane  "2"
    0 of 1 facts agree, 0 are against the documents
    """
    shown = [each for each in facts if each.verdict != "agrees" or not each.is_as_documented]
    agreeing = sum(each.verdict == "agrees" for each in facts)
    against = sum(not each.is_as_documented for each in facts)
    last = f"{agreeing} of {len(facts)} facts agree, {against} are against the documents"
    return "\n".join([*(line for each in shown for line in _lines(each)), last])


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _lines(fact: Fact) -> list[str]:
    real, plane = _parts_that_differ(fact.real, fact.plane)
    lines = [
        f"{fact.name}  {fact.verdict}",
        f"  {fact.asks}",
        f"  real   {_short(real)}",
        f"  plane  {_short(plane)}",
    ]
    if not fact.is_as_documented:
        lines.append(f"  documented  {_short(fact.documented)}")
    return lines


def _parts_that_differ(real: Any, plane: Any) -> tuple[Any, Any]:
    """Leave out what two objects have in common: the file has all of it."""
    if not (isinstance(real, Mapping) and isinstance(plane, Mapping)) or real == plane:
        return real, plane
    return (
        {name: each for name, each in real.items() if name not in plane or plane[name] != each},
        {name: each for name, each in plane.items() if name not in real or real[name] != each},
    )


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _WIDE * 3 else f"{text[: _WIDE * 3]}…"


def _as_json(fact: Fact) -> dict[str, Any]:
    document = asdict(fact)
    if fact.documented == UNSAID:
        del document["documented"]
    return document
