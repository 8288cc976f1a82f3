"""One call at a time: when it may be made, and what becomes of one that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from crossfold.errors import UserError
from cv_driver.aws.api import CallKind
from cv_driver.aws.errors import Denied, NoAnswer, Refused, Throttled, Unreachable
from cv_driver.aws.rate_limits import CALLS_PER_S, Pace
from cv_driver.aws.world import World


@dataclass(frozen=True, slots=True)
class PacedCall:
    """A call that can be made from `due` on, seconds since 1970."""

    kind: CallKind
    due: float
    make: Callable[[], None]


class Caller:
    """Makes calls at the pace of their kind; `made` and `throttled` count them."""

    def __init__(self, world: World) -> None:
        self.made: Counter[CallKind] = Counter()
        self.throttled: Counter[CallKind] = Counter()
        self._world = world
        self._paces = {kind: Pace(rate, world.chance) for kind, rate in CALLS_PER_S.items()}
        self._is_answered = True

    def call(
        self, kind: CallKind, make: Callable[[], None], *, not_before: float = 0.0
    ) -> PacedCall:
        """Plan a call for as soon as its pace allows."""
        return PacedCall(kind, max(not_before, self._paces[kind].due), make)

    def carry_out(self, call: PacedCall) -> None:
        """Make a call; one that was throttled or not answered is simply planned again later.

        Raises
        ------
        UserError
            The role may not make it, or the request is wrong.
        """
        pace, now = self._paces[call.kind], self._world.now
        self.made[call.kind] += 1
        try:
            call.make()
        except Throttled:
            self.throttled[call.kind] += 1
            pace.refused(now())
        except (NoAnswer, Unreachable) as failed:
            pace.refused(now())
            self._tell(failed)
        except (Denied, Refused) as error:
            raise UserError(f"cv_launcher=sagemaker: {error}") from error
        else:
            pace.passed(now())
            self._is_answered = True

    def _tell(self, failed: Exception) -> None:
        """Log the first of several failures in a row."""
        if self._is_answered:
            self._world.log(f"AWS does not answer, trying again: {failed}")
        self._is_answered = False
