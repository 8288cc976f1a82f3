from __future__ import annotations

from typing import Any

import pytest

from local_test.control_plane.tuning.record import TuningJob
from local_test.control_plane.wire.errors import ValidationError
from tests.control_plane.tuning_world import (
    METRIC,
    UNIT_RANGE,
    TuningWorld,
    emitting,
    training_definition,
    tuning_request,
)


def warm(name: str, *parents: str, kind: str = "IdenticalDataAndAlgorithm", **config: Any) -> Any:
    request = tuning_request(name, **config)
    request["WarmStartConfig"] = {
        "ParentHyperParameterTuningJobs": [
            {"HyperParameterTuningJobName": parent} for parent in parents
        ],
        "WarmStartType": kind,
    }
    return request


def bowl(hyperparameters: Any, number: int) -> Any:
    """Every third trial fails; the best x is 0.8."""
    x = float(hyperparameters["x"])
    return emitting(abs(x - 0.8), exit_code=int(number % 3 == 0))


def world_with_parent(**config: Any) -> tuple[TuningWorld, TuningJob]:
    world = TuningWorld(bowl)
    return world, world.tune(tuning_request("parent", **{"jobs": 9, **config}))


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
def test_the_parents_evaluated_trials_are_history(kind: str) -> None:
    world, parent = world_with_parent()

    child = world.create(warm("child", "parent", kind=kind))

    known = [trial for trial in parent.trials if trial.value is not None]
    assert len(known) == 6
    assert [(trial.values["x"], trial.value) for trial in child.inherited] == [
        (trial.values["x"], trial.value) for trial in known
    ]


def test_bayesian_begins_where_its_parent_ended() -> None:
    """The first trial is drawn near the parent's best, not at random."""

    def mean_distance(parents: tuple[str, ...]) -> float:
        distances = []
        for seed in range(15):
            config: dict[str, Any] = {"Strategy": "Bayesian", "RandomSeed": seed, "jobs": 1}
            name = f"child-{len(parents)}-{seed}"
            child = world.create(warm(name, *parents, **config))
            world.tick()
            distances.append(abs(float(child.trials[0].values["x"]) - 0.8))
        return sum(distances) / len(distances)

    world, _ = world_with_parent(jobs=40, parallel=4)

    assert mean_distance(("parent",)) < 0.6 * mean_distance(())


def test_warm_start_is_not_recursive() -> None:
    world, _ = world_with_parent()
    world.tune(warm("child", "parent", jobs=2))

    grandchild = world.create(warm("grandchild", "child"))

    assert len(grandchild.inherited) == 2


def test_overall_best_may_be_a_parents_training_job() -> None:
    world, parent = world_with_parent(jobs=20)
    ranges = {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "0.1"}],
    }

    child = world.tune(warm("child", "parent", jobs=2, ParameterRanges=ranges))

    answer = world.describe(child)
    best = min((t.value, t.job_name) for t in parent.trials if t.value is not None)
    assert answer["BestTrainingJob"]["TuningJobName"] == "child"
    overall = answer["OverallBestTrainingJob"]
    assert (overall["TuningJobName"], overall["TrainingJobName"]) == ("parent", best[1])
    metric = overall["FinalHyperParameterTuningJobObjectiveMetric"]
    assert metric == {"Type": "Minimize", "MetricName": METRIC, "Value": best[0]}


def test_overall_best_may_be_the_jobs_own() -> None:
    world, _ = world_with_parent(jobs=1)
    ranges = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.8", "MaxValue": "0.8001"}]}

    child = world.tune(warm("child", "parent", jobs=1, ParameterRanges=ranges))

    assert world.describe(child)["OverallBestTrainingJob"]["TuningJobName"] == "child"


def test_transfer_learning_has_no_overall_best() -> None:
    world, _ = world_with_parent()

    child = world.tune(warm("child", "parent", kind="TransferLearning", jobs=2))

    assert "OverallBestTrainingJob" not in world.describe(child)


def test_a_value_that_was_static_is_known_when_it_is_tuned() -> None:
    world, _ = world_with_parent()
    request = warm("child", "parent")
    ranges = {
        **UNIT_RANGE,
        "IntegerParameterRanges": [{"Name": "num_round", "MinValue": "1", "MaxValue": "100"}],
    }
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = ranges
    del request["TrainingJobDefinition"]["StaticHyperParameters"]

    child = world.create(request)

    assert {trial.values["num_round"] for trial in child.inherited} == {"40"}


