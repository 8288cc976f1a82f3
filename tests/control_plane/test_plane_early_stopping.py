from __future__ import annotations

from local_test.control_plane.tuning.early_stopping import is_hopeless
from tests.control_plane.tuning_world import TuningWorld, emitting, tuning_request

# Running averages at epoch 2: 5.5, 2.5, 3.5; their median is 3.5.
PREVIOUS = [[10.0, 1.0, 1.0], [3.0, 2.0, 1.0], [4.0, 3.0, 2.0]]


def test_the_newest_value_is_compared_with_the_median_of_running_averages() -> None:
    assert is_hopeless([0.0, 3.6], PREVIOUS, is_minimized=True)
    assert not is_hopeless([9.0, 3.4], PREVIOUS, is_minimized=True)


def test_the_median_itself_is_good_enough() -> None:
    assert not is_hopeless([9.0, 3.5], PREVIOUS, is_minimized=True)
    assert not is_hopeless([0.0, 3.5], PREVIOUS, is_minimized=False)


def test_maximize_stops_what_is_lower() -> None:
    assert is_hopeless([9.0, 3.4], PREVIOUS, is_minimized=False)
    assert not is_hopeless([9.0, 3.6], PREVIOUS, is_minimized=False)


def test_a_shorter_job_says_nothing_of_later_epochs() -> None:
    previous = [[1.0], [5.0, 5.0, 5.0]]

    assert not is_hopeless([9.0, 4.9], previous, is_minimized=True)
    assert is_hopeless([1.0, 5.1], previous, is_minimized=True)


def test_nothing_is_stopped_without_a_completed_job_or_at_its_last_epoch() -> None:
    assert not is_hopeless([9.0], [], is_minimized=True)
    assert not is_hopeless([9.0, 9.0], [[1.0, 1.0]], is_minimized=True)


def test_auto_stops_the_bad_trial_and_not_the_good_one() -> None:
    curves = {1: [5.0, 4.0, 3.0], 2: [9.0, 8.0, 7.0], 3: [4.0, 3.0, 2.0]}
    world = TuningWorld(lambda _, number: emitting(*curves[number]))

    job = world.tune(tuning_request(jobs=3, parallel=1, TrainingJobEarlyStoppingType="Auto"))

    assert [trial.epochs for trial in job.trials] == [curves[1], [9.0], curves[3]]
    assert [trial.was_stopped_early for trial in job.trials] == [False, True, False]
    assert [world.training.get(trial.job_name).status for trial in job.trials] == [
        "Completed",
        "Stopped",
        "Completed",
    ]


def test_a_job_that_was_stopped_early_is_no_yardstick() -> None:
    # Against the completed job alone 6.0 is worse than 5.0; with trial 2 the median would be 7.0.
    curves = {1: [5.0, 4.0], 2: [9.0, 8.0], 3: [6.0, 5.0]}
    world = TuningWorld(lambda _, number: emitting(*curves[number]))

    job = world.tune(tuning_request(jobs=3, parallel=1, TrainingJobEarlyStoppingType="Auto"))

    assert [trial.was_stopped_early for trial in job.trials] == [False, True, True]


def test_a_stopped_trial_keeps_its_last_value_as_an_evaluated_objective() -> None:
    curves = {1: [5.0, 4.0], 2: [9.0, 8.0]}
    world = TuningWorld(lambda _, number: emitting(*curves[number]))

    job = world.tune(tuning_request(jobs=2, parallel=1, TrainingJobEarlyStoppingType="Auto"))

    assert job.trials[1].value == 9.0
    assert world.describe(job)["ObjectiveStatusCounters"] == {
        "Succeeded": 2,
        "Pending": 0,
        "Failed": 0,
    }


def test_off_stops_nothing() -> None:
    curves = {1: [5.0, 4.0], 2: [9.0, 8.0]}
    world = TuningWorld(lambda _, number: emitting(*curves[number]))

    job = world.tune(tuning_request(jobs=2, parallel=1, TrainingJobEarlyStoppingType="Off"))

    assert [len(trial.epochs) for trial in job.trials] == [2, 2]


def test_values_that_arrive_together_are_judged_one_by_one() -> None:
    """A trial that was bad at its first epoch is stopped although its second came with it."""
    curves = {1: [5.0, 4.0, 3.0], 2: [9.0, 1.0, 1.0]}
    world = TuningWorld(lambda _, number: emitting(*curves[number], every_s=1.0))
    job = world.create(tuning_request(jobs=2, parallel=1, TrainingJobEarlyStoppingType="Auto"))

    world.run(job, step_s=2.0)

    assert job.trials[1].was_stopped_early
