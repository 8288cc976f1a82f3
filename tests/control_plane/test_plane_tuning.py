from __future__ import annotations

from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from local_test.control_plane.training.simulated import Script
from local_test.control_plane.tuning.describe import list_trials, list_tuning_jobs
from local_test.control_plane.tuning.record import TuningJob
from local_test.control_plane.wire.errors import (
    ResourceInUse,
    ResourceNotFound,
    ValidationError,
)
from tests.control_plane.tuning_world import (
    METRIC,
    UNIT_RANGE,
    TuningWorld,
    arn,
    emitting,
    training_definition,
    tuning_request,
)

GRID = {
    "CategoricalParameterRanges": [
        {"Name": "booster", "Values": ["gbtree", "dart"]},
        {"Name": "batch", "Values": ['"64"', '"128"', '"256"']},
    ]
}


def slope(hyperparameters: Any, _: int) -> Script:
    x = float(hyperparameters["x"])
    return emitting(2 + x, 1 + x, x)


def counted(*values: float | None) -> Any:
    """Return a behaviour: trial n ends with the n-th value; None fails."""

    def behave(_: object, number: int) -> Script:
        value = values[number - 1]
        return emitting(9.0, exit_code=1) if value is None else emitting(9.0, value)

    return behave


def values_of(job: TuningJob) -> list[dict[str, str]]:
    return [trial.values for trial in job.trials]


# -------------------------------------------------------------------------- trials as training jobs


def test_a_trial_is_a_training_job_that_the_service_model_accepts() -> None:
    definition = training_definition(
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/train"}},
            }
        ],
        Environment={"A": "1"},
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        EnableNetworkIsolation=True,
        EnableManagedSpotTraining=True,
        EnableInterContainerTrafficEncryption=True,
        CheckpointConfig={"S3Uri": "s3://b/checkpoints"},
        RetryStrategy={"MaximumRetryAttempts": 2},
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
    )
    tags = [{"Key": "team", "Value": "risk"}]
    request = {**tuning_request(), "TrainingJobDefinition": definition, "Tags": tags}
    world = TuningWorld(slope)
    job = world.create(request)
    world.tick()

    training = world.training.get(job.trials[0].job_name)

    shape = get_session().get_service_model("sagemaker").shape_for("CreateTrainingJobRequest")
    assert not ParamValidator().validate(training.request, shape).has_errors()
    assert training.tuning_job_arn == job.arn
    assert training.arn == arn("training-job", training.name)
    expected = {key: value for key, value in definition.items() if key in shape.members}
    expected["ResourceConfig"] = definition["HyperParameterTuningResourceConfig"]
    expected["Tags"] = tags
    expected["TrainingJobName"] = training.name
    expected["HyperParameters"] = {
        "num_round": "40",
        "x": job.trials[0].values["x"],
        "_tuning_objective_metric": METRIC,
    }
    assert training.request == expected


def test_names_are_numbered_and_end_in_eight_hexadecimal_digits() -> None:
    world = TuningWorld(slope)

    job = world.tune(tuning_request("a-name-of-thirty-two-characters-", jobs=3))

    names = [trial.job_name for trial in job.trials]
    assert [name[:-9] for name in names] == [
        f"a-name-of-thirty-two-characters--{number}" for number in ("001", "002", "003")
    ]
    assert all(int(name[-8:], 16) >= 0 and len(name) == 45 for name in names)
    assert len({name[-8:] for name in names}) == 3


def test_the_first_of_several_kinds_of_instances_is_used() -> None:
    configs = [
        {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 5},
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 9},
    ]
    request = tuning_request()
    resources = {"AllocationStrategy": "Prioritized", "InstanceConfigs": configs}
    request["TrainingJobDefinition"]["HyperParameterTuningResourceConfig"] = resources
    world = TuningWorld(slope)
    job = world.create(request)

    world.tick()

    training = world.training.get(job.trials[0].job_name)
    assert training.request["ResourceConfig"] == configs[0]


# --------------------------------------------------------------------------------------- the course


