"""Content-Type and Accept: what they ask for, and which answer suits.

Knows headers only.  Source: RFC 9110, sections 5.6, 8.3 and 12.5.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from crossfold.data.cells import quoted
from serve.refusals import Refusal

_QUALITY = re.compile(r"[01](?:\.\d{0,9})?|\.\d{1,9}", re.ASCII)
_ANY = "*/*"


def parse_media_type(header: str) -> tuple[str, Mapping[str, str]]:
    """Split a header into type and parameters; what has not the form of a parameter is left out.

    >>> parse_media_type('Text/CSV; charset="utf-8"; header=present')
    ('text/csv', {'charset': 'utf-8', 'header': 'present'})
    """
    if ";" not in header:
        return header.strip().lower(), {}
    first, *others = _split(header, ";")
    parameters = {}
    for other in others:
        name, equals, value = other.partition("=")
        if equals and name.strip():
            parameters[name.strip().lower()] = _unquoted(value.strip())
    return first.strip().lower(), parameters


def negotiate(accept: str | None, default: str, writable: Sequence[str]) -> str:
    """Choose the media type of an answer.

    The greatest quality wins; among equals an exact type before a wildcard, then the order of the
    header.  For a wildcard that is `default` where it can be had, else the first that can.
    Parameters other than the quality, and parts of the header that are malformed, say nothing.

    Parameters
    ----------
    accept : str or None
        The header; absent or empty, anything will do.
    default : str
        What is answered when anything will do.
    writable : sequence of str
        Media types that can be had, lower case; at least one.

    Raises
    ------
    Refusal
        406: nothing that is accepted can be had.
    """
    if accept in writable:
        return str(accept)
    if default not in writable:
        default = parse_media_type(default)[0]
    candidates = (default, *writable) if default in writable else tuple(writable)
    if not accept or accept == _ANY or accept.isspace():
        return candidates[0]
    ranges = _ranges(accept)
    ranked = [(_rank(ranges, candidate), candidate) for candidate in candidates]
    (quality, *_), chosen = max(ranked, key=lambda pair: pair[0])
    if quality <= 0:
        message = (
            f"Accept is {quoted(accept)}; this model answers in {', '.join(writable)}: "
            "ask for one of these, or leave the header out"
        )
        raise Refusal(406, message)
    return chosen


def _ranges(accept: str) -> dict[str, tuple[float, int]]:
    """Return the quality and the place of each media range, in the order of the header."""
    ranges: dict[str, tuple[float, int]] = {}
    for place, element in enumerate(_split(accept, ",")):
        media_range, parameters = parse_media_type(element)
        quality = parameters.get("q", "1")
        if _QUALITY.fullmatch(quality) is not None and float(quality) <= 1:
            name = _ANY if media_range == "*" else media_range
            ranges.setdefault(name, (float(quality), place))
    return ranges


def _rank(ranges: Mapping[str, tuple[float, int]], candidate: str) -> tuple[float, int, int]:
    """Return quality, specificity and minus the place of the most specific range that matches."""
    family = candidate.partition("/")[0] + "/*"
    for specificity, name in ((2, candidate), (1, family), (0, _ANY)):
        if name in ranges:
            quality, place = ranges[name]
            return quality, specificity, -place
    return 0.0, 0, 0


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside quoted strings; a quote that never ends runs to the end."""
    if '"' not in text:
        return text.split(separator)
    parts, start, is_quoted, is_escaped = [], 0, False, False
    for index, sign in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif sign == '"':
            is_quoted = not is_quoted
        elif is_quoted:
            is_escaped = sign == "\\"
        elif sign == separator:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1])
