"""Calls that follow from one another, and the patience to make each of them.

A generator yields the calls that it needs; whoever runs it decides when each is made.  So the same
checks run in a process that may sleep and in a simulation that may not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from cv_driver.aws.api import CallKind
from cv_driver.aws.errors import CallFailed, NoAnswer, Throttled, Unreachable

# Many drivers that start at once throttle each other for a while, and a service that fails comes
# back; where no connection can be made, nobody will answer.
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 16.0
_TRIES_TO_REACH = 3
# A name may lead to many addresses, of which each try knocks at every one.
_LONGEST_TO_REACH_S = 8.0
_TRIES_WITHOUT_ANSWER = 30


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API; `kind` tells which of the account's rates it counts for."""

    kind: CallKind
    make: Callable[[], Any]


CallSequence = Generator[Call, Any, Any]


def make_calls(
    sequence: CallSequence,
    *,
    sleep: Callable[[float], None],
    uniform: Callable[[float, float], float],
    longest_wait_s: float = _LONGEST_WAIT_S,
    now: Callable[[], float] = time.monotonic,
) -> Any:
    """Make the calls of a sequence; return what it returns.

    Parameters
    ----------
    sequence : generator of Call
        It gets each answer, or the call's `CallFailed`.
    sleep : callable
        Waits a number of seconds; may raise to end it all.
    uniform : callable
        ``random.uniform``.
    longest_wait_s : float
        Most seconds between a call and the next try of it.
    now : callable
        Returns seconds; what nobody answers to is given up after some.
    """
    patience = _Patience(sleep, uniform, longest_wait_s, now)
    answer: Any = None
    failure: CallFailed | None = None
    while True:
        try:
            call = sequence.send(answer) if failure is None else sequence.throw(failure)
        except StopIteration as end:
            return end.value
        answer, failure = _make(call, patience)


@dataclass(frozen=True, slots=True)
class _Patience:
    sleep: Callable[[float], None]
    uniform: Callable[[float, float], float]
    longest_wait_s: float
    now: Callable[[], float]


def _make(call: Call, patience: _Patience) -> tuple[Any, CallFailed | None]:
    wait_s, left = _FIRST_WAIT_S, {Unreachable: _TRIES_TO_REACH, NoAnswer: _TRIES_WITHOUT_ANSWER}
    began = patience.now()
    while True:
        try:
            return call.make(), None
        except Throttled:
            pass
        except (NoAnswer, Unreachable) as error:
            left[type(error)] -= 1
            took_s = patience.now() - began
            if not left[type(error)]:
                return None, error
            if isinstance(error, Unreachable) and took_s > _LONGEST_TO_REACH_S:
                return None, error
        except CallFailed as error:
            return None, error
        patience.sleep(patience.uniform(wait_s / 2, wait_s))
        wait_s = min(2 * wait_s, patience.longest_wait_s)