def test_never_more_trials_run_than_allowed_and_a_free_place_is_filled_at_once() -> None:
    world = TuningWorld(lambda _, number: emitting(1.0, every_s=float(number)))

    job = world.tune(tuning_request(jobs=9, parallel=3))

    assert world.most_running == 3
    assert [trial.number for trial in job.trials] == list(range(1, 10))
    # One after the other they take 90 s, three at a time hardly more than a third of it.
    assert (job.ended or 0) - job.created < 50


@pytest.mark.parametrize(("kind", "best"), [("Minimize", 3), ("Maximize", 2)])
def test_the_best_training_job_has_the_best_final_value_and_did_not_fail(
    kind: str, best: int
) -> None:
    world = TuningWorld(counted(5.0, 8.0, 4.0, None))
    objective = {"Type": kind, "MetricName": METRIC}

    job = world.tune(tuning_request(jobs=4, parallel=1, HyperParameterTuningJobObjective=objective))

    answer = world.describe(job)
    assert answer["BestTrainingJob"]["TrainingJobName"] == job.trials[best - 1].job_name
    assert answer["TrainingJobStatusCounters"] == {
        "Completed": 3,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 1,
        "Stopped": 0,
    }
    assert answer["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 1}


def test_a_failed_job_is_not_evaluated_although_it_showed_the_best_value() -> None:
    def behave(_: object, number: int) -> Script:
        return emitting(1.0, exit_code=1) if number == 1 else emitting(5.0)

    world = TuningWorld(behave)

    job = world.tune(tuning_request(jobs=2, parallel=1))

    assert [trial.value for trial in job.trials] == [None, 5.0]
    assert job.trials[0].epochs == [1.0]
    assert world.describe(job)["BestTrainingJob"]["TrainingJobName"] == job.trials[1].job_name


def test_a_job_without_the_objective_is_not_evaluated_although_it_completed() -> None:
    world = TuningWorld(lambda _, number: emitting() if number == 1 else emitting(5.0))

    job = world.tune(tuning_request(jobs=2, parallel=1))

    first = list_trials(job, {}, training=world.look_up_training)[0]
    assert (first["TrainingJobStatus"], first["ObjectiveStatus"]) == ("Completed", "Failed")
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in first


def test_the_last_emission_counts_and_not_the_best() -> None:
    world = TuningWorld(lambda _, __: emitting(1.0, 3.0, 2.0))

    job = world.tune(tuning_request(jobs=1))

    assert (job.trials[0].epochs, job.trials[0].value) == ([1.0, 3.0, 2.0], 2.0)


def test_grid_runs_every_combination_once_without_being_told_how_many() -> None:
    world = TuningWorld(lambda _, __: emitting(1.0))

    job = world.tune(tuning_request(jobs=None, Strategy="Grid", ParameterRanges=GRID))

    assert [(each["booster"], each["batch"]) for each in values_of(job)] == [
        (booster, batch) for booster in ("gbtree", "dart") for batch in ('"64"', '"128"', '"256"')
    ]
    config = world.describe(job)["HyperParameterTuningJobConfig"]
    assert config["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6


def test_a_categorical_value_reaches_the_container_with_its_quotes() -> None:
    world = TuningWorld(lambda _, __: emitting(1.0))
    job = world.create(tuning_request(Strategy="Grid", ParameterRanges=GRID))

    world.tick()

    training = world.training.get(job.trials[0].job_name)
    assert training.request["HyperParameters"]["batch"] == '"64"'


def test_a_random_seed_reproduces_a_tuning_job_of_another_name() -> None:
    def run(name: str, seed: int | None) -> list[dict[str, str]]:
        request = tuning_request(name, RandomSeed=seed)
        if seed is None:
            del request["HyperParameterTuningJobConfig"]["RandomSeed"]
        return values_of(TuningWorld(slope).tune(request))

    assert run("one", 7) == run("two", 7)
    assert run("one", 7) != run("one", 8)
    assert run("one", None) == run("one", None)
    assert run("one", None) != run("two", None)


def test_hyperband_spends_its_epochs_on_the_good_trials() -> None:
    config: dict[str, Any] = {
        "Strategy": "Hyperband",
        "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}},
    }
    world = TuningWorld(lambda h, _: emitting(*[float(h["x"])] * 20))

    job = world.tune(tuning_request(jobs=18, parallel=3, **config))

    epochs = sorted(len(trial.epochs) for trial in job.trials)
    # Nobody passes MaxResource, most are stopped at the rungs 1 and 3, the best goes all the way.
    assert set(epochs) <= {1, 3, 9}
    assert epochs.count(1) >= 4
    best = min(job.trials, key=lambda trial: float(trial.values["x"]))
    assert len(best.epochs) == 9
    assert sum(epochs) < 0.6 * 18 * 9
    assert all(trial.was_stopped_early for trial in job.trials)
    assert {world.training.get(t.job_name).stop_cause for t in job.trials} == {"early"}
    assert world.describe(job)["ObjectiveStatusCounters"]["Succeeded"] == 18


def test_a_trial_that_has_exited_by_itself_is_not_stopped_while_it_uploads() -> None:
    config: dict[str, Any] = {
        "Strategy": "Hyperband",
        "StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 1}},
    }
    world = TuningWorld(lambda _, __: Script(lines=((5.0, "validation:rmse=1.0;"),), exits_s=5.0))
    world.stages.upload_s = 30.0

    job = world.tune(tuning_request(jobs=1, **config))

    assert world.training.get(job.trials[0].job_name).status == "Completed"
    assert (job.trials[0].value, job.trials[0].was_stopped_early) == (1.0, False)


def test_several_definitions_take_turns_with_their_own_ranges_and_objectives() -> None:
    request = tuning_request(jobs=5, parallel=1)
    del request["TrainingJobDefinition"]
    config = request["HyperParameterTuningJobConfig"]
    objective = config.pop("HyperParameterTuningJobObjective")
    config.pop("ParameterRanges")
    grid = {"CategoricalParameterRanges": [{"Name": "kernel", "Values": ["rbf"]}]}
    request["TrainingJobDefinitions"] = [
        training_definition(
            DefinitionName=name, TuningObjective=objective, HyperParameterRanges=ranges
        )
        for name, ranges in (("boosting", UNIT_RANGE), ("svm", grid))
    ]
    world = TuningWorld(counted(5.0, 4.0, 3.0, 2.0, 6.0))

    job = world.tune(request)

    assert [(trial.definition, *trial.values) for trial in job.trials] == [
        ("boosting", "x"),
        ("svm", "kernel"),
        ("boosting", "x"),
        ("svm", "kernel"),
        ("boosting", "x"),
    ]
    best = world.describe(job)["BestTrainingJob"]
    assert best["TrainingJobDefinitionName"] == "svm"
    assert best["TunedHyperParameters"] == {"kernel": "rbf"}


# ------------------------------------------------------------------------------------ stop, refusal


def test_stop_ends_the_running_trials_and_launches_no_more() -> None:
    world = TuningWorld(lambda _, __: Script(exits_s=float("inf"), term_s=30.0))
    job = world.create(tuning_request(jobs=9, parallel=3))
    world.run(job, 20)

    world.tuning.stop(job.name)
    world.tuning.stop(job.name)
    during = job.status
    world.run(job, 10)
    while_they_end = (job.status, len(world.executor.running()))
    world.run(job, 60)

    assert (during, while_they_end) == ("Stopping", ("Stopping", 3))
    assert (job.status, len(job.trials), len(world.executor.running())) == ("Stopped", 3, 0)
    answer = world.describe(job)
    assert answer["TrainingJobStatusCounters"]["Stopped"] == 3
    assert answer["HyperParameterTuningEndTime"] == job.ended


def test_stop_before_the_first_tick_starts_nothing() -> None:
    world = TuningWorld(slope)
    job = world.create(tuning_request())

    world.tuning.stop(job.name)
    world.tick()

    assert (job.status, job.trials) == ("Stopped", [])


def test_what_has_ended_cannot_be_stopped() -> None:
    world = TuningWorld(slope)
    job = world.tune(tuning_request(jobs=1))

    with pytest.raises(ValidationError, match="status Completed"):
        world.tuning.stop(job.name)


def test_a_trial_that_a_user_stops_is_replaced_by_the_next() -> None:
    world = TuningWorld(slope)
    job = world.create(tuning_request(jobs=3, parallel=1))
    world.run(job, 15)

    world.training.stop(job.trials[0].job_name)
    world.run(job)

    assert (job.status, len(job.trials)) == ("Completed", 3)
    assert [len(trial.epochs) for trial in job.trials] == [1, 3, 3]
    assert not job.trials[0].was_stopped_early


def test_an_unknown_name_is_refused_in_the_services_words() -> None:
    world = TuningWorld(slope)

    with pytest.raises(ResourceNotFound, match="can't find a tuning job called nobody"):
        world.tuning.get("nobody")
    with pytest.raises(ResourceNotFound):
        world.tuning.stop("nobody")


def test_a_name_is_used_once() -> None:
    world = TuningWorld(slope)
    world.tune(tuning_request("tune", jobs=1))

    with pytest.raises(ResourceInUse, match="with the name, tune, already exists"):
        world.create(tuning_request("tune"))


def test_autotune_is_refused() -> None:
    world = TuningWorld(slope)
    ranges = {"AutoParameters": [{"Name": "x", "ValueHint": "4"}]}

    for request in (
        {**tuning_request(), "Autotune": {"Mode": "Enabled"}},
        tuning_request(ParameterRanges=ranges),
    ):
        with pytest.raises(ValidationError, match="Autotune"):
            world.create(request)


def test_a_training_job_that_is_refused_fails_the_tuning_job() -> None:
    world = TuningWorld(slope)
    first = TuningWorld(slope).tune(tuning_request(jobs=2)).trials[1].job_name
    taken = {**training_definition(), "TrainingJobName": first, "HyperParameters": {"x": "1"}}
    world.training.create(taken, arn=arn("training-job", first))
    # The name of trial 2 is a job that is not its own.
    job = world.create(tuning_request(jobs=2, parallel=1))

    world.run(job)

    assert job.status == "Failed"
    assert first in str(job.failure_reason)


# --------------------------------------------------------------------------------------- restarting


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_a_restored_job_goes_on_with_the_same_suggestions(strategy: str) -> None:
    request = tuning_request(jobs=10, parallel=1, Strategy=strategy)
    undisturbed = TuningWorld(slope).tune(request)
    world = TuningWorld(slope)
    job = world.create(request)
    # The plane ends when trial 6 has ended and nothing has looked at it yet.
    while len(job.trials) < 6 or world.training.get(job.trials[5].job_name).is_live:
        world.training.tick()
        if len(job.trials) < 6:
            world.tuning.tick()
        world.clock.advance(1.0)

    later = world.restarted()
    restored = later.run(later.tuning.get("tune"))

    assert restored.status == "Completed"
    assert values_of(restored) == values_of(undisturbed)
    assert [t.value for t in restored.trials] == [t.value for t in undisturbed.trials]


def test_a_trial_that_died_with_the_plane_has_failed_and_the_job_goes_on() -> None:
    world = TuningWorld(slope)
    world.run(world.create(tuning_request(jobs=5, parallel=2)), 15)

    later = world.restarted()
    job = later.run(later.tuning.get("tune"))

    assert (job.status, len(job.trials)) == ("Completed", 5)
    assert [trial.value is None for trial in job.trials] == [True, True, False, False, False]
    counters = later.describe(job)["TrainingJobStatusCounters"]
    assert (counters["Completed"], counters["RetryableError"]) == (3, 2)


def test_a_trial_whose_training_job_was_not_created_in_time_is_created_later() -> None:
    world = TuningWorld(slope)
    world.create(tuning_request(jobs=3, parallel=1))
    world.training.close()
    world.tick()

    later = world.restarted()
    job = later.run(later.tuning.get("tune"))

    assert (job.status, len(job.trials)) == ("Completed", 3)
    assert all(trial.value is not None for trial in job.trials)


def test_a_trial_is_in_the_journal_as_soon_as_its_training_job_is() -> None:
    world = TuningWorld(slope)
    job = world.create(tuning_request(jobs=3, parallel=2))
    world.tick()

    restored = world.restarted().tuning.get("tune")

    assert restored.trials == job.trials
    assert len(restored.trials) == 2


def test_epochs_are_not_counted_twice_after_a_restart() -> None:
    world = TuningWorld(lambda _, number: emitting(*[1.0] * (1 if number == 1 else 9)))
    # Trial 1 ends, and with it the epochs of trial 2 are written down.
    world.run(world.create(tuning_request(jobs=5, parallel=2)), 25)

    later = world.restarted()
    job = later.run(later.tuning.get("tune"))

    assert [len(trial.epochs) for trial in job.trials[:2]] == [1, 2]


def test_a_job_that_was_stopping_is_stopped_after_a_restart() -> None:
    world = TuningWorld(lambda _, __: Script(exits_s=float("inf"), term_s=30.0))
    world.run(world.create(tuning_request()), 10)
    world.tuning.stop("tune")

    later = world.restarted()
    later.tick()

    assert later.tuning.get("tune").status == "Stopped"


def test_emissions_are_not_written_to_the_journal_one_by_one() -> None:
    world = TuningWorld(lambda _, __: emitting(*[1.0] * 200, every_s=1.0))

    world.tune(tuning_request(jobs=2, parallel=1))

    assert world.journal.saves["tuning-job", "tune"] < 12


# -------------------------------------------------------------------------------- describe and list


def test_describe_answers_in_the_models_shape() -> None:
    world = TuningWorld(slope)
    job = world.create(tuning_request(jobs=3, parallel=1))
    world.run(job, 60)

    answer = world.describe(job)

    shape = (
        get_session()
        .get_service_model("sagemaker")
        .shape_for("DescribeHyperParameterTuningJobResponse")
    )
    assert not ParamValidator().validate(answer, shape).has_errors()
    assert answer["HyperParameterTuningJobStatus"] == "InProgress"
    assert answer["ConsumedResources"] == {"RuntimeInSeconds": 60}
    assert answer["ObjectiveStatusCounters"] == {"Succeeded": 1, "Pending": 1, "Failed": 0}
    assert "HyperParameterTuningEndTime" not in answer
    static = answer["TrainingJobDefinition"]["StaticHyperParameters"]
    assert static == {"num_round": "40", "_tuning_objective_metric": METRIC}
    assert answer["BestTrainingJob"]["TrainingJobName"] == job.trials[0].job_name


def test_trials_are_listed_as_asked() -> None:
    world = TuningWorld(counted(5.0, None, 8.0, 4.0))
    job = world.tune(tuning_request(jobs=4, parallel=1))

    def numbers(**request: str) -> list[int]:
        entries = list_trials(job, request, training=world.look_up_training)
        return [int(each["TrainingJobName"].split("-")[1]) for each in entries]

    assert numbers() == [1, 2, 3, 4]
    assert numbers(SortOrder="Descending") == [4, 3, 2, 1]
    assert numbers(SortBy="FinalObjectiveMetricValue") == [4, 1, 3]
    assert numbers(SortBy="FinalObjectiveMetricValue", SortOrder="Descending") == [3, 1, 4]
    assert numbers(SortBy="Status") == [1, 3, 4, 2]
    assert numbers(StatusEquals="Failed") == [2]
    failed = list_trials(job, {"StatusEquals": "Failed"}, training=world.look_up_training)[0]
    assert failed["FailureReason"].startswith("AlgorithmError")


def test_tuning_jobs_are_listed_as_asked() -> None:
    world = TuningWorld(slope)
    world.tune(tuning_request("beta-1", jobs=1))
    second = world.create(tuning_request("alpha"))
    world.clock.advance(100)
    world.create(tuning_request("beta-2"))

    def names(**request: Any) -> list[str]:
        entries = list_tuning_jobs(world.tuning.all(), request, training=world.look_up_training)
        return [each["HyperParameterTuningJobName"] for each in entries]

    assert names() == ["alpha", "beta-1", "beta-2"]
    assert names(SortBy="CreationTime", SortOrder="Descending") == ["beta-2", "alpha", "beta-1"]
    assert names(SortBy="Status") == ["beta-1", "alpha", "beta-2"]
    assert names(NameContains="beta") == ["beta-1", "beta-2"]
    assert names(StatusEquals="Completed") == ["beta-1"]
    assert names(CreationTimeAfter=second.created) == ["beta-2"]
    assert names(CreationTimeBefore=second.created) == ["beta-1"]
