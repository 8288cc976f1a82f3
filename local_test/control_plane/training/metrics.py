"""Metric definitions on log lines: which values a line shows.

It knows the definitions of a request and lines, no job.  Source: AWS docs, 'Define metrics and
environment variables' (one group captures the number; standard output and standard error are
scanned).  Not documented, and decided here: what is no finite number is no value; the first match
of a line counts; with several groups the first one does; a definition without a group has no value;
one whose expression is too slow for a line has no further values.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local_test.control_plane.training.lines import LineSplitter
from local_test.control_plane.training.matching import Matcher, is_simple
from local_test.control_plane.training.record import Emission

# An expression that backtracks over a very long line would take very long, so only the beginning
# of a line is searched (not documented): .*x on 2048 characters takes milliseconds.
SEARCHED_CHARACTERS = 2048

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scanned:
    """Lines of one host and the values that they show, in order."""

    host: str
    lines: tuple[str, ...]
    emissions: tuple[Emission, ...]


@dataclass(frozen=True, slots=True)
class _Definition:
    """One metric; `regex` is None where another process has to search."""

    name: str
    expression: str
    regex: re.Pattern[str] | None


class MetricScanner:
    """Turns the output of a job's hosts into lines and values.

    `definitions` are the request's MetricDefinitions; `matcher` may serve many scanners.

    Raises
    ------
    re.error
        A definition is no regular expression; validation has refused it before.
    """

    def __init__(
        self, definitions: Sequence[Mapping[str, str]], matcher: Matcher | None = None
    ) -> None:
        compiled = [
            (each["Name"], each["Regex"], re.compile(each["Regex"])) for each in definitions
        ]
        self._definitions = [
            _Definition(name, expression, regex if is_simple(expression) else None)
            for name, expression, regex in compiled
            if regex.groups
        ]
        self._matcher = matcher or Matcher()
        self._splitters: dict[str, LineSplitter] = {}

    def feed(self, host: str, data: bytes, *, at: float) -> Scanned:
        """Return the lines that the bytes complete and their values, emitted `at` (seconds).

        Raises
        ------
        PlatformFault
            The lines cannot be searched.
        """
        splitter = self._splitters.setdefault(host, LineSplitter())
        return self._scan(host, splitter.feed(data), at)

    def flush(self, *, at: float) -> list[Scanned]:
        """Return what the hosts left without an end of line; their output has ended."""
        flushed = [(host, splitter.flush()) for host, splitter in self._splitters.items()]
        return [self._scan(host, lines, at) for host, lines in flushed if lines]

    def _scan(self, host: str, lines: Sequence[str], at: float) -> Scanned:
        searched = [line[:SEARCHED_CHARACTERS] for line in lines]
        definitions = self._definitions
        texts = [*_found_here(definitions, searched), *self._found_aside(definitions, searched)]
        found = [
            Emission(definitions[which].name, value, at)
            for _, which, text in sorted(texts)
            if (value := _number(text)) is not None
        ]
        return Scanned(host, tuple(lines), tuple(found))

    def _found_aside(
        self, definitions: Sequence[_Definition], lines: Sequence[str]
    ) -> list[tuple[int, int, str]]:
        aside = [which for which, each in enumerate(definitions) if each.regex is None]
        if not aside or not lines:
            return []
        found = self._matcher.search([definitions[which].expression for which in aside], lines)
        slow = [definitions[aside[which]] for which in found.slow]
        for each in slow:
            _LOG.warning(
                "metric %s is not looked for any more: its expression %r is too slow for a line",
                each.name,
                each.expression,
            )
        self._definitions = [each for each in definitions if each not in slow]
        return [(line, aside[which], text) for line, which, text in found.texts]


def _found_here(
    definitions: Sequence[_Definition], lines: Sequence[str]
) -> list[tuple[int, int, str]]:
    return [
        (at, which, match[1])
        for which, each in enumerate(definitions)
        if each.regex is not None
        for at, line in enumerate(lines)
        if (match := each.regex.search(line)) is not None and match[1] is not None
    ]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
