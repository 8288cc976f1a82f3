"""The kinds of value that a parameter may take: what a text must look like, and what it means.

Each kind decodes an unquoted text or raises ValueError, and says in words what it expects.  Nothing
is ever evaluated: structured values are JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from crossfold.contract.hyperparameters import (
    decode_flag,
    decode_integer,
    decode_list,
    decode_number,
    is_nothing,
    shortened,
)

_N = TypeVar("_N", int, float)


class Mistake(ValueError):
    """A refused text with a hint for mending it."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self.hint = hint


class Kind(Protocol):
    """What a parameter's text must look like."""

    @property
    def expected(self) -> str:
        """What is allowed, in words that follow "expected"."""

    def decode(self, text: str) -> Any:
        """Return the typed value of an unquoted text; raise ValueError if it is not allowed."""


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number, ends included; ``5.0`` is one unless `strict`.

    `largest` is the end of the library's type: too far off to be told before it is passed.
    """

    low: int | None = None
    high: int | None = None
    strict: bool = False
    largest: int | None = None

    @property
    def expected(self) -> str:
        return _with_bounds("an integer", self.low, self.high)

    def decode(self, text: str) -> int:
        number = _bounded(decode_integer(text, strict=self.strict), self.low, self.high)
        if self.largest is not None and number > self.largest:
            raise Mistake(f"the library takes at most {self.largest}")
        return number


@dataclass(frozen=True, slots=True)
class Continuous:
    """A finite number between ends that belong to it unless they are open."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    infinite: bool = False

    @property
    def expected(self) -> str:
        return _with_bounds(
            "a number", self.low, self.high, low_open=self.low_open, high_open=self.high_open
        )

    def decode(self, text: str) -> float:
        number = _bounded(decode_number(text, infinite=self.infinite), self.low, self.high)
        if (self.low_open and number == self.low) or (self.high_open and number == self.high):
            raise ValueError(text)
        return number


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some words.

    `synonyms` maps further spellings to a word, `hints` maps wrong ones to advice.
    """

    choices: tuple[str, ...]
    synonyms: tuple[tuple[str, str], ...] = ()
    hints: tuple[tuple[str, str], ...] = ()

    @property
    def expected(self) -> str:
        words = ", ".join(repr(choice) for choice in self.choices)
        return words if len(self.choices) == 1 else f"one of {words}"

    def decode(self, text: str) -> str:
        word = dict(self.synonyms).get(text, text)
        if word in self.choices:
            return word
        hint = dict(self.hints).get(text)
        raise ValueError(text) if hint is None else Mistake(hint)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    @property
    def expected(self) -> str:
        return "true or false"

    def decode(self, text: str) -> bool:
        return decode_flag(text)


@dataclass(frozen=True, slots=True)
class Text:
    """Any text that is not empty."""

    meaning: str = "a text"

    @property
    def expected(self) -> str:
        return self.meaning

    def decode(self, text: str) -> str:
        if not text:
            raise ValueError(text)
        return text


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of a certain form."""

    form: str
    meaning: str

    @property
    def expected(self) -> str:
        return self.meaning

    def decode(self, text: str) -> str:
        if not re.fullmatch(self.form, text):
            raise ValueError(text)
        return text


@dataclass(frozen=True, slots=True)
class TextList:
    """Texts without repetition, separated by commas or as a JSON list."""

    meaning: str = "a comma list"

    @property
    def expected(self) -> str:
        return self.meaning

    def decode(self, text: str) -> tuple[str, ...]:
        items = decode_list(text)
        if not all(items):
            raise ValueError(text)
        repeated = next((item for item in items if items.count(item) > 1), None)
        if repeated is not None:
            raise Mistake(f"{shortened(repeated)!r} is named twice; name it once")
        return items


@dataclass(frozen=True, slots=True)
class NumberList:
    """Numbers of one kind: ``0.1,0.5``, ``[1, -1]`` or ``(1,-1)``.

    Beside kinds of single numbers a list must be `bracketed`.
    """

    item: Kind
    min_length: int = 1
    max_length: int | None = None
    bracketed: bool = False

    @property
    def expected(self) -> str:
        item = self.item.expected.removeprefix("an ").removeprefix("a ")
        length = ""
        if self.max_length is not None:
            length = f" of {_with_bounds('length', self.min_length, self.max_length)}"
        return f"a list{length} whose items are each {_article(item)} {item}, as in '(1,0)'"

    def decode(self, text: str) -> tuple[Any, ...]:
        if self.bracketed and text[:1] not in {"[", "("}:
            raise ValueError(text)
        items = tuple(self.item.decode(item) for item in decode_list(text))
        _bounded(len(items), self.min_length, self.max_length)
        return items


@dataclass(frozen=True, slots=True)
class NumberMap:
    """A JSON object of numbers of one kind."""

    item: Integer | Continuous
    example: str

    @property
    def expected(self) -> str:
        return f"a JSON object whose values are each {self.item.expected}, as in {self.example!r}"

    def decode(self, text: str) -> dict[str, Any]:
        members = json.loads(text)
        if not isinstance(members, dict) or not members:
            raise ValueError(text)
        return {
            name: self.item.decode(value if isinstance(value, str) else json.dumps(value))
            for name, value in members.items()
        }


@dataclass(frozen=True, slots=True)
class IndexGroups:
    """Groups of feature indices, as a JSON list of lists: ``[[0, 1], [2, 3]]``.

    The value is a list of lists, or JSON text where the library wants that.
    """

    as_text: bool = False

    @property
    def expected(self) -> str:
        return "a JSON list of lists of feature indices, as in '[[0, 1], [2, 3]]'"

    def decode(self, text: str) -> list[list[int]] | str:
        # Python's str of tuples means the same.
        groups = json.loads(text.replace("(", "[").replace(",)", "]").replace(")", "]"))
        if not isinstance(groups, list) or not groups:
            raise ValueError(text)
        indices = [_indices(group) for group in groups]
        return json.dumps(indices) if self.as_text else indices


@dataclass(frozen=True, slots=True)
class Nothing:
    """None, where it is a value of its own."""

    @property
    def expected(self) -> str:
        return "null"

    def decode(self, text: str) -> None:
        if not is_nothing(text):
            raise ValueError(text)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Whatever the first fitting kind makes of a text.

    Beside a `Continuous`, an `Integer` must be strict: ``1`` and ``1.0`` may mean different things.
    """

    kinds: tuple[Kind, ...]

    @property
    def expected(self) -> str:
        return ", or ".join(kind.expected for kind in self.kinds)

    def decode(self, text: str) -> Any:
        for kind in self.kinds:
            try:
                return kind.decode(text)
            except ValueError:
                continue
        raise ValueError(text)


def _with_bounds(
    noun: str,
    low: float | None,
    high: float | None,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> str:
    at_least = "" if low is None else f"{'above' if low_open else 'of at least'} {_told(low)}"
    at_most = "" if high is None else f"{'below' if high_open else 'at most'} {_told(high)}"
    if low is not None and high is not None and not (low_open or high_open):
        return f"{noun} from {_told(low)} to {_told(high)}"
    if low is not None and high is not None:
        return f"{noun} {at_least.replace('of ', '')} and {at_most}"
    return " ".join(filter(None, (noun, at_least or at_most.replace("at most", "of at most"))))


def _told(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _bounded(number: _N, low: float | None, high: float | None) -> _N:
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(number)
    return number


def _indices(group: object) -> list[int]:
    if not isinstance(group, list) or not group:
        raise ValueError(group)
    for index in group:
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise ValueError(group)
    return group


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeio" else "a"
