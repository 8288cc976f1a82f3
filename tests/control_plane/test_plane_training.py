from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from local_test.control_plane.faults import Fault
from local_test.control_plane.training.failure import algorithm_error, client_error
from local_test.control_plane.training.machine import Timings
from local_test.control_plane.training.ports import ClientFault, PlatformFault
from local_test.control_plane.training.simulated import Script
from local_test.control_plane.wire.errors import ResourceInUse, ValidationError
from tests.control_plane.plane_training_world import (
    TrainingWorld,
    secondaries,
    spot_request,
    training_request,
)

LONG = Script(exits_s=1000.0)
DEAF = Script(exits_s=math.inf, term_s=math.inf)
IN_TRAINING = ["Starting", "Downloading", "Training"]


def test_a_good_job_goes_through_the_documented_statuses_at_their_times() -> None:
    world = TrainingWorld(
        Script(exits_s=30.0), timings=Timings(starting_s=5.0), prepare_s=7.0, upload_s=3.0
    )
    job = world.create()

    world.run(60)

    at = [(each.status, each.start - world.start) for each in job.transitions]
    assert at == [
        ("Starting", 0.0),
        ("Downloading", 5.0),
        ("Training", 12.0),
        ("Uploading", 42.0),
        ("Completed", 45.0),
    ]
    ends = [each.end - world.start for each in job.transitions if each.end is not None]
    assert ends == [5.0, 12.0, 42.0, 45.0, 45.0]
    assert job.status == "Completed"
    assert job.training_started == world.start + 5.0
    assert job.training_ended == world.start + 45.0
    assert (job.training_s, job.billable_s) == (40.0, 40.0)
    assert job.model_uri == "s3://results/jobs/demo/output/model.tar.gz"


def test_the_messages_are_those_that_users_of_the_service_see() -> None:
    world = TrainingWorld(Script(exits_s=3.0), timings=Timings(starting_s=2.0), prepare_s=2.0)
    job = world.create()
    seen = [(job.secondary_status, job.transitions[-1].message)]

    for _ in range(10):
        world.run(0)
        seen.append((job.secondary_status, job.transitions[-1].message))
        world.clock.advance(1)

    assert list(dict.fromkeys(seen)) == [
        ("Starting", "Starting the training job"),
        ("Starting", "Launching requested ML instances"),
        ("Downloading", "Downloading input data"),
        ("Training", "Training image download completed. Training in progress."),
        ("Completed", "Training job completed"),
    ]
    assert [each.message for each in job.transitions] == [
        "Preparing the instances for training",
        "Downloading the training image",
        "Training image download completed. Training in progress.",
        "Uploading generated training model",
        "Training job completed",
    ]


def test_lines_and_metrics_reach_telemetry_with_the_last_unfinished_line() -> None:
    world = TrainingWorld(
        Script(lines=((1.0, "auc=0.5;"), (4.0, "auc=0.75;")), tail="auc=0.875", exits_s=4.0)
    )
    job = world.create()

    world.run(10)

    assert world.telemetry.text("demo") == ["auc=0.5;", "auc=0.75;", "auc=0.875"]
    assert [(e.value, e.at - world.start) for e in job.emissions] == [
        (0.5, 1.0),
        (0.75, 4.0),
        (0.875, 4.0),
    ]
    assert world.telemetry.values["demo"] == job.emissions
    assert job.last_value("auc") == 0.875


def test_waiting_for_capacity_is_pending() -> None:
    world = TrainingWorld(Script(exits_s=1.0))
    world.faults.add(Fault("slow_start", name="demo", seconds=20.0))
    job = world.create()

    world.run(10)
    waiting = (job.secondary_status, job.transitions[-1].message)
    world.run(30)

    assert waiting == ("Pending", "Training job waiting for capacity")
    assert secondaries(job)[:3] == ["Starting", "Pending", "Downloading"]
    assert job.transitions[2].start == world.start + 20.0


def test_a_name_is_taken_for_ever() -> None:
    world = TrainingWorld(Script(exits_s=1.0))
    world.create()
    world.run(5)

    with pytest.raises(ResourceInUse, match="must be unique within an AWS account and Region"):
        world.create()


def test_jobs_are_listed_in_the_order_of_creation() -> None:
    world = TrainingWorld(Script(exits_s=1.0))
    for name in ("zeta", "alpha", "mid"):
        world.create(training_request(name))
    world.run(5)

    assert [job.name for job in world.jobs.all()] == ["zeta", "alpha", "mid"]


def test_an_unknown_name_is_refused_as_the_service_does() -> None:
    world = TrainingWorld(LONG)
    for call in (world.jobs.get, world.jobs.stop, world.jobs.interrupt):
        with pytest.raises(ValidationError, match=r"^Requested resource not found\.$"):
            call("nobody")


def test_an_exit_code_fails_the_job_with_the_text_of_its_failure_file() -> None:
    world = TrainingWorld(
        Script(exits_s=10.0, exit_code=3),
        upload_s=5.0,
        failure_text=lambda _job: "UserError: hyperparameter 'x' is '1'\n",
    )
    job = world.create()

    world.run(30)

    assert secondaries(job) == [*IN_TRAINING, "Uploading", "Failed"]
    assert job.failure_reason == (
        "AlgorithmError: UserError: hyperparameter 'x' is '1', exit code: 3"
    )
    assert world.stages.uploads == {"demo": False}
    # The time ends when the failure was seen, not after the upload.
    assert job.training_ended == world.start + 10.0
    assert job.training_s == 10.0


