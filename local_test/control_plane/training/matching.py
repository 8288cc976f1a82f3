"""Regular expressions of a request on lines, without the plane waiting for one that has no end.

``(a+)+b`` on 40 letters a takes hours, and Python lets no other thread run meanwhile.  An
expression that might take long is searched by a process of its own (`matching_child`), which gives
one up that is too slow.  It knows texts, no job and no value.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local_test.control_plane.training.ports import PlatformFault

_PROGRAM = Path(__file__).with_name("matching_child.py")
# The child ends a search in a fraction of a second; it may have to wait for a busy machine.
_PATIENCE_S = 30.0
_TRIES = 2

_ESCAPE_OR_CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEAT = re.compile(r"[*+?{]")
_REPEATED_GROUP_OR_SAME_AGAIN = re.compile(r"\)[*+?{]|\\[1-9]")
# Alternatives multiply where they follow each other.
_MOST_ALTERNATIVES = 2


@dataclass(frozen=True, slots=True)
class Found:
    """(number of the line, number of the expression, text of its first group); slow expressions."""

    texts: Sequence[tuple[int, int, str]]
    slow: frozenset[int] = frozenset()


def is_simple(expression: str) -> bool:
    r"""Whether a search takes at most some squares of the line's length: one repeat, no branching.

    >>> is_simple("rmse=([-+0-9.e]+);"), is_simple("(a+)+b"), is_simple(r".*\[[0-9]+\](.*)")
    (True, False, False)
    """
    if _REPEATED_GROUP_OR_SAME_AGAIN.search(expression):
        return False
    if expression.count("|") > _MOST_ALTERNATIVES:
        return False
    return len(_REPEAT.findall(_ESCAPE_OR_CLASS.sub("x", expression))) <= 1


class Matcher:
    """Searches lines; it has at most one child, from the first use to `close` or its own end."""

    def __init__(self) -> None:
        self._child: _Child | None = None

    def search(self, expressions: Sequence[str], lines: Sequence[str]) -> Found:
        """Search every line for every expression; of a slow one only the lines before count.

        Raises
        ------
        PlatformFault
            The child cannot be started, or ends again and again.
        """
        request = json.dumps([expressions, lines]).encode()
        for tries in range(1, _TRIES + 1):
            try:
                if self._child is None:
                    self._child = _Child()
                found, slow = json.loads(self._child.ask(request))
            except (OSError, ValueError) as error:
                self.close()
                if tries == _TRIES:
                    raise PlatformFault(f"lines cannot be searched for metrics: {error}") from error
            else:
                ordered = sorted((at, which, text) for at, which, text in found)
                return Found(ordered, frozenset(slow))
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """The process, and the socket that is its standard input and output."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        with its:
            process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
                [sys.executable, "-I", "-S", "-W", "ignore", "-X", "utf8", str(_PROGRAM)],
                stdin=its.fileno(),
                stdout=its.fileno(),
                # A terminal's Ctrl-C is the plane's.
                start_new_session=True,
            )
        ours.settimeout(_PATIENCE_S)
        self._socket = ours
        self._answers = ours.makefile("rb")
        # Also when nobody closes it: a simulation is just dropped.
        self.end = weakref.finalize(self, _end, process, ours)

    def ask(self, request: bytes) -> bytes:
        """Send a request and return the answer; raises OSError where none comes."""
        self._socket.sendall(request + b"\n")
        return self._answers.readline()


def _end(process: subprocess.Popen[bytes], ours: socket.socket) -> None:
    with contextlib.suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)
    ours.close()
    process.kill()
    process.wait()
