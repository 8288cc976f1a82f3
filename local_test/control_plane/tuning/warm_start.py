"""Warm start: which parents are allowed, and what is learned from them.

Sources: AWS docs, "Run a Warm Start Hyperparameter Tuning Job", and for the service's wording and
the fields that must not change, errors that users quote publicly.  Wording that is not known is
ours.  That input data and algorithm are the same is the user's promise with
IdenticalDataAndAlgorithm; it is not checked, for the documents let them change in harmless ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from local_test.control_plane.tuning.record import Trial, TuningJob
from local_test.control_plane.tuning.space import Categorical, Integer, Range
from local_test.control_plane.tuning.trial_request import Definition, read_definitions
from local_test.control_plane.wire.errors import ValidationError

_MOST_CHANGES = 10
# By the documents' examples a hyperparameter that becomes static counts twice, and so does a
# static value that changes.
_CHANGES_EACH = 2

# The service lists the fields that may change; of what a definition has, these are not among them.
_FIXED = (
    "Environment",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "RetryStrategy",
)
_FIELDS_THAT_MAY_CHANGE = (
    "algorithmSpecification, inputDataConfig, outputDataConfig, staticHyperParameters, roleArn, "
    "resourceConfig, stoppingCondition, vpcConfig, enableManagedSpotTraining, checkpointConfig"
)


def parent_names(request: Mapping[str, Any]) -> Sequence[str]:
    """Return the parents of a CreateHyperParameterTuningJob request, each once."""
    given = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", [])
    return list(dict.fromkeys(each["HyperParameterTuningJobName"] for each in given))


def tells_overall_best(request: Mapping[str, Any]) -> bool:
    """Say whether the job's description has an OverallBestTrainingJob."""
    warm_start = request.get("WarmStartConfig", {})
    return bool(warm_start.get("WarmStartType") == "IdenticalDataAndAlgorithm")


def check_parents(request: Mapping[str, Any], parents: Sequence[TuningJob]) -> None:
    """Refuse parents that a warm start must not have.

    Raises
    ------
    ValidationError
        A parent still runs, or differs from the new job in what must not change.
    """
    if not parents:
        return
    definitions = read_definitions(request)
    if "TrainingJobDefinitions" in request:
        raise ValidationError(
            "WarmStartConfig is given with TrainingJobDefinitions; warm start is available only "
            "when tuning a single algorithm. Provide TrainingJobDefinition instead."
        )
    for parent in parents:
        _check(definitions[0], parent)


def inherit(parents: Sequence[TuningJob]) -> list[Trial]:
    """Return the evaluated trials that the parents ran themselves, with their static values.

    A value that was static then may be tuned now, so both belong to a trial's values.  What the
    parents inherited is left out: warm start is not recursive.
    """
    return [
        replace(trial, values={**definition.static, **trial.values})
        for parent in parents
        for definition in read_definitions(parent.request)
        for trial in parent.trials
        if trial.definition == definition.name and trial.is_final and trial.value is not None
    ]


def _check(definition: Definition, parent: TuningJob) -> None:
    if parent.is_live:
        raise ValidationError(
            f"Parent hyperparameter tuning job {parent.name} is in status {parent.status}; all "
            "parent jobs must be in a terminal state (Completed, Stopped, Failed). Wait for it or "
            "stop it."
        )
    for before in read_definitions(parent.request):
        _check_objective(definition, before, parent.name)
        _check_names(definition, before)
        _check_types(definition, before, parent.name)
        _check_changes(definition, before, parent.name)
        _check_fixed(definition, before)


def _check_objective(definition: Definition, before: Definition, parent: str) -> None:
    now, then = [
        f"{'Minimize' if each.is_minimized else 'Maximize'} {each.metric}"
        for each in (definition, before)
    ]
    if now != then:
        raise ValidationError(
            f"The objective is {now}, and {then} in parent tuning job {parent}. The objective "
            "metric must be the same in all parent jobs."
        )


def _check_names(definition: Definition, before: Definition) -> None:
    if definition.hyperparameter_names != before.hyperparameter_names:
        raise ValidationError(
            "The set of tunable plus static HyperParameter names is not the same across current "
            "and parent tuning jobs. Please ensure this set is constant when warm starting. Note "
            "that previously static HyperParameters can be tuned in warm start jobs and vice versa."
        )


def _check_types(definition: Definition, before: Definition, parent: str) -> None:
    then = {each.name: _kind(each) for each in before.space}
    for each in definition.space:
        if then.get(each.name, _kind(each)) != _kind(each):
            raise ValidationError(
                f"Hyperparameter {each.name} is {_kind(each)}, and {then[each.name]} in parent "
                f"tuning job {parent}. The type of a hyperparameter must not change."
            )


def _check_changes(definition: Definition, before: Definition, parent: str) -> None:
    changed = [
        name for name, value in definition.static.items() if before.static.get(name) != value
    ]
    count = _CHANGES_EACH * len(changed)
    if count > _MOST_CHANGES:
        raise ValidationError(
            f"{count} changes to static hyperparameters since parent tuning job {parent} "
            f"({', '.join(sorted(changed))}, each of which counts {_CHANGES_EACH}); at most "
            f"{_MOST_CHANGES} are allowed."
        )


def _check_fixed(definition: Definition, before: Definition) -> None:
    if any((definition.request.get(f) or None) != (before.request.get(f) or None) for f in _FIXED):
        raise ValidationError(
            "Only the following fields in TrainingJobDefinition are allowed to change: "
            f"[{_FIELDS_THAT_MAY_CHANGE}]."
        )


def _kind(each: Range) -> str:
    if isinstance(each, Categorical):
        return "Categorical"
    return "Integer" if isinstance(each, Integer) else "Continuous"
