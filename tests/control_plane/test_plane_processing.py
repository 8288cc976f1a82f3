"""The machine of processing jobs in virtual time, and its operations."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest

from local_test.control_plane.faults import Fault
from local_test.control_plane.processing.describe import describe, summarize
from local_test.control_plane.training.ports import ClientFault, PlatformFault
from local_test.control_plane.training.simulated import Script
from local_test.control_plane.wire.errors import InternalFailure, ResourceInUse, ValidationError
from local_test.control_plane.wire.protocol import encode
from local_test.control_plane.wire.rules.processing import check_processing
from tests.control_plane.processing_world import (
    ProcessingWorld,
    cluster,
    processing_request,
    s3_input,
    s3_outputs,
)

LONG = Script(exits_s=1e6)
DEAF = Script(exits_s=math.inf, term_s=math.inf)


def test_a_job_whose_containers_exit_with_0_is_completed_with_its_message() -> None:
    world = ProcessingWorld(Script(lines=((1.0, "a\tb"),), tail="last", exits_s=5.0))
    world.stages.message = "42 rows"
    world.stages.prepare_s = 3.0
    job = world.create()
    start = world.clock.now()

    world.run(20)

    assert (job.status, job.exit_message, job.failure_reason) == ("Completed", "42 rows", None)
    assert (job.started, job.ended) == (start + 3, start + 8)
    assert world.logs.log == {("demo", "algo-1"): ["a#011b", "last"]}
    assert [what for _, what in world.stages.calls] == ["prepare", "finish with outputs"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "AlgorithmError: See job logs for more information"),
        ("no column x", "AlgorithmError: no column x, exit code: 7"),
    ],
)
def test_one_container_that_fails_fails_the_job_and_ends_the_others(
    message: str | None, reason: str
) -> None:
    hosts = {"algo-2": Script(exits_s=4.0, exit_code=7)}
    world = ProcessingWorld(Script(exits_s=1e6, hosts=hosts))
    world.stages.message = message
    job = world.create(ProcessingResources=cluster(3))

    world.run(10)

    assert (job.status, job.failure_reason) == ("Failed", reason)
    assert job.exit_message == message
    # What is meant for the end of the job stays where it is.
    assert world.stages.calls[-1][1] == "finish"
    assert not world.executor.running()


def test_a_stop_is_asked_for_then_forced_and_the_job_stopped() -> None:
    world = ProcessingWorld(DEAF, stop_grace_s=30.0)
    job = world.create()
    world.run(5)
    world.jobs.stop("demo")
    assert job.status == "Stopping"
    world.run(29)
    assert world.executor.running() == {"demo.processing": 1}

    world.run(3)

    assert (job.status, job.failure_reason) == ("Stopped", None)
    assert world.stages.calls[-1][1] == "finish"
    assert not world.executor.running()
    with pytest.raises(ValidationError, match="processing job is in status Stopped"):
        world.jobs.stop("demo")


def test_a_container_that_ends_well_after_a_stop_is_stopped_all_the_same() -> None:
    world = ProcessingWorld(Script(exits_s=1e6, term_s=2.0, term_code=0))
    job = world.create()
    world.run(5)
    world.jobs.stop("demo")

    world.run(5)

    assert job.status == "Stopped"


@pytest.mark.parametrize("prepare_s", [0.0, 100.0])
def test_a_job_that_is_stopped_before_its_containers_starts_none(prepare_s: float) -> None:
    world = ProcessingWorld(LONG, starting_s=10.0)
    world.stages.prepare_s = prepare_s
    job = world.create()
    world.run(5 if prepare_s == 0 else 20)
    world.jobs.stop("demo")

    world.run(1)

    assert (job.status, job.started) == ("Stopped", None)
    assert world.executor.launches == []


def test_a_job_that_runs_too_long_is_stopped() -> None:
    world = ProcessingWorld(LONG)
    job = world.create(StoppingCondition={"MaxRuntimeInSeconds": 60})

    world.run(59)
    before = job.status
    world.run(3)

    assert (before, job.status) == ("InProgress", "Stopped")
    assert job.started is not None
    assert job.ended == job.started + 60


def test_continuous_outputs_are_uploaded_while_the_job_runs() -> None:
    world = ProcessingWorld(Script(exits_s=11.5), checkpoint_every_s=5.0)
    world.create("still", ProcessingOutputConfig=s3_outputs(out="s3://bucket/still"))
    world.run(20)
    assert "sync" not in [what for _, what in world.stages.calls]

    world.create("live", ProcessingOutputConfig=s3_outputs("Continuous", out="s3://bucket/live"))
    start = world.clock.now()
    world.stages.upload_s = 1.0
    world.run(20)

    assert [at - start for at, what in world.stages.calls if what == "sync"] == [5.0, 11.0]


def test_the_last_upload_waits_for_the_one_that_is_under_way() -> None:
    world = ProcessingWorld(Script(exits_s=6.0), checkpoint_every_s=5.0)
    world.stages.upload_s = 10.0
    world.create(ProcessingOutputConfig=s3_outputs("Continuous", out="s3://bucket/live"))
    start = world.clock.now()

    world.run(40)

    assert [(at - start, what) for at, what in world.stages.calls] == [
        (0.0, "prepare"),
        (5.0, "sync"),
        (15.0, "finish with outputs"),
    ]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ClientFault("Data download failed:nothing there"), "ClientError: Data download failed:"),
        (PlatformFault("disk full"), "InternalServerError: disk full"),
        (KeyError("x"), "InternalServerError: KeyError: 'x'"),
    ],
)
@pytest.mark.parametrize("what", ["prepare", "sync", "finish with outputs"])
def test_a_stage_that_fails_fails_the_job_and_leaves_nothing_running(
    fault: Exception, reason: str, what: str
) -> None:
    world = ProcessingWorld(Script(exits_s=1e6 if what == "sync" else 3.0))
    world.stages.fault = lambda asked: fault if asked == what else None
    job = world.create(ProcessingOutputConfig=s3_outputs("Continuous", out="s3://bucket/live"))

    world.run(20)

    assert job.status == "Failed"
    assert (job.failure_reason or "").startswith(reason)
    assert not world.executor.running()


def test_injected_faults_reach_processing_jobs() -> None:
    world = ProcessingWorld(Script(exits_s=3.0))
    world.faults.add(Fault("capacity", name="scarce"))
    world.faults.add(Fault("slow_start", name="slow", seconds=30.0))
    world.faults.add(Fault("job_internal", name="broken"))
    scarce, slow, broken = (world.create(name) for name in ("scarce", "slow", "broken"))

    world.run(20)

    assert (scarce.failure_reason or "").startswith("CapacityError: ")
    assert (slow.status, slow.started) == ("InProgress", None)
    assert (broken.failure_reason or "").startswith("InternalServerError: the platform failed")
    assert not world.executor.running()


def test_an_executor_that_refuses_fails_the_job() -> None:
    world = ProcessingWorld(Script(refusal=ClientFault("no such image")))
    job = world.create()

    world.run(1)

    assert job.failure_reason == "ClientError: no such image"


def test_the_data_of_jobs_that_come_to_no_upload_are_forgotten() -> None:
    plans = {"refused": Script(refusal=ClientFault("no such image")), "done": Script(exits_s=3.0)}
    world = ProcessingWorld(lambda launch: plans.get(launch.job_name.split(".")[0], LONG))
    world.faults.add(Fault("job_internal", name="broken"))
    for name in ("refused", "done", "broken", "cut off"):
        world.create(name)
    world.run(10)
    world.stages.prepare_s = 100.0
    world.create("stopped")
    world.run(10)
    world.create("has no data")
    for name in ("stopped", "has no data"):
        world.jobs.stop(name)
    world.run(1)
    before_the_end = list(world.stages.forgotten)
    world.jobs.close()

    assert before_the_end == ["refused", "broken", "stopped"]
    assert world.stages.forgotten == [*before_the_end, "cut off"]


def test_a_name_is_used_once_and_unknown_names_are_refused() -> None:
    world = ProcessingWorld(Script(exits_s=1.0))
    world.create()
    world.run(5)

    with pytest.raises(ResourceInUse, match="a processing job with this name already exists"):
        world.create()
    with pytest.raises(ValidationError, match="Could not find requested job with name: other"):
        world.jobs.get("other")


def test_a_restart_keeps_ended_jobs_and_fails_those_that_ran() -> None:
    world = ProcessingWorld(
        lambda launch: Script(exits_s=3.0 if launch.job_name.startswith("a") else 1e6)
    )
    done = world.create("a")
    world.create("b")
    world.run(10)
    before = asdict(done)

    jobs = world.new_plane()
    jobs.restore()

    assert asdict(jobs.get("a")) == before
    assert jobs.get("b").status == "Failed"
    assert "the local control plane ended" in (jobs.get("b").failure_reason or "")
    again = world.new_plane()
    again.restore()
    assert [asdict(job) for job in again.all()] == [asdict(job) for job in jobs.all()]


def test_the_end_of_the_plane_ends_every_container_with_grace_then_force() -> None:
    world = ProcessingWorld(lambda launch: DEAF if launch.job_name.startswith("deaf") else LONG)
    for name in ("deaf", "polite"):
        world.create(name)
    world.run(10)

    first = world.jobs.close(grace_s=5.0)
    running = dict(world.executor.running())
    world.clock.advance(5)

    assert (first, running) == (False, {"deaf.processing": 1})
    assert world.jobs.close(grace_s=5.0) or world.jobs.close(grace_s=5.0)
    assert {job.status for job in world.jobs.all()} == {"Failed"}
    with pytest.raises(InternalFailure, match="plane is ending"):
        world.create("late")


def test_a_job_is_described_as_the_service_model_says() -> None:
    world = ProcessingWorld(Script(exits_s=3.0, exit_code=1))
    job = world.create(
        ProcessingInputs=[s3_input("code", "s3://bucket/code/run.py")],
        ProcessingOutputConfig=s3_outputs(out="s3://bucket/out"),
        Environment={"A": "b"},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    at_once = describe(job)
    world.run(10)

    told = describe(job)

    assert encode("DescribeProcessingJob", at_once)
    assert encode("DescribeProcessingJob", told)
    assert encode("ListProcessingJobs", {"ProcessingJobSummaries": [summarize(job)]})
    assert at_once["ProcessingJobStatus"] == "InProgress"
    assert told["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
    assert told["StoppingCondition"] == {"MaxRuntimeInSeconds": 60}
    assert told["FailureReason"] == "AlgorithmError: See job logs for more information"


def test_a_job_of_one_host_need_not_say_so() -> None:
    world = ProcessingWorld(Script(exits_s=1.0))
    config = {"InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
    job = world.create(ProcessingResources={"ClusterConfig": config})

    assert job.host_names == ("algo-1",)
    assert describe(job)["ProcessingResources"] == {"ClusterConfig": {"InstanceCount": 1, **config}}


def _input(**changes: Any) -> dict[str, Any]:
    return {"ProcessingInputs": [s3_input("in", "s3://bucket/in", **changes)]}


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        (
            _input(LocalPath="/opt/ml/input"),
            "must be an absolute path that begins with /opt/ml/pro",
        ),
        (_input(LocalPath="/opt/ml/processing/../model"), "without '..'"),
        (_input(S3Uri="https://bucket/in"), "use a URI that begins with s3://"),
        (_input(S3CompressionType="Gzip"), "can only be used in Pipe mode"),
        (_input(S3InputMode="Pipe"), "does not serve Processing input 'in': Pipe mode; use File"),
        (
            {"ProcessingInputs": [s3_input("in", "s3://bucket/in")] * 2},
            "Names of processing inputs must be unique",
        ),
        ({"ProcessingInputs": [{"InputName": "in"}]}, "found neither"),
        (
            {"ProcessingInputs": [{"InputName": "in", "DatasetDefinition": {}}]},
            "does not serve Processing input 'in': a DatasetDefinition",
        ),
        (
            {
                "ProcessingOutputConfig": {
                    "Outputs": [
                        {"OutputName": "o", "FeatureStoreOutput": {"FeatureGroupName": "g"}}
                    ]
                }
            },
            "FeatureStoreOutput needs AppManaged",
        ),
        (
            {
                "ProcessingResources": {
                    "ClusterConfig": {
                        "VolumeSizeInGB": 1,
                        "InstancePreferences": [{"InstanceType": "ml.m5.large"}],
                    }
                }
            },
            "does not serve InstancePreferences",
        ),
        ({"Environment": {"A": "\0"}}, "Environment must not contain the character U+0000"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(changes: dict[str, Any], fragment: str) -> None:
    with pytest.raises(ValidationError) as refused:
        check_processing(processing_request(**changes))

    assert fragment in refused.value.message


def test_what_the_application_manages_is_its_own_business() -> None:
    dataset = {"InputName": "in", "AppManaged": True, "DatasetDefinition": {}}
    store = {"OutputName": "o", "AppManaged": True, "FeatureStoreOutput": {"FeatureGroupName": "g"}}

    check_processing(
        processing_request(ProcessingInputs=[dataset], ProcessingOutputConfig={"Outputs": [store]})
    )
