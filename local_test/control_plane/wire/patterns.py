r"""The model's patterns are Java's; here they become Python's, compiled once.

Source: Java's `java.util.regex.Pattern` (what ``.``, ``\d`` and ``\p{…}`` match) and Python's
`re`.  The service matches a pattern against the whole value.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Mapping
from functools import cache

# One escape, one property, a bracket or a full stop: what may mean something else in Java.
_TOKEN = re.compile(r"\\[pP]\{\w+\}|\\.|[\[\].]", re.DOTALL)
# Java's full stop stops at every line terminator, Python's only at \n.
_ANY = "[^\\n\\r\\u0085\\u2028\\u2029]"
# Java reads two surrogates as the one character that they encode.
_ASTRAL = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
# `$` stands for no character: to repeat it means nothing, and Python refuses it.
_REPEATED_END = re.compile(r"\$\{1,\d+\}")


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the Python equal of a pattern of the model; use its `fullmatch`."""
    pattern = _REPEATED_END.sub("$", pattern.replace(*_ASTRAL))
    parts: list[str] = []
    end = 0
    in_class = False
    for token in _TOKEN.finditer(pattern):
        parts += [pattern[end : token.start()], _translated(token[0], in_class=in_class)]
        end = token.end()
        if token[0] in "[]":
            in_class = token[0] == "["
    # ASCII: Java's \d, \w and \s know no other letters unless they are asked to.
    return re.compile("".join([*parts, pattern[end:]]), re.ASCII)


def _translated(part: str, *, in_class: bool) -> str:
    if part == ".":
        return part if in_class else _ANY
    if part == "[" and in_class:
        return r"\["
    if part.startswith((r"\p", r"\P")):
        members = _characters(part[3:-1])
        return members if in_class else f"[{members}]"
    return part


def _characters(name: str) -> str:
    """Return the inside of a class that holds a Unicode category, such as ``L``, or ``Alnum``."""
    return "a-zA-Z0-9" if name == "Alnum" else _categories()[name]


@cache
def _categories() -> Mapping[str, str]:
    """Read Unicode's table once, a fifth of a second: ranges by the first letter of a category."""
    ranges: dict[str, list[str]] = {}
    first, before = 0, unicodedata.category("\0")[0]
    for code in range(1, sys.maxunicode + 2):
        kind = unicodedata.category(chr(code))[0] if code <= sys.maxunicode else ""
        if kind != before:
            ranges.setdefault(before, []).append(f"\\U{first:08x}-\\U{code - 1:08x}")
            first, before = code, kind
    return {kind: "".join(each) for kind, each in ranges.items()}
