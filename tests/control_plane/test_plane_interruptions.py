from __future__ import annotations

import math

import pytest

from local_test.control_plane.faults import Fault
from local_test.control_plane.training.machine import Timings
from local_test.control_plane.training.ports import Launch, PlatformFault
from local_test.control_plane.training.simulated import CHECKPOINT, Script
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


def _resuming(launch: Launch) -> Script:
    """Print ten epochs, ten seconds each, from where the checkpoint ends."""
    done = int(launch.environment[CHECKPOINT])
    epochs = range(done + 1, 11)
    lines = tuple((10.0 * (at + 1), f"auc=0.{epoch}") for at, epoch in enumerate(epochs))
    return Script(lines=lines, exits_s=10.0 * len(lines) + 1.0, term_s=2.0)


def test_an_interrupted_spot_job_starts_again_from_its_checkpoint() -> None:
    world = TrainingWorld(_resuming, timings=Timings(checkpoint_every_s=1e9), sync_s=3.0)
    job = world.create(spot_request())
    world.run(45)

    world.jobs.interrupt("demo")
    world.run(100)

    assert secondaries(job) == [
        *IN_TRAINING,
        "Interrupted",
        *IN_TRAINING,
        "Uploading",
        "Completed",
    ]
    interrupted = job.transitions[3]
    assert interrupted.start == world.start + 47.0
    assert interrupted.end == world.start + 50.0
    assert job.attempt == 2
    # Four epochs before the interruption and six after it: nothing was done twice.
    assert len(job.emissions) == 10
    # The three seconds of the last sync, without instances, are not counted.
    assert job.training_s == 47.0 + 61.0
    assert job.training_started == world.start


def test_checkpoints_are_kept_while_the_job_trains() -> None:
    world = TrainingWorld(Script(exits_s=20.0), timings=Timings(checkpoint_every_s=5.0), sync_s=2.0)
    world.create(spot_request())

    world.run(30)

    at = [when - world.start for when, kind, _ in world.stages.calls if kind == "sync"]
    assert at == [5.0, 12.0, 19.0]


def test_a_job_without_checkpoints_never_syncs_and_starts_from_nothing() -> None:
    world = TrainingWorld(_resuming)
    job = world.create(spot_request(CheckpointConfig=None))
    world.run(45)

    world.jobs.interrupt("demo")
    world.run(150)

    assert [kind for _, kind, _ in world.stages.calls] == ["prepare", "prepare", "upload"]
    assert (job.status, len(job.emissions)) == ("Completed", 14)


def test_an_interruption_kills_what_outlives_its_grace() -> None:
    world = TrainingWorld(DEAF, timings=Timings(spot_grace_s=20.0, stop_grace_s=500.0))
    job = world.create(spot_request())
    world.run(10)

    world.jobs.interrupt("demo")
    world.run(19)
    before = secondaries(job)
    world.run(1)

    assert before == IN_TRAINING
    assert secondaries(job)[3] == "Interrupted"


def test_an_exit_with_0_in_the_grace_of_an_interruption_is_not_completion() -> None:
    world = TrainingWorld(Script(exits_s=100.0, term_s=1.0, term_code=0))
    job = world.create(spot_request())
    world.run(10)

    world.jobs.interrupt("demo")
    world.run(5)

    assert secondaries(job)[3:5] == ["Interrupted", "Starting"]


def test_a_stop_during_an_interruption_wins() -> None:
    world = TrainingWorld(Script(exits_s=1000.0, term_s=10.0))
    job = world.create(spot_request())
    world.run(10)

    world.jobs.interrupt("demo")
    world.run(5)
    world.jobs.stop("demo")
    world.run(20)

    assert secondaries(job) == [*IN_TRAINING, "Stopping", "Uploading", "Stopped"]
    assert job.attempt == 1


def test_a_stop_while_an_interrupted_job_saves_its_checkpoint_ends_it() -> None:
    world = TrainingWorld(LONG, sync_s=10.0, timings=Timings(checkpoint_every_s=1e9))
    job = world.create(spot_request())
    world.run(10)
    world.jobs.interrupt("demo")
    world.run(5)

    world.jobs.stop("demo")
    world.run(20)

    assert secondaries(job) == [*IN_TRAINING, "Interrupted", "Stopping", "Stopped"]
    assert world.stages.checkpoints == {"demo": 0}


def test_only_a_training_spot_job_can_be_interrupted() -> None:
    world = TrainingWorld(LONG, prepare_s=10.0)
    world.create(training_request("plain"))
    world.create(spot_request("spot"))
    world.run(5)

    with pytest.raises(ValidationError, match="secondary status is Downloading"):
        world.jobs.interrupt("spot")
    world.run(10)
    with pytest.raises(ValidationError, match="does not use managed spot"):
        world.jobs.interrupt("plain")
    world.jobs.stop("spot")
    with pytest.raises(ValidationError, match="secondary status is Stopping"):
        world.jobs.interrupt("spot")


def test_a_failed_last_sync_costs_one_retry_and_not_the_next_attempt_as_well() -> None:
    world = TrainingWorld(
        Script(exits_s=20.0),
        timings=Timings(checkpoint_every_s=5.0),
        fault=lambda kind, job: (
            PlatformFault("network") if kind == "sync" and job.attempt == 1 else None
        ),
    )
    job = world.create(spot_request(RetryStrategy={"MaximumRetryAttempts": 2}))
    world.run(3)

    world.jobs.interrupt("demo")
    world.run(60)

    assert secondaries(job)[3:6] == ["Interrupted", "Restarting", "Starting"]
    assert (job.status, job.attempt, job.retries) == ("Completed", 2, 1)


def test_a_broken_attempt_keeps_its_last_line_and_waits_for_its_sync() -> None:
    world = TrainingWorld(
        Script(lines=((7.0, "auc=0.5"),), exits_s=60.0),
        timings=Timings(checkpoint_every_s=5.0),
        sync_s=10.0,
    )
    job = world.create(spot_request(RetryStrategy={"MaximumRetryAttempts": 2}))
    world.run(6)
    world.faults.add(Fault("job_internal"))
    world.clock.advance(1.0)

    world.run(30)

    restarting = next(each for each in job.transitions if each.status == "Restarting")
    assert restarting.start == world.start + 15.0
    assert [each.at - world.start for each in job.emissions] == [7.0, 22.0]