def test_a_parent_must_exist() -> None:
    with pytest.raises(ValidationError, match="can't find a tuning job called parent"):
        TuningWorld(bowl).create(warm("child", "parent"))


def test_a_parent_must_have_ended() -> None:
    world = TuningWorld(bowl)
    world.create(tuning_request("parent"))

    with pytest.raises(ValidationError, match="parent is in status InProgress"):
        world.create(warm("child", "parent"))


def test_a_stopped_parent_will_do() -> None:
    world = TuningWorld(bowl)
    parent = world.create(tuning_request("parent"))
    world.run(parent, 40)
    world.tuning.stop("parent")
    world.run(parent)

    child = world.create(warm("child", "parent"))

    assert parent.status == "Stopped"
    assert child.inherited


def refusal(world: TuningWorld, request: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        world.create(request)
    assert len(world.tuning.all()) == 1
    return refused.value.message


def test_the_objective_must_be_the_parents() -> None:
    world, _ = world_with_parent()
    objective = {"Type": "Maximize", "MetricName": METRIC}

    message = refusal(world, warm("child", "parent", HyperParameterTuningJobObjective=objective))

    assert "The objective is Maximize validation:rmse" in message


def test_the_set_of_names_must_be_the_parents() -> None:
    world, _ = world_with_parent()
    request = warm("child", "parent")
    request["TrainingJobDefinition"]["StaticHyperParameters"]["eta"] = "0.1"

    assert "set of tunable plus static HyperParameter names" in refusal(world, request)


def test_the_injected_hyperparameter_is_not_one_of_the_names() -> None:
    """A request that repeats what Describe showed differs in no hyperparameter."""
    world, _ = world_with_parent()
    request = warm("child", "parent")
    request["TrainingJobDefinition"]["StaticHyperParameters"]["_tuning_objective_metric"] = METRIC

    assert world.create(request).is_live


def test_the_type_of_a_hyperparameter_must_not_change() -> None:
    world, _ = world_with_parent()
    ranges = {"IntegerParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}

    message = refusal(world, warm("child", "parent", ParameterRanges=ranges))

    assert "x is Integer, and Continuous" in message


def test_ten_changes_are_allowed_and_each_counts_twice() -> None:
    """The documents' example: tunable to static counts as 2 of 10, and so does a new value."""
    static = {f"s{number}": "1" for number in range(6)}
    world = TuningWorld(bowl)
    parent = tuning_request("parent", jobs=1)
    parent["TrainingJobDefinition"]["StaticHyperParameters"] = static
    world.tune(parent)
    request = warm("child", "parent")
    five = {name: "2" if name != "s0" else "1" for name in static}

    request["TrainingJobDefinition"]["StaticHyperParameters"] = {**five, "s0": "2"}
    message = refusal(world, request)
    request["TrainingJobDefinition"]["StaticHyperParameters"] = five
    child = world.create(request)

    assert message.startswith("12 changes to static hyperparameters since parent tuning job parent")
    assert child.is_live


def test_a_new_environment_is_refused_in_the_services_words() -> None:
    world, _ = world_with_parent()
    request = warm("child", "parent")
    request["TrainingJobDefinition"]["Environment"] = {"A": "1"}

    assert refusal(world, request).startswith(
        "Only the following fields in TrainingJobDefinition are allowed to change: ["
    )


def test_several_definitions_cannot_be_warm_started() -> None:
    world, _ = world_with_parent()
    request = warm("child", "parent")
    del request["TrainingJobDefinition"]
    objective = request["HyperParameterTuningJobConfig"].pop("HyperParameterTuningJobObjective")
    request["TrainingJobDefinitions"] = [
        training_definition(
            DefinitionName="a", TuningObjective=objective, HyperParameterRanges=UNIT_RANGE
        )
    ]

    assert "only when tuning a single algorithm" in refusal(world, request)


def test_what_was_inherited_survives_a_restart() -> None:
    world, _ = world_with_parent()
    child = world.create(warm("child", "parent"))

    restored = world.restarted().tuning.get("child")

    assert restored.inherited == child.inherited
    assert restored.inherited
