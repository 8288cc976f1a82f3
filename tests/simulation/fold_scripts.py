"""How the containers of folds behave: how long they fit, what they print, how they fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Protocol

from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import Script, SimulatedExecutor
from tests.simulation.fold_world import METRIC, inputs_of

FINGERPRINT = "cv_fingerprint"
_LOOK_EVERY_S = 15.0


class FoldHabits(Protocol):
    """What is told of folds; see `account.Habits`."""

    @property
    def fold_s(self) -> float: ...

    @property
    def spread(self) -> float: ...

    @property
    def term_s(self) -> float: ...

    @property
    def watches(self) -> bool: ...


class FoldScripts:
    """Scripts for launches of fold jobs; `fates` are the failure texts of jobs that shall fail."""

    def __init__(
        self,
        habits: FoldHabits,
        objects: Mapping[str, bytes],
        job: Callable[[str], TrainingJob],
        *,
        seed: int,
    ) -> None:
        self.fates: dict[str, str] = {}
        self._habits = habits
        self._objects = objects
        self._job = job
        self._seed = seed
        self._looked: dict[str, float] = {}

    def script(self, launch: Launch) -> Script:
        """Return what a launched fold does."""
        drawn = random.Random(f"{self._seed} {launch.job_name} {launch.attempt}")
        habits = self._habits
        share = 1 + habits.spread * (2 * drawn.random() - 1)
        term_s = habits.term_s * drawn.random()
        exits_s = habits.fold_s * share
        if self._failure(launch.job_name) is not None:
            return Script(exits_s=exits_s / 2, exit_code=1, term_s=term_s, term_code=1)
        request = self._job(launch.job_name).request
        if "cv_fold_index" not in request.get("HyperParameters", {}):
            # Somebody else's job, not one of ours.
            return Script(exits_s=exits_s, term_s=term_s)
        line = f"validation:{METRIC}={inputs_of(request).value!r};"
        return Script(lines=((exits_s, line),), exits_s=exits_s, term_s=term_s, term_code=1)

    def failure_text(self, job: TrainingJob) -> str | None:
        """Return what a fold's failure file says."""
        return self._failure(job.name)

    def look_for_markers(self, now: float, executor: SimulatedExecutor) -> None:
        """Let every running fold look for its driver's stop marker as often as it would."""
        if not self._habits.watches or not any("/stop" in uri for uri in self._objects):
            return
        for name in executor.running():
            if now - self._looked.get(name, 0.0) < _LOOK_EVERY_S:
                continue
            self._looked[name] = now
            if self._sees_marker(name):
                self.fates.setdefault(name, "PlatformError: stopped before a model existed")
                executor.containers(name).terminate()

    def _sees_marker(self, name: str) -> bool:
        """Say whether an object is there that the fold was told of."""
        request = self._job(name).request
        told = [
            *request.get("HyperParameters", {}).values(),
            *request.get("Environment", {}).values(),
        ]
        return any("/stop" in text and text in self._objects for text in told)

    def _failure(self, name: str) -> str | None:
        if name in self.fates:
            return self.fates[name]
        given = self._job(name).request.get("HyperParameters", {})
        if FINGERPRINT not in given:
            return None
        if given[FINGERPRINT] == inputs_of(self._job(name).request).fingerprint:
            return None
        return "PlatformError: the fold reads other data than its driver"
