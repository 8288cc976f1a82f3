"""A fact: one question about the service, and what each side answers; what makes them comparable.

Knows neither AWS nor how facts are observed.  Names, accounts, regions and times differ from run to
run; they are replaced by what they stand for before two answers are compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

# The documents do not say what the answer is.
UNSAID: Final = "not documented"
Verdict = Literal["agrees", "differs", "only real", "only plane"]

_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\bi-[0-9a-f]{8,17}\b", "<instance>"),
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one side showed: `value` is JSON; `documented` what AWS's documents say it is.

    `fact` is a short name with dots, `asks` the question in words.
    """

    fact: str
    asks: str
    value: Any
    documented: Any = UNSAID


@dataclass(frozen=True, slots=True)
class Fact:
    """One question with both answers."""

    name: str
    asks: str
    real: Any
    plane: Any
    documented: Any
    verdict: Verdict

    @property
    def is_as_documented(self) -> bool:
        """Whether no side contradicts the documents."""
        seen = [each for each in (self.real, self.plane) if each is not None]
        return self.documented == UNSAID or all(each == self.documented for each in seen)


def comparable(value: Any, stands_for: Mapping[str, str]) -> Any:
    """Replace what differs from run to run: `stands_for` maps texts to their placeholders.

    >>> comparable({"Arn": "arn:1234:job/a"}, {"1234": "<account>", "job/a": "job/<name>"})
    {'Arn': 'arn:<account>:job/<name>'}
    """
    if isinstance(value, Mapping):
        return {
            comparable(str(key), stands_for): comparable(each, stands_for)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [comparable(each, stands_for) for each in value]
    if not isinstance(value, str):
        return value
    for text in sorted(stands_for, key=len, reverse=True):
        value = value.replace(text, stands_for[text])
    for pattern, placeholder in _PATTERNS:
        value = re.sub(pattern, placeholder, value)
    return value


def compare(real: Mapping[str, Observation], plane: Mapping[str, Observation]) -> list[Fact]:
    """Return every fact that a side showed, in the order of the plane's."""
    names = [*plane, *(name for name in real if name not in plane)]
    return [_fact(name, real.get(name), plane.get(name)) for name in names]


def _fact(name: str, real: Observation | None, plane: Observation | None) -> Fact:
    said = plane or real
    assert said is not None
    return Fact(
        name=name,
        asks=said.asks,
        real=None if real is None else real.value,
        plane=None if plane is None else plane.value,
        documented=said.documented,
        verdict=_verdict(real, plane),
    )


def _verdict(real: Observation | None, plane: Observation | None) -> Verdict:
    if real is None:
        return "only plane"
    if plane is None:
        return "only real"
    return "agrees" if real.value == plane.value else "differs"
