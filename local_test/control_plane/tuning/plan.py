"""A tuning job's request, read once for the machine; a request never changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.tuning import completion, hyperband
from local_test.control_plane.tuning.completion import Limits
from local_test.control_plane.tuning.record import Trial
from local_test.control_plane.tuning.trial_request import (
    Definition,
    grid_size,
    read_definitions,
    read_strategy,
)


class Plan:
    """A request, read."""

    def __init__(self, request: Mapping[str, Any], seed: str) -> None:
        config = request["HyperParameterTuningJobConfig"]
        self.seed = seed
        self.strategy = read_strategy(request)
        self.definitions = read_definitions(request)
        self.limits: Limits = completion.read_limits(
            config, grid_size(self.definitions, self.strategy)
        )
        self.stops_early = config.get("TrainingJobEarlyStoppingType") == "Auto"
        self.resources = (
            hyperband.read_resources(config, self.definitions[0].static)
            if self.strategy == "Hyperband"
            else None
        )

    def definition(self, trial: Trial) -> Definition:
        """Return the definition of a trial."""
        return next(each for each in self.definitions if each.name == trial.definition)
