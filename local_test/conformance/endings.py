"""Holds what a command left against what a case expects: exit code, time, files, log lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local_test.conformance.answers import about_values, shown
from local_test.conformance.case import Expect

MAX_REASON = 1024
"""Characters of the failure file that SageMaker shows."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a command left.  The exit code is None where it had to be killed for being late."""

    root: Path
    exit_code: int | None
    seconds: float
    log: str


def complaints_about(
    ending: Ending, expect: Expect, ending_of: Callable[[str], Ending]
) -> Iterator[str]:
    """Say what is wrong; `ending_of` knows how the cases it is compared with ended."""
    if ending.exit_code is None:
        yield f"still running after {ending.seconds:.1f} s, when it was killed"
    elif expect.exit_code is not None and ending.exit_code != expect.exit_code:
        failure = ending.root / "output" / "failure"
        reason = f"; failure file: {_text(failure)[:200]!r}" if failure.is_file() else ""
        yield f"exit code is {ending.exit_code}, expected {expect.exit_code}{reason}"
    yield from _about_files(ending, expect)
    yield from _about_failure(ending.root, expect)
    yield from _about_log(ending.log, expect)
    if expect.same_lines is not None:
        matching = re.compile(expect.same_lines.matching)
        seen, wanted = (
            [line for line in log.splitlines() if matching.search(line)]
            for log in (ending.log, ending_of(expect.same_lines.case).log)
        )
        if seen != wanted:
            yield f"lines are {seen}, expected those of {expect.same_lines.case!r}: {wanted}"


def _about_files(ending: Ending, expect: Expect) -> Iterator[str]:
    root = ending.root
    for pattern in expect.files:
        if not any(root.glob(pattern)):
            there = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
            left = [name for name in there if name.startswith(("model/", "output/"))]
            yield f"no file {pattern!r}; the command left {left}"
    for pattern in expect.no_files:
        found = sorted(str(path.relative_to(root)) for path in root.glob(pattern))
        if found:
            yield f"there is {found}, expected no {pattern!r}"
    for name, values in expect.values.items():
        try:
            document = json.loads(_text(root / name))
        except (OSError, ValueError) as error:
            yield f"{name} cannot be read as JSON: {error}"
        else:
            yield from about_values(document, values, name)


def _about_failure(root: Path, expect: Expect) -> Iterator[str]:
    if expect.failure is None:
        return
    path = root / "output" / "failure"
    if not path.is_file():
        yield f"no failure file, expected one that begins with /{expect.failure}/"
        return
    first = _text(path).split("\n", maxsplit=1)[0]
    if not re.search(expect.failure, first[:MAX_REASON]):
        yield f"the failure file's first line does not match /{expect.failure}/; {shown(first)}"
    if len(first) > MAX_REASON:
        yield f"the reason has {len(first)} characters, of which SageMaker shows {MAX_REASON}"


def _about_log(log: str, expect: Expect) -> Iterator[str]:
    lines = log.splitlines()
    for expressions, allowed, said in (
        (expect.log, range(1, len(lines) + 1), "at least one"),
        (expect.log_once, range(1, 2), "exactly one"),
        (expect.no_log, range(1), "none"),
    ):
        for expression in expressions:
            pattern = re.compile(expression)
            found = [line for line in lines if pattern.search(line)]
            if len(found) not in allowed:
                examples = f": {found[:2]}" if found else ""
                yield f"{len(found)} log lines match /{expression}/, expected {said}{examples}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
