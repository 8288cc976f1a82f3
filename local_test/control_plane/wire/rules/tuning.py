"""The rules of CreateHyperParameterTuningJob.

Source: API reference, CreateHyperParameterTuningJob, HyperParameterTuningJobConfig,
HyperParameterTrainingJobDefinition, HyperbandStrategyConfig; AWS docs, 'How Hyperparameter Tuning
Works', 'Define Metrics', 'Create a Hyperparameter Optimization Tuning Job for One or More
Algorithms', 'Run a Warm Start Hyperparameter Tuning Job'; messages of the service that its users
quote in public reports.  What a warm start asks of its parents needs the parents: it is not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.job import Definition, check_job, refuse_twice
from local_test.control_plane.wire.rules.ranges import (
    Ranges,
    check_ranges,
    combinations,
    tuned_names,
)
from local_test.control_plane.wire.rules.resources import check_tuning_resources
from local_test.control_plane.wire.rules.served import refuse_unserved

Request = Mapping[str, Any]

_OBJECTIVE_KEY = "_tuning_objective_metric"
_MOST_HYPERPARAMETERS = 100
_MOST_EPOCHS = 20_000
# Static hyperparameters from which Hyperband reads the greatest number of epochs.
_EPOCHS_KEYS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")


def check_tuning(request: Request) -> None:
    """Refuse a valid CreateHyperParameterTuningJob request that breaks a documented rule.

    Raises
    ------
    ValidationError
        The first rule that is broken.
    """
    definitions = _definitions(request)
    config = request["HyperParameterTuningJobConfig"]
    _check_single(request, config, definitions)
    _check_names(definitions)
    for definition in definitions:
        ranges = _one_of(config, "ParameterRanges", definition, "HyperParameterRanges")
        objective = _one_of(
            config, "HyperParameterTuningJobObjective", definition, "TuningObjective"
        )
        _check_objective(definition, objective)
        check_ranges(ranges)
        _check_hyperparameters(definition, ranges)
        check_job(definition)
        check_tuning_resources(definition)
        refuse_unserved(definition)
    _check_strategy(config, definitions)
    _check_warm_start(request)


def _definitions(request: Request) -> Sequence[Definition]:
    one, several = request.get("TrainingJobDefinition"), request.get("TrainingJobDefinitions")
    if (one is None) == (several is None):
        raise ValidationError(
            "Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be provided; "
            f"found {'neither' if one is None else 'both'}."
        )
    return [one] if one is not None else list(several or ())


def _check_single(request: Request, config: Request, definitions: Sequence[Definition]) -> None:
    if request.get("Autotune") or config.get("ParameterRanges", {}).get("AutoParameters"):
        raise ValidationError(
            "The local control plane does not serve Autotune and AutoParameters; give the ranges "
            "in ParameterRanges."
        )
    if len(definitions) == 1:
        return
    what = "WarmStartConfig" if "WarmStartConfig" in request else ""
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        what = "TrainingJobEarlyStoppingType Auto"
    if what:
        raise ValidationError(
            "Warm start and early stopping are available only when tuning a single algorithm; "
            f"found {what} and {len(definitions)} training job definitions."
        )


def _check_names(definitions: Sequence[Definition]) -> None:
    names = [definition.get("DefinitionName", "") for definition in definitions]
    if len(names) > 1 and not all(names):
        raise ValidationError(
            "DefinitionName must be provided in each of several training job definitions."
        )
    refuse_twice(names, "DefinitionName")


def _one_of(config: Request, name: str, definition: Definition, own: str) -> Mapping[str, Any]:
    """Return what either the tuning job or the definition has."""
    common, special = config.get(name), definition.get(own)
    if (common is None) == (special is None):
        raise ValidationError(
            f"Exactly one of HyperParameterTuningJobConfig.{name} and {own} of the training job "
            f"definition must be provided; found {'neither' if common is None else 'both'}."
        )
    return common if common is not None else special or {}


def _check_objective(definition: Definition, objective: Mapping[str, Any]) -> None:
    metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", ())
    if objective["MetricName"] not in [metric["Name"] for metric in metrics]:
        raise ValidationError(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric "
            "in the metric definitions."
        )


def _check_hyperparameters(definition: Definition, ranges: Ranges) -> None:
    static, tuned = definition.get("StaticHyperParameters", {}), tuned_names(ranges)
    both = sorted(set(static) & set(tuned))
    if both:
        raise ValidationError(
            f"Hyperparameters must be either static or tunable, not both: {', '.join(both)}."
        )
    count = len({*static, *tuned, _OBJECTIVE_KEY})
    if count > _MOST_HYPERPARAMETERS:
        raise ValidationError(
            f"The training jobs would have {count} hyperparameters, {_OBJECTIVE_KEY} included; the "
            f"total must be less than or equal to {_MOST_HYPERPARAMETERS}."
        )


def _check_strategy(config: Request, definitions: Sequence[Definition]) -> None:
    strategy = config["Strategy"]
    if strategy != "Hyperband" and "StrategyConfig" in config:
        raise ValidationError(
            "StrategyConfig should be provided only if Hyperband is selected as the strategy; "
            f"found strategy {strategy}."
        )
    each = [config.get("ParameterRanges") or one["HyperParameterRanges"] for one in definitions]
    if strategy == "Hyperband":
        _check_hyperband(config, definitions)
    if strategy == "Grid":
        _check_grid(config, each)
    else:
        _check_combinations(config, each)


def _check_hyperband(config: Request, definitions: Sequence[Definition]) -> None:
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise ValidationError("TrainingJobEarlyStoppingType must be Off to use Hyperband.")
    limits = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    for definition in definitions:
        most = limits.get("MaxResource") or _epochs(definition.get("StaticHyperParameters", {}))
        if most is None:
            raise ValidationError(
                "MaxResource parameter is not provided and could not be inferred from provided "
                "static hyperparameters of TrainingJobDefinition."
            )
        if not limits.get("MinResource", 1) <= most <= _MOST_EPOCHS:
            raise ValidationError(
                f"MaxResource is {most}; it must be at least MinResource "
                f"({limits.get('MinResource', 1)}) and at most {_MOST_EPOCHS}."
            )


def _epochs(static: Mapping[str, str]) -> int | None:
    """Return the first number of epochs; SDKs write it with or without quotes."""
    texts = [static[key].strip('"') for key in _EPOCHS_KEYS if key in static]
    return next((int(text) for text in texts if text.isdecimal() and int(text)), None)


def _check_grid(config: Request, ranges: Sequence[Ranges]) -> None:
    others = ("IntegerParameterRanges", "ContinuousParameterRanges")
    if any(each.get(kind) for each in ranges for kind in others):
        raise ValidationError(
            "Grid search supports only categorical hyperparameters; use CategoricalParameterRanges."
        )
    total = sum(int(combinations(each)) for each in ranges)
    asked = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", total)
    if asked != total:
        raise ValidationError(
            f"MaxNumberOfTrainingJobs is {asked}; for grid search it must be equal to the number "
            f"of distinct categorical combinations, {total}, or not be provided."
        )


def _check_combinations(config: Request, ranges: Sequence[Ranges]) -> None:
    total = sum(combinations(each) for each in ranges)
    asked = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 1)
    if total < asked:
        raise ValidationError(
            "You don't have enough combinations of hyperparameter ranges. The total number of "
            f"hyperparameter combinations for the provided ranges [{total}] must be equal or "
            f"greater than the value of MaxNumberOfJobs, [{asked}]. Provide additional ranges."
        )


def _check_warm_start(request: Request) -> None:
    parents = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", ())
    names = [parent.get("HyperParameterTuningJobName", "") for parent in parents]
    if not all(names):
        raise ValidationError(
            "HyperParameterTuningJobName must be provided for each of "
            "ParentHyperParameterTuningJobs."
        )
    refuse_twice(names, "Parent hyperparameter tuning jobs")
