"""How long no fold job is created after the account had no instances for one."""

from __future__ import annotations

from cv_driver.aws.rate_limits import BackOff
from cv_driver.aws.world import World

_WAITS = BackOff(15.0, 60.0)


class CapacityWait:
    """Waits for instances, longer after each refusal; `over_at` is in seconds since 1970."""

    def __init__(self, world: World) -> None:
        self.over_at = 0.0
        self._world = world
        self._n_refused = 0

    @property
    def is_refused(self) -> bool:
        """Whether no job was created since the last refusal."""
        return self._n_refused > 0

    def refused(self, why: str) -> None:
        """Wait, and log the first of several refusals in a row."""
        self._n_refused += 1
        wait_s = _WAITS.wait_s(self._n_refused, self._world.chance)
        self.over_at = self._world.now() + wait_s
        if self._n_refused == 1:
            self._world.log(f"folds wait for capacity: {why}")

    def granted(self) -> None:
        """Take note of a job that was created."""
        self._n_refused = 0
