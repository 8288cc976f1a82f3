from __future__ import annotations

from typing import Any

import pytest

from local_test.control_plane.tuning.completion import (
    Limits,
    Outcome,
    failure,
    judge,
    measure,
    read_limits,
)
from tests.control_plane.tuning_world import TuningWorld, emitting, tuning_request


def outcomes(*values: float | None) -> list[Outcome]:
    return [Outcome(value, ended=100.0 + place) for place, value in enumerate(values)]


def reason(limits: Limits, *values: float | None, runtime_s: float = 0, low: bool = True) -> str:
    verdict = judge(
        limits, outcomes(*values), launched=len(values), runtime_s=runtime_s, is_minimized=low
    )
    return verdict.reason.split(":")[0] if verdict is not None else ""


def test_limits_are_read_from_everywhere_in_the_request() -> None:
    config = {
        "ResourceLimits": {"MaxParallelTrainingJobs": 3, "MaxRuntimeInSeconds": 120},
        "TuningJobCompletionCriteria": {
            "TargetObjectiveMetricValue": 0.5,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 4},
            "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        },
    }

    assert read_limits(config, None) == Limits(750, 3, 120, 0.5, 4, ends_on_convergence=True)
    assert read_limits(config, 12).max_jobs == 12


def test_one_percent_of_the_best_value_is_no_improvement() -> None:
    assert measure(outcomes(100.0, 99.0, 98.5), is_minimized=True).not_improving == 2
    assert measure(outcomes(100.0, 98.9), is_minimized=True).not_improving == 0
    assert measure(outcomes(-100.0, -100.5), is_minimized=True).not_improving == 1
    assert measure(outcomes(0.90, 0.905, 0.92), is_minimized=False).not_improving == 0


def test_small_steps_do_not_add_up_to_an_improvement() -> None:
    """Each job is measured against the best so far, not against the last improvement."""
    assert measure(outcomes(0.90, 0.905, 0.911), is_minimized=False).not_improving == 2


def test_failed_training_jobs_are_not_measured() -> None:
    assert measure(outcomes(1.0, None, None, 1.0), is_minimized=True).not_improving == 1


def test_convergence_is_dated_by_the_tenth_job_without_an_improvement() -> None:
    values = [5.0, 4.0, *[4.0] * 9]

    assert measure(outcomes(*values), is_minimized=True).converged_at is None
    assert measure(outcomes(*values, 4.0, 4.0, 1.0), is_minimized=True).converged_at == 111.0


def test_target_is_met_from_its_side() -> None:
    assert reason(Limits(9, 1, target=0.5), 0.6) == ""
    assert reason(Limits(9, 1, target=0.5), 0.5) == "TargetObjectiveMetricValue"
    assert reason(Limits(9, 1, target=0.5), 0.4, low=False) == ""
    assert reason(Limits(9, 1, target=0.5), 0.6, low=False) == "TargetObjectiveMetricValue"


def test_not_improving_counts_only_since_the_last_improvement() -> None:
    limits = Limits(99, 1, max_not_improving=3)

    assert reason(limits, 5.0, 5.0, 5.0, 4.0, 4.0, 4.0) == ""
    assert reason(limits, 5.0, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0) == "BestObjectiveNotImproving"


def test_convergence_ends_a_job_only_where_it_is_asked_for() -> None:
    values = [4.0] * 11

    assert reason(Limits(99, 1, ends_on_convergence=True), *values) == "ConvergenceDetected"
    assert reason(Limits(99, 1), *values) == ""


def test_five_failures_without_a_success_fail_the_job() -> None:
    failed = [Outcome(None, 0.0, has_completed=False)] * 5

    assert failure(Limits(50, 4), failed[:4]) is None
    assert "No training job succeeded after 5 attempts" in str(failure(Limits(50, 4), failed))
    assert failure(Limits(50, 4), [*failed, Outcome(1.0, 9.0)]) is None


def test_with_fewer_jobs_all_of_them_have_to_fail() -> None:
    failed = [Outcome(None, 0.0, has_completed=False)] * 2

    assert failure(Limits(3, 1), failed) is None
    assert "after 2 attempts" in str(failure(Limits(2, 1), failed))


