"""A fact: one question about the service, and what each side answers; what makes them comparable.

Knows neither AWS nor how facts are observed.  Names, accounts, regions and times differ from run to
run; they are replaced by what they stand for before two answers are compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

# The documents do not say what the answer is.
UNSAID: Final = "not documented"
# A side has no such fact; null is a value that a side may show.
NOT_SEEN: Final = "not observed"
Verdict = Literal["agrees", "differs", "only real", "only plane"]

_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\bi-[0-9a-f]{8,17}\b", "<instance>"),
    # Who called, an account, a key or an address is nobody's business, whatever it is found in.
    (r"\barn:aws[a-z-]*:(iam|sts)::[^\s\"',;]+", "<identity>"),
    (r"(?<!\d)\d{12}(?!\d)", "<account>"),
    (r"\b(AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b", "<key>"),
    (r"(X-Amz-(?:Credential|Security-Token|Signature)=)[^&\s\"]+", r"\1<secret>"),
    (r"\b\d{1,3}(\.\d{1,3}){3}\b|\bip-\d{1,3}(-\d{1,3}){3}\b", "<address>"),
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
        seen = [each for each in (self.real, self.plane) if each != NOT_SEEN]
        return self.documented == UNSAID or all(_is_same(each, self.documented) for each in seen)


def comparable(value: Any, stands_for: Mapping[str, str]) -> Any:
    """Replace what differs from run to run: `stands_for` maps texts to their placeholders.

    >>> comparable({"Arn": "arn:1234:job/a"}, {"1234": "<account>", "job/a": "job/<name>"})
    {'Arn': 'arn:<account>:job/<name>'}

    A text is replaced as a word of its own only.

    >>> comparable("model, remodeled", {"model": "<bucket>", "": "<nothing>"})
    '<bucket>, remodeled'
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
        if text:
            word = rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])"
            value = re.sub(word, stands_for[text], value)
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
        real=NOT_SEEN if real is None else real.value,
        plane=NOT_SEEN if plane is None else plane.value,
        documented=said.documented,
        verdict=_verdict(real, plane),
    )


def _verdict(real: Observation | None, plane: Observation | None) -> Verdict:
    if real is None:
        return "only plane"
    if plane is None:
        return "only real"
    return "agrees" if _is_same(real.value, plane.value) else "differs"


def _is_same(one: Any, other: Any) -> bool:
    """Say whether two are the same JSON: 1 is neither true nor 1.0 there, as for a client."""
    first, second = (json.dumps(each, sort_keys=True, default=str) for each in (one, other))
    return first == second
