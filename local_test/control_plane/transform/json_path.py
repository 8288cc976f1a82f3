"""The part of JSONPath that input and output filters know.

Source: AWS docs, 'Associate Prediction Results with Input Records', table of operators: ``$``,
``.name``, ``*``, ``['a','b']``, ``[n]`` and ``[n,m]`` with negative numbers, ``[a:b]``; several
children in brackets come last; API reference, DataProcessing: numbers and slices in one list
(``$[0,5:]``), an index outside is an error.  The first page's prose has a slice end with ``b``, the
JSONPath library that it names before ``b``: so it is here.  Not documented: that a name which is
not there, and a slice that selects nothing, are errors too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

_POSITION = r"(?:(?:-?\d+\s*)?:(?:\s*-?\d+)?|-?\d+)"
_QUOTED = r"'[^']*'"
_SEGMENT = re.compile(
    rf"""
      \.(?P<name>[^\s.,:\[\]()'"*?@$]+)
    | (?:\.\*|\.?\[\s*\*\s*\])(?P<any>)
    | \.?\[\s*(?P<names>{_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\]
    | \.?\[\s*(?P<positions>{_POSITION}(?:\s*,\s*{_POSITION})*)\s*\]
    """,
    re.VERBOSE,
)
_ALLOWED = "$, .name, *, ['a','b'], [1], [0,-1] and [1:3]"


class NotSelected(Exception):
    """A record has not what a path asks for."""


@dataclass(frozen=True, slots=True)
class Names:
    """Children of an object by name."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Positions:
    """Elements of an array: places, negative ones from its end, and slices."""

    places: tuple[int | tuple[int | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All children of an object or an array."""


Selector = Names | Positions | Every


@dataclass(frozen=True, slots=True)
class JsonPath:
    """One filter; `select` gives one value, or a list where the path may select several."""

    text: str
    selectors: tuple[Selector, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a path.

        Raises
        ------
        ValueError
            It is none of this part of JSONPath.
        """
        if not text.startswith("$"):
            raise ValueError(f"{text!r} is no JSONPath: it must begin with $")
        selectors, at = [], 1
        while at < len(text):
            found = _SEGMENT.match(text, at)
            if found is None:
                raise ValueError(f"{text!r} has {text[at:]!r}; supported are {_ALLOWED}")
            selectors.append(_selector(found))
            at = found.end()
        if any(isinstance(each, Names) and len(each.names) > 1 for each in selectors[:-1]):
            raise ValueError(f"{text!r} goes on after several names; they must come last")
        return cls(text, tuple(selectors))

    @property
    def is_whole(self) -> bool:
        """Whether it selects what it is given."""
        return not self.selectors

    @property
    def has_names(self) -> bool:
        """Whether it can only be used on objects."""
        return any(isinstance(each, Names) for each in self.selectors)

    def select(self, value: Any) -> Any:
        """Return what the path selects.

        Raises
        ------
        NotSelected
            It is not there.
        """
        nodes = [value]
        for selector in self.selectors:
            nodes = [child for node in nodes for child in self._children(selector, node)]
        return nodes[0] if all(_is_single(each) for each in self.selectors) else nodes

    def _children(self, selector: Selector, node: Any) -> list[Any]:
        try:
            return list(_select(selector, node))
        except (LookupError, TypeError, AttributeError):
            raise NotSelected(f"{self.text} is not in the record") from None


def _selector(found: re.Match[str]) -> Selector:
    if found["name"]:
        return Names((found["name"],))
    if found["names"]:
        return Names(tuple(re.findall(r"'([^']*)'", found["names"])))
    if found["positions"]:
        return Positions(tuple(_place(each) for each in found["positions"].split(",")))
    return Every()


def _place(text: str) -> int | tuple[int | None, int | None]:
    start, colon, end = (part.strip() for part in text.partition(":"))
    if not colon:
        return int(start)
    return (int(start) if start else None, int(end) if end else None)


def _is_single(selector: Selector) -> bool:
    """Whether it selects one value; several names give one object."""
    if isinstance(selector, Positions):
        return len(selector.places) == 1 and isinstance(selector.places[0], int)
    return isinstance(selector, Names)


def _select(selector: Selector, node: Any) -> Iterator[Any]:
    if isinstance(selector, Every):
        yield from node.values() if isinstance(node, dict) else _array(node)
    elif isinstance(selector, Names):
        if len(selector.names) == 1:
            yield _object(node)[selector.names[0]]
        else:
            yield {name: _object(node)[name] for name in selector.names}
    else:
        for place in selector.places:
            yield from _at(_array(node), place)


def _at(array: list[Any], place: int | tuple[int | None, int | None]) -> list[Any]:
    if isinstance(place, int):
        return [array[place]]
    selected = array[slice(*place)]
    if not selected:
        raise LookupError
    return selected


def _array(node: Any) -> list[Any]:
    if not isinstance(node, list):
        raise TypeError
    return node


def _object(node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise TypeError
    return node
