"""Containers that belong to no job any more, until they are gone.

It knows the executor's containers only, and never raises: it is the last resort.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from local_test.control_plane.clock import Clock
from local_test.control_plane.training.ports import Containers

_LOG = logging.getLogger(__name__)

_KILL_AGAIN_S = 1.0
# Containers that only raise are given up after so many kills; a sweep at the next start finds them.
_KILLS_IN_VAIN = 5


@dataclass(slots=True)
class _Orphan:
    containers: Containers
    kill_at: float
    kills_in_vain: int = 0


class Reaper:
    """Ends containers without anyone waiting for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._orphans: list[_Orphan] = []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to end."""
        return not self._orphans

    def take(self, containers: Containers, *, grace_s: float) -> None:
        """End containers: SIGTERM first if there is a grace (seconds), then SIGKILL."""
        self._orphans.append(_Orphan(containers, self._clock.now() + grace_s))
        if grace_s > 0:
            try:
                containers.terminate()
            except Exception:  # noqa: BLE001 - the last resort never raises
                _LOG.exception("could not ask containers to end; they are killed")
        self.tick()

    def tick(self) -> None:
        """Kill those whose time is over and forget those that are gone."""
        self._orphans = [each for each in self._orphans if not self._is_gone(each)]

    def _is_gone(self, orphan: _Orphan) -> bool:
        try:
            if None not in orphan.containers.exit_codes().values():
                orphan.containers.kill()
                return True
            if self._clock.now() >= orphan.kill_at:
                orphan.kill_at = self._clock.now() + _KILL_AGAIN_S
                orphan.containers.kill()
        except Exception:  # noqa: BLE001 - the last resort never raises
            orphan.kills_in_vain += 1
            _LOG.exception("could not end containers (%d times)", orphan.kills_in_vain)
        return orphan.kills_in_vain >= _KILLS_IN_VAIN
