"""A program that searches lines for others, so that an expression without end costs only itself.

It takes a request a line from standard input, ``[expressions, lines]``, and answers on standard
output with ``[[[line, expression, text], …], [slow expression, …]]``, where the first two are
numbers and the text is the first group's.  It needs nothing but the standard library and ends with
its input.  Source: Python's `re` looks for signals while it matches, in the main thread only.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TextIO

# Of processor time: an expression that needs twice as long for one line is too slow.
TURN_S = 0.1


def main(requests: TextIO, answers: TextIO) -> None:
    """Answer every request."""
    searches = _Searches()
    signal.signal(signal.SIGVTALRM, searches.look)
    signal.setitimer(signal.ITIMER_VIRTUAL, TURN_S, TURN_S)
    for request in requests:
        expressions, lines = json.loads(request)
        print(json.dumps(searches.answer(expressions, lines)), file=answers, flush=True)


class _Searches:
    """Searches one after the other, of which a timer looks whether they go on."""

    def __init__(self) -> None:
        self._n_begun = 0
        self._n_seen = 0
        self._is_searching = False

    def look(self, number: int, frame: FrameType | None) -> None:
        """End a search that was under way at the last look, too."""
        if self._is_searching and self._n_seen == self._n_begun:
            raise TimeoutError
        self._n_seen = self._n_begun

    def answer(self, expressions: Sequence[str], lines: Sequence[str]) -> object:
        """Return what is found, and which expressions are too slow."""
        found: list[tuple[int, int, str]] = []
        slow: list[int] = []
        for which, expression in enumerate(expressions):
            compiled = re.compile(expression)
            for at, line in enumerate(lines):
                try:
                    text = self._search(compiled, line)
                except TimeoutError:
                    slow.append(which)
                    break
                if text is not None:
                    found.append((at, which, text))
        return found, slow

    def _search(self, compiled: re.Pattern[str], line: str) -> str | None:
        self._n_begun += 1
        self._is_searching = True
        try:
            match = compiled.search(line)
        finally:
            self._is_searching = False
        return None if match is None else match[1]


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
