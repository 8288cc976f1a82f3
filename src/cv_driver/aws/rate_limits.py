"""How fast each kind of call is made: by a rate that the whole account shares, unasked.

Nobody tells a driver how many others there are.  Each refused call makes its caller slower by a
tenth, up to a dozen seconds; an accepted one lets it go on at the published rate.  Callers that
knock less often leave the account's rate unused: measured with 1 to 100 drivers, all creates of all
take at most 1.15 times as long as the rate asks for, with up to a dozen refusals for each.  Jitter
keeps drivers that began together from knocking together.

Source of the rates: AWS General Reference, "Amazon SageMaker AI endpoints and quotas" (requests
per second, account and Region; not adjustable).  Tags and objects have no published rate.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cv_driver.aws.api import CallKind

CALLS_PER_S: Mapping[CallKind, float] = MappingProxyType(
    {"create": 1.0, "stop": 1.0, "describe": 5.0, "list": 2.0, "tags": 5.0, "object": 20.0}
)
_SLOWER = 1.1
_LONGEST_S = 12.0
# An undisturbed caller stays just below the rate.
_CALM_JITTER = (1.0, 1.03)
_BUSY_JITTER = (0.2, 1.2)


class Pace:
    """When the next call of one kind may be made; times are seconds on the caller's clock."""

    def __init__(self, calls_per_s: float, chance: random.Random) -> None:
        self._shortest_s = 1.0 / calls_per_s
        self._interval_s = self._shortest_s
        self._chance = chance
        self._due = 0.0

    @property
    def due(self) -> float:
        """When the next call may be made; a time in the past means now."""
        return self._due

    def passed(self, now: float) -> None:
        """Count a call that was accepted."""
        self._interval_s = self._shortest_s
        self._due = now + self._interval_s * self._jitter()

    def refused(self, now: float) -> None:
        """Count a call that was throttled, or that nobody answered."""
        slower = self._interval_s * _SLOWER
        self._interval_s = max(self._shortest_s, min(_LONGEST_S, slower))
        self._due = now + self._interval_s * self._jitter()

    def _jitter(self) -> float:
        is_calm = self._interval_s == self._shortest_s
        return self._chance.uniform(*(_CALM_JITTER if is_calm else _BUSY_JITTER))


@dataclass(frozen=True, slots=True)
class BackOff:
    """Growing, jittered waits: `first_s`, doubled for each further refusal, up to `longest_s`."""

    first_s: float
    longest_s: float

    def wait_s(self, n_refused: int, chance: random.Random) -> float:
        """Return the wait after refusal number `n_refused`, counted from 1."""
        # Only so many doublings: 2 ** 2000 is no float.
        grown = self.first_s * 2.0 ** min(n_refused - 1, 20)
        return min(self.longest_s, grown) * chance.uniform(0.75, 1.25)