def test_jobs_that_complete_without_an_objective_are_told_from_failures() -> None:
    assert "No objective metrics found" in str(failure(Limits(9, 1), outcomes(*[None] * 5)))


def test_what_the_platform_failed_is_no_attempt() -> None:
    lost = [Outcome(None, 0.0, has_completed=False, is_internal=True)] * 5

    assert failure(Limits(50, 4), lost) is None
    assert failure(Limits(5, 4), lost) is not None


def run(criteria: dict[str, Any], values: list[float]) -> tuple[Any, TuningWorld]:
    world = TuningWorld(lambda _, number: emitting(values[number - 1], every_s=10.0 * number))
    job = world.tune(
        tuning_request(jobs=len(values), parallel=2, TuningJobCompletionCriteria=criteria)
    )
    return job, world


def test_the_target_ends_the_job_and_stops_what_runs() -> None:
    job, world = run({"TargetObjectiveMetricValue": 1.0}, [5.0, 1.0, 9.0, 9.0, 9.0])

    # Trial 3 runs when trial 2 meets the target.
    statuses = [world.training.get(trial.job_name).status for trial in job.trials]
    assert (job.status, statuses) == ("Completed", ["Completed", "Completed", "Stopped"])
    assert job.completion_reason.startswith("TargetObjectiveMetricValue")
    assert not job.trials[2].was_stopped_early


def test_no_improvement_ends_the_job() -> None:
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}

    job, world = run(criteria, [5.0, 4.0, 4.1, 4.1, 4.1, 4.1, 4.1, 4.1])

    assert job.status == "Completed"
    assert len(job.trials) == 6
    details = world.describe(job)["TuningJobCompletionDetails"]
    # The sixth had shown a value when it was stopped.
    assert details == {"NumberOfTrainingJobsObjectiveNotImproving": 4}


def test_convergence_ends_the_job_and_is_dated() -> None:
    criteria = {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}

    job, world = run(criteria, [4.0] * 20)

    assert len(job.trials) == 12
    details = world.describe(job)["TuningJobCompletionDetails"]
    eleventh = world.training.get(job.trials[10].job_name)
    assert details["ConvergenceDetectedTime"] == eleventh.modified


def test_the_job_runs_to_its_number_of_training_jobs_in_parallel() -> None:
    job, world = run({}, [3.0, 1.0, 2.0, 5.0, 4.0])

    assert job.status == "Completed"
    assert len(job.trials) == 5
    assert world.most_running == 2


def test_the_longest_runtime_stops_what_runs() -> None:
    world = TuningWorld(lambda _, __: emitting(1.0, every_s=50.0))
    request = tuning_request(jobs=9, parallel=1)
    limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits["MaxRuntimeInSeconds"] = 150

    job = world.tune(request)

    # Each trial takes 100 s and a few seconds around it.
    assert (job.status, len(job.trials)) == ("Completed", 2)
    assert job.ended == pytest.approx(job.created + 150, abs=3)
    assert world.training.get(job.trials[1].job_name).status == "Stopped"


def test_a_tuning_job_whose_training_jobs_all_fail_fails_after_five() -> None:
    world = TuningWorld(lambda _, __: emitting(1.0, exit_code=1))

    job = world.tune(tuning_request(jobs=50, parallel=4))

    # Public reports: 8 failed jobs where 4 ran at once.
    assert job.status == "Failed"
    assert "No training job succeeded after 5 attempts" in str(job.failure_reason)
    assert len(job.trials) in {5, 6, 7, 8}
    assert "BestTrainingJob" not in world.describe(job)


def test_a_wrong_regex_fails_the_tuning_job() -> None:
    world = TuningWorld(lambda _, __: emitting())

    job = world.tune(tuning_request(jobs=20, parallel=2))

    assert job.status == "Failed"
    assert "regular expression" in str(job.failure_reason)


def test_a_running_trial_that_succeeds_saves_the_tuning_job() -> None:
    def behaviour(_: object, number: int) -> Any:
        if number == 1:
            return emitting(1.0, every_s=500.0)
        return emitting(2.0, exit_code=int(number <= 6))

    world = TuningWorld(behaviour)

    job = world.tune(tuning_request(jobs=8, parallel=2))

    assert (job.status, len(job.trials)) == ("Completed", 8)
