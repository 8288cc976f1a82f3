"""Metric definitions on log lines: which values a line shows.

It knows the definitions of a request and lines, no job.  Source: AWS docs, 'Define metrics and
environment variables' (one group captures the number; standard output and standard error are
scanned).  Not documented, and decided here: what is no finite number is no value; the first match
of a line counts; with several groups the first one does; a definition without a group has no value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local_test.control_plane.training.lines import LineSplitter
from local_test.control_plane.training.record import Emission

# An expression that backtracks over a very long line would stop the whole plane, so only the
# beginning of a line is searched (not documented): .*x on 2048 characters takes milliseconds.
SEARCHED_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class Scanned:
    """Lines of one host and the values that they show, in order."""

    host: str
    lines: tuple[str, ...]
    emissions: tuple[Emission, ...]


class MetricScanner:
    """Turns the output of a job's hosts into lines and values.

    `definitions` are the request's MetricDefinitions.

    Raises
    ------
    re.error
        A definition is no regular expression; validation has refused it before.
    """

    def __init__(self, definitions: Sequence[Mapping[str, str]]) -> None:
        compiled = [(each["Name"], re.compile(each["Regex"])) for each in definitions]
        self._definitions = [(name, regex) for name, regex in compiled if regex.groups]
        self._splitters: dict[str, LineSplitter] = {}

    def feed(self, host: str, data: bytes, *, at: float) -> Scanned:
        """Return the lines that the bytes complete and their values, emitted `at` (seconds)."""
        splitter = self._splitters.setdefault(host, LineSplitter())
        return self._scan(host, splitter.feed(data), at)

    def flush(self, *, at: float) -> list[Scanned]:
        """Return what the hosts left without an end of line; their output has ended."""
        flushed = [(host, splitter.flush()) for host, splitter in self._splitters.items()]
        return [self._scan(host, lines, at) for host, lines in flushed if lines]

    def _scan(self, host: str, lines: Sequence[str], at: float) -> Scanned:
        found = [
            Emission(name, value, at)
            for line in lines
            for name, regex in self._definitions
            if (value := _value(regex, line)) is not None
        ]
        return Scanned(host, tuple(lines), tuple(found))


def _value(regex: re.Pattern[str], line: str) -> float | None:
    match = regex.search(line, 0, SEARCHED_CHARACTERS)
    if match is None or match[1] is None:
        return None
    try:
        value = float(match[1])
    except ValueError:
        return None
    return value if math.isfinite(value) else None
