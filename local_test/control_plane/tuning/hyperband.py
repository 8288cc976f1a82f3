"""Which trials Hyperband stops, and after how many emissions of the objective.

One emission is one unit of resource.  Sources: AWS docs, "HyperbandStrategyConfig" (no stop below
MinResource; a job that reaches MaxResource is stopped; MaxResource may come from a static
hyperparameter), and the papers that its page names: Li et al. 2018, "Hyperband" (brackets and
their sizes), Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (halving
without waiting for the whole rung).  Not documented: the reduction factor (3, as in the papers)
and MinResource where it is not given (1).

Optuna's pruner is not used: it keeps its decisions in a study, which a restart would lose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.tuning.record import Trial

REDUCTION = 3
EPOCH_NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")


@dataclass(frozen=True, slots=True)
class Resources:
    """The fewest and the most epochs of a trial; 1 <= least <= most."""

    least: int
    most: int


def read_resources(config: Mapping[str, Any], static: Mapping[str, str]) -> Resources | None:
    """Read a HyperParameterTuningJobConfig; None where there is no MaxResource to be found."""
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    most = given.get("MaxResource") or next(
        (int(static[name].strip('"')) for name in EPOCH_NAMES if name in static), None
    )
    return Resources(given.get("MinResource", 1), most) if most is not None else None


def should_stop(
    trial: Trial, reached: int, others: Sequence[Trial], resources: Resources, *, is_minimized: bool
) -> bool:
    """Say whether a trial ends at the epoch that it has `reached` (from 1).

    At a rung a trial goes on when it is in the best third of those of its bracket that have been
    there so far, itself included; the best one always goes on.
    """
    if reached >= resources.most:
        return True
    bracket = bracket_of(trial.number, resources)
    if reached not in rungs(bracket, resources):
        return False
    sign = 1 if is_minimized else -1
    own = sign * trial.epochs[reached - 1]
    rivals = [
        sign * other.epochs[reached - 1]
        for other in others
        if other.number != trial.number
        and len(other.epochs) >= reached
        and bracket_of(other.number, resources) == bracket
    ]
    place = 1 + sum(rival < own for rival in rivals)
    return place > max(1, (len(rivals) + 1) // REDUCTION)


def rungs(bracket: int, resources: Resources) -> Sequence[int]:
    """Return the epochs after which a bracket is halved, MaxResource excluded."""
    return [
        resources.least * REDUCTION**power
        for power in range(bracket, _steps(resources) + 1)
        if resources.least * REDUCTION**power < resources.most
    ]


def bracket_of(number: int, resources: Resources) -> int:
    """Return the bracket of a trial: 0 stops first; the paper's sizes, over and over."""
    steps = _steps(resources)
    sizes = [
        math.ceil((steps + 1) * REDUCTION ** (steps - bracket) / (steps - bracket + 1))
        for bracket in range(steps + 1)
    ]
    place = (number - 1) % sum(sizes)
    for bracket, size in enumerate(sizes):
        if place < size:
            return bracket
        place -= size
    raise AssertionError


def _steps(resources: Resources) -> int:
    """Return how often MinResource can be tripled up to MaxResource."""
    steps = 0
    while resources.least * REDUCTION ** (steps + 1) <= resources.most:
        steps += 1
    return steps
