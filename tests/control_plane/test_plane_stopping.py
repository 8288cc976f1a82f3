from __future__ import annotations

import math

import pytest

from local_test.control_plane.faults import Fault
from local_test.control_plane.training.machine import Timings
from local_test.control_plane.training.simulated import Script
from local_test.control_plane.wire.errors import ValidationError
from tests.control_plane.plane_training_world import (
    TrainingWorld,
    secondaries,
    spot_request,
    training_request,
)

LONG = Script(exits_s=1000.0)
DEAF = Script(exits_s=math.inf, term_s=math.inf)
IN_TRAINING = ["Starting", "Downloading", "Training"]


@pytest.mark.parametrize(
    ("at_s", "before"),
    [
        (3.0, ["Starting"]),
        (8.0, ["Starting", "Pending"]),
        (25.0, ["Starting", "Pending", "Downloading"]),
    ],
)
def test_a_stop_before_training_ends_at_once_and_uploads_nothing(
    at_s: float, before: list[str]
) -> None:
    world = TrainingWorld(LONG, timings=Timings(starting_s=5.0), prepare_s=10.0)
    if "Pending" in before:
        world.faults.add(Fault("slow_start", seconds=15.0))
    job = world.create()
    world.run(at_s)

    world.jobs.stop("demo")
    world.run(0)

    assert secondaries(job) == [*before, "Stopping", "Stopped"]
    assert job.transitions[-1].message == "Training job stopped"
    world.run(100)
    assert (job.status, world.executor.launches, world.stages.uploads) == ("Stopped", [], {})


@pytest.mark.parametrize("code", [0, 1, 143])
def test_a_job_that_reacts_to_sigterm_is_stopped_whatever_its_exit_code(code: int) -> None:
    world = TrainingWorld(Script(exits_s=1000.0, term_s=12.0, term_code=code), upload_s=2.0)
    job = world.create()
    world.run(50)

    world.jobs.stop("demo")
    at_once = (job.status, job.secondary_status, job.transitions[-1].message)
    world.run(60)

    assert at_once == ("Stopping", "Stopping", "Stopping the training job")
    assert secondaries(job) == [*IN_TRAINING, "Stopping", "Uploading", "Stopped"]
    assert job.transitions[-1].start == world.start + 64.0
    assert world.stages.uploads == {"demo": True}
    assert job.failure_reason is None


def test_a_job_that_ignores_sigterm_is_killed_after_120_seconds() -> None:
    world = TrainingWorld(DEAF)
    job = world.create()
    world.run(10)
    containers = world.executor.containers("demo")

    world.jobs.stop("demo")
    world.run(200)

    assert containers.terminated_at == world.start + 10.0
    assert containers.exit_codes() == {"algo-1": 137}
    assert job.transitions[-1].start == world.start + 130.0
    assert job.status == "Stopped"


def test_the_first_cause_of_a_stop_stands() -> None:
    world = TrainingWorld(DEAF)
    job = world.create()
    world.run(10)

    world.jobs.stop("demo", "early")
    world.run(5)
    world.jobs.stop("demo", "asked")
    world.run(200)

    assert (job.stop_cause, job.secondary_status) == ("early", "Stopped")
    assert secondaries(job).count("Stopping") == 1


def test_a_stop_while_the_model_uploads_still_ends_as_stopped() -> None:
    world = TrainingWorld(Script(exits_s=5.0), upload_s=20.0)
    job = world.create()
    world.run(10)

    world.jobs.stop("demo")
    world.run(60)

    assert secondaries(job)[-3:] == ["Uploading", "Stopping", "Stopped"]
    assert job.model_uri is not None


def test_a_failure_that_was_seen_before_the_stop_stays_a_failure() -> None:
    world = TrainingWorld(Script(exits_s=5.0, exit_code=1), upload_s=20.0)
    job = world.create()
    world.run(10)

    world.jobs.stop("demo")
    world.run(60)

    assert job.status == "Failed"
    assert job.failure_reason == "AlgorithmError: , exit code: 1"