def test_a_long_failure_text_keeps_the_exit_code_within_1024_characters() -> None:
    reason = algorithm_error("é" * 5000, 137)

    assert len(reason) == 1024
    assert reason.startswith("AlgorithmError: éé")
    assert reason.endswith("é, exit code: 137")
    assert algorithm_error(None, 1) == "AlgorithmError: , exit code: 1"
    assert client_error("ClientError: Data download failed") == "ClientError: Data download failed"
    assert len(client_error("x" * 2000)) == 1024


@pytest.mark.parametrize("stage", ["prepare", "start", "sync", "upload"])
def test_a_fault_of_the_request_is_a_client_error_and_is_not_tried_again(stage: str) -> None:
    fault = ClientFault("no S3 objects found")
    world = TrainingWorld(
        Script(exits_s=20.0, refusal=fault if stage == "start" else None),
        fault=lambda kind, _job: fault if kind == stage else None,
    )
    job = world.create(spot_request(RetryStrategy={"MaximumRetryAttempts": 5}))

    world.run(60)

    assert (job.status, job.retries) == ("Failed", 0)
    assert job.failure_reason == "ClientError: no S3 objects found"
    assert not world.executor.running()


def test_no_capacity_fails_the_job_before_anything_starts() -> None:
    world = TrainingWorld(LONG)
    world.faults.add(Fault("capacity", name="de*"))
    job = world.create(training_request(RetryStrategy={"MaximumRetryAttempts": 5}))

    world.run(5)

    assert secondaries(job) == ["Starting", "Failed"]
    assert job.failure_reason is not None
    assert job.failure_reason.startswith("CapacityError: Unable to provision requested ML compute")
    assert (job.attempt, job.training_started) == (0, None)
    assert job.training_ended == world.start


def test_a_platform_fault_without_a_retry_strategy_is_an_internal_server_error() -> None:
    world = TrainingWorld(DEAF)
    job = world.create()
    world.run(10)
    world.faults.add(Fault("job_internal", name="demo"))

    world.run(3)

    assert secondaries(job) == [*IN_TRAINING, "Failed"]
    assert job.failure_reason is not None
    assert job.failure_reason.startswith("InternalServerError: ")
    assert not world.executor.running()


def test_platform_faults_are_tried_again_as_often_as_asked() -> None:
    world = TrainingWorld(Script(exits_s=10.0))
    world.faults.add(Fault("job_internal", name="demo", times=2))
    job = world.create(training_request(RetryStrategy={"MaximumRetryAttempts": 2}))

    world.run(60)

    assert secondaries(job) == [
        *IN_TRAINING,
        "Restarting",
        *IN_TRAINING,
        "Restarting",
        *IN_TRAINING,
        "Uploading",
        "Completed",
    ]
    assert (job.attempt, job.retries) == (3, 2)
    assert [launch.attempt for launch in world.executor.launches] == [1, 2, 3]


@pytest.mark.parametrize("stage", ["prepare", "start", "sync", "upload"])
def test_a_platform_fault_of_any_stage_uses_the_retry_strategy(stage: str) -> None:
    fault = PlatformFault("a disk broke")
    world = TrainingWorld(
        Script(exits_s=20.0, refusal=fault if stage == "start" else None),
        fault=lambda kind, _job: fault if kind == stage else None,
    )
    job = world.create(spot_request(RetryStrategy={"MaximumRetryAttempts": 3}))

    world.run(200)

    assert (job.status, job.retries, job.attempt) == ("Failed", 3, 4)
    assert job.failure_reason == "InternalServerError: a disk broke"


def test_an_algorithm_error_is_never_tried_again() -> None:
    world = TrainingWorld(Script(exits_s=5.0, exit_code=1))
    job = world.create(training_request(RetryStrategy={"MaximumRetryAttempts": 30}))

    world.run(30)

    assert (job.status, job.attempt, job.retries) == ("Failed", 1, 0)


def test_a_platform_fault_while_a_failed_job_uploads_does_not_hide_the_failure() -> None:
    world = TrainingWorld(
        Script(exits_s=5.0, exit_code=9),
        fault=lambda kind, _job: PlatformFault("down") if kind == "upload" else None,
    )
    job = world.create(training_request(RetryStrategy={"MaximumRetryAttempts": 30}))

    world.run(30)

    assert (job.failure_reason, job.attempt) == ("AlgorithmError: , exit code: 9", 1)


def test_the_first_host_that_fails_ends_the_others_with_grace_and_force() -> None:
    scripts: Mapping[str, Script] = {
        "algo-1": Script(exits_s=math.inf, term_s=5.0, term_code=0),
        "algo-2": Script(exits_s=10.0, exit_code=4),
        "algo-3": DEAF,
    }
    world = TrainingWorld(Script(hosts=scripts), timings=Timings(stop_grace_s=30.0))
    three = {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 10}
    job = world.create(training_request(ResourceConfig=three))

    world.run(12)
    after_failure = dict(world.executor.running())
    world.run(10)
    after_grace_of_one = dict(world.executor.running())
    world.run(30)

    assert after_failure == {"demo": 2}
    assert after_grace_of_one == {"demo": 1}
    assert not world.executor.running()
    assert job.failure_reason == "AlgorithmError: , exit code: 4"
    assert job.transitions[-1].start == world.start + 40.0


def test_a_job_of_several_hosts_is_complete_when_the_last_one_is() -> None:
    world = TrainingWorld(Script(exits_s=5.0, hosts={"algo-2": Script(exits_s=25.0)}))
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
    job = world.create(training_request(ResourceConfig=two))

    world.run(40)

    assert job.status == "Completed"
    assert job.transitions[-1].start == world.start + 25.0
