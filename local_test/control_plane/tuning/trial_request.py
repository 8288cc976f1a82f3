"""A tuning job's request, read: definitions, objective, space, and the request of one trial.

Sources: AWS docs, "HyperParameterTrainingJobDefinition", "CreateHyperParameterTuningJob" (the
tuning job's tags go to every training job), "Define Metrics and Environment Variables" (the
injected `_tuning_objective_metric`).  Not documented: the form of a training job's name (as seen
in public logs), the volume of instances without VolumeSizeInGB, and that several definitions take
turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from local_test.control_plane.tuning.space import Space, count_combinations, read_space
from local_test.control_plane.tuning.strategies import Strategy

OBJECTIVE_KEY = "_tuning_objective_metric"

_COPIED = (
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "Environment",
    "VpcConfig",
    "EnableNetworkIsolation",
    "EnableManagedSpotTraining",
    "EnableInterContainerTrafficEncryption",
    "CheckpointConfig",
    "RetryStrategy",
)
# What the SDKs ask for where a user gave nothing.
_DEFAULT_VOLUME_GB = 30


@dataclass(frozen=True, slots=True)
class Definition:
    """One training job definition; `name` is None where the request has a single one."""

    name: str | None
    metric: str
    is_minimized: bool
    space: Space
    static: Mapping[str, str]
    request: Mapping[str, Any]

    @property
    def hyperparameter_names(self) -> frozenset[str]:
        """The names of all static and tuned hyperparameters."""
        return frozenset(self.static) | {each.name for each in self.space}


def read_definitions(request: Mapping[str, Any]) -> Sequence[Definition]:
    """Read the definitions of a CreateHyperParameterTuningJob request, at least one."""
    config = request["HyperParameterTuningJobConfig"]
    single = request.get("TrainingJobDefinition")
    given = [single] if single is not None else request["TrainingJobDefinitions"]
    return [_read(each, config, is_single=single is not None) for each in given]


def read_strategy(request: Mapping[str, Any]) -> Strategy:
    """Return the strategy of a CreateHyperParameterTuningJob request."""
    strategy: Strategy = request["HyperParameterTuningJobConfig"]["Strategy"]
    return strategy


def grid_size(definitions: Sequence[Definition], strategy: Strategy) -> int | None:
    """Return how many training jobs a grid has, None for every other strategy."""
    if strategy != "Grid":
        return None
    return sum(count_combinations(each.space) for each in definitions)


def place_of(
    definitions: Sequence[Definition], strategy: Strategy, number: int
) -> tuple[Definition, int] | None:
    """Return the definition of a trial and its number within it, both from 1.

    None where a grid has no such trial.  A grid ends one definition before it begins the next.
    """
    if strategy != "Grid":
        return definitions[(number - 1) % len(definitions)], (number - 1) // len(definitions) + 1
    for each in definitions:
        size = count_combinations(each.space)
        if number <= size:
            return each, number
        number -= size
    return None


def trial_name(tuning_job: str, number: int) -> str:
    """Return ``<tuning job>-NNN-<8 hex>``, the same on every call.

    >>> trial_name("demo", 7)
    'demo-007-b84ec015'
    """
    digest = sha256(f"{tuning_job}/{number}".encode()).hexdigest()
    return f"{tuning_job}-{number:03d}-{digest[:8]}"


def trial_request(
    request: Mapping[str, Any], definition: Definition, name: str, values: Mapping[str, str]
) -> dict[str, Any]:
    """Build the CreateTrainingJob request of one trial."""
    given = definition.request
    built = {
        "TrainingJobName": name,
        "HyperParameters": {**definition.static, **values, OBJECTIVE_KEY: definition.metric},
        "AlgorithmSpecification": given["AlgorithmSpecification"],
        "ResourceConfig": _resources(given),
        **{key: given[key] for key in _COPIED if key in given},
    }
    tags = request.get("Tags")
    return {**built, "Tags": tags} if tags else built


def _read(given: Mapping[str, Any], config: Mapping[str, Any], *, is_single: bool) -> Definition:
    objective = given.get("TuningObjective") or config["HyperParameterTuningJobObjective"]
    ranges = given.get("HyperParameterRanges") or config.get("ParameterRanges") or {}
    static = given.get("StaticHyperParameters", {})
    return Definition(
        name=None if is_single else given["DefinitionName"],
        metric=objective["MetricName"],
        is_minimized=objective["Type"] == "Minimize",
        space=read_space(ranges),
        static={key: value for key, value in static.items() if key != OBJECTIVE_KEY},
        request=given,
    )


def _resources(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the instances of a trial; of several possible kinds the first, which is preferred."""
    if "ResourceConfig" in given:
        return dict(given["ResourceConfig"])
    tuning = given.get("HyperParameterTuningResourceConfig", {})
    chosen = tuning["InstanceConfigs"][0] if "InstanceConfigs" in tuning else tuning
    built = {
        "InstanceType": chosen.get("InstanceType", "ml.m5.xlarge"),
        "InstanceCount": chosen.get("InstanceCount", 1),
        "VolumeSizeInGB": chosen.get("VolumeSizeInGB", _DEFAULT_VOLUME_GB),
    }
    key = tuning.get("VolumeKmsKeyId")
    return {**built, "VolumeKmsKeyId": key} if key is not None else built