@pytest.mark.parametrize("script", [Script(exits_s=1.0), Script(exits_s=1.0, exit_code=1)])
def test_an_ended_job_cannot_be_stopped(script: Script) -> None:
    world = TrainingWorld(script)
    job = world.create()
    world.run(5)

    with pytest.raises(ValidationError, match=f"the training job is in status {job.status}"):
        world.jobs.stop("demo")


def test_a_stopping_job_whose_platform_breaks_is_stopped_and_not_tried_again() -> None:
    world = TrainingWorld(DEAF)
    job = world.create(training_request(RetryStrategy={"MaximumRetryAttempts": 3}))
    world.run(5)
    world.faults.add(Fault("job_internal"))

    world.jobs.stop("demo")
    world.run(30)

    assert (job.status, job.attempt) == ("Stopped", 1)


def test_max_runtime_stops_the_job_and_keeps_its_artifacts() -> None:
    world = TrainingWorld(LONG, prepare_s=10.0)
    job = world.create(training_request(StoppingCondition={"MaxRuntimeInSeconds": 100}))

    world.run(150)

    assert secondaries(job) == [*IN_TRAINING, "Stopping", "Uploading", "MaxRuntimeExceeded"]
    assert (job.status, job.stop_cause) == ("Stopped", "max_runtime")
    assert job.transitions[3].start == world.start + 100.0
    assert world.stages.uploads == {"demo": True}


def test_max_runtime_counts_all_attempts_together_and_no_waiting() -> None:
    world = TrainingWorld(Script(exits_s=1000.0), timings=Timings(starting_s=30.0))
    job = world.create(
        training_request(
            StoppingCondition={"MaxRuntimeInSeconds": 100},
            RetryStrategy={"MaximumRetryAttempts": 3},
        )
    )
    world.run(30 + 60)
    world.faults.add(Fault("job_internal"))

    world.run(200)

    # 30 waiting, 61 seconds of a first attempt, 30 waiting, and what is left of 100 seconds.
    assert job.secondary_status == "MaxRuntimeExceeded"
    assert job.attempt == 2
    assert job.training_s == 100.0
    assert job.transitions[-1].start == world.start + 30 + 61 + 30 + 39


def test_a_job_without_a_limit_stops_after_a_day() -> None:
    world = TrainingWorld(Script(exits_s=math.inf))
    job = world.create(training_request(StoppingCondition={}))

    world.run(86_000, step=100)
    before = job.status
    world.run(1000, step=100)

    assert (before, job.secondary_status) == ("InProgress", "MaxRuntimeExceeded")


def test_max_wait_ends_a_spot_job_that_gets_no_capacity() -> None:
    world = TrainingWorld(LONG)
    world.faults.add(Fault("slow_start", seconds=10_000.0))
    job = world.create(spot_request(max_wait_s=4000))

    world.run(5000, step=10)

    assert secondaries(job) == ["Starting", "Pending", "Stopping", "MaxWaitTimeExceeded"]
    assert job.transitions[-1].start == world.start + 4000.0
    assert job.stop_cause == "max_wait"


def test_max_wait_ends_a_spot_job_that_trains() -> None:
    world = TrainingWorld(Script(exits_s=math.inf))
    world.faults.add(Fault("slow_start", seconds=3000.0))
    job = world.create(spot_request(max_wait_s=4000))

    world.run(5000, step=10)

    assert secondaries(job)[-3:] == ["Stopping", "Uploading", "MaxWaitTimeExceeded"]


@pytest.mark.parametrize("code", [0, 1])
def test_an_exit_between_the_stop_and_the_next_tick_is_a_stop(code: int) -> None:
    world = TrainingWorld(Script(exits_s=10.0, exit_code=code))
    job = world.create()
    world.run(9)

    world.jobs.stop("demo")
    world.clock.advance(5.0)
    world.run(5)

    assert secondaries(job) == [*IN_TRAINING, "Stopping", "Uploading", "Stopped"]
    assert (job.status, job.failure_reason) == ("Stopped", None)


def test_the_wait_of_a_job_that_is_not_a_spot_job_has_no_limit() -> None:
    world = TrainingWorld(Script(exits_s=10.0))
    world.faults.add(Fault("slow_start", seconds=500.0))
    condition = {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200}
    job = world.create(training_request(StoppingCondition=condition))

    world.run(600)

    assert job.status == "Completed"
