from __future__ import annotations

import base64
from typing import Any

import pytest

from local_test.control_plane.api.calls import LostResponse
from local_test.control_plane.faults import Fault
from local_test.control_plane.training.simulated import Script
from local_test.control_plane.wire.errors import (
    InternalFailure,
    ResourceInUse,
    ResourceLimitExceeded,
    Throttled,
    UnknownOperation,
    ValidationError,
)
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.tuning_world import tuning_request

ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/"


def create(plane: SimulatedPlane, name: str, **changes: Any) -> dict[str, Any]:
    return plane.call("CreateTrainingJob", **training_request(name, **changes))


def test_a_name_in_an_arn_is_in_lower_case() -> None:
    plane = SimulatedPlane()

    answer = create(plane, "Demo-Job")

    assert answer == {"TrainingJobArn": ARN + "demo-job"}
    assert plane.call("DescribeTrainingJob", TrainingJobName="Demo-Job")["TrainingJobName"] == (
        "Demo-Job"
    )


def test_pages_give_every_job_once_also_when_jobs_come_between_the_calls() -> None:
    plane = SimulatedPlane()
    for number in range(25):
        create(plane, f"job-{number:02d}")
        plane.clock.advance(1)
    first = plane.call("ListTrainingJobs", SortOrder="Descending", MaxResults=10)

    create(plane, "newcomer")
    rest = plane.names(
        "ListTrainingJobs", SortOrder="Descending", NextToken=first["NextToken"], MaxResults=7
    )

    seen = [each["TrainingJobName"] for each in first["TrainingJobSummaries"]] + rest
    assert seen == [f"job-{number:02d}" for number in reversed(range(25))]


def test_a_list_has_ten_entries_unless_told_otherwise() -> None:
    plane = SimulatedPlane()
    for number in range(11):
        create(plane, f"job-{number}")

    answer = plane.call("ListTrainingJobs")

    assert len(answer["TrainingJobSummaries"]) == 10
    assert "NextToken" in answer


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "bm8=",
        "W10=",
        "WzEsIDIsIDNd",
        # More than any count, and deeper than JSON is read.
        base64.b64encode(b'[1e999, "x"]').decode(),
        base64.b64encode(b"[" * 6000).decode(),
    ],
)
def test_a_token_that_is_none_of_ours_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="Invalid NextToken"):
        SimulatedPlane().call("ListTrainingJobs", NextToken=token)


def test_jobs_are_listed_by_name_time_and_status() -> None:
    plane = SimulatedPlane(lambda launch: Script(exits_s=5, exit_code=launch.job_name == "b-two"))
    start = plane.clock.now()
    for name in ("c-one", "b-two", "a-one"):
        create(plane, name)
        plane.run(3)

    assert plane.names("ListTrainingJobs", SortBy="Name") == ["a-one", "b-two", "c-one"]
    assert plane.names("ListTrainingJobs") == ["c-one", "b-two", "a-one"]
    assert plane.names("ListTrainingJobs", NameContains="ONE") == ["c-one", "a-one"]
    assert plane.names("ListTrainingJobs", StatusEquals="Failed") == ["b-two"]
    assert plane.names("ListTrainingJobs", StatusEquals="InProgress") == ["a-one"]
    assert plane.names("ListTrainingJobs", CreationTimeAfter=start + 1) == ["b-two", "a-one"]
    assert plane.names("ListTrainingJobs", CreationTimeBefore=start + 1) == ["c-one"]
    assert plane.names("ListTrainingJobs", WarmPoolStatusEquals="Available") == []


def test_tags_are_added_replaced_listed_and_deleted() -> None:
    plane = SimulatedPlane()
    create(plane, "demo", Tags=[{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "1"}])

    answer = plane.call("AddTags", ResourceArn=ARN + "demo", Tags=[{"Key": "team", "Value": "b"}])
    plane.call("DeleteTags", ResourceArn=ARN + "demo", TagKeys=["cost", "never"])

    assert answer["Tags"] == [{"Key": "team", "Value": "b"}, {"Key": "cost", "Value": "1"}]
    assert plane.call("ListTags", ResourceArn=ARN + "demo") == {
        "Tags": [{"Key": "team", "Value": "b"}]
    }


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([{"Key": "aws:mine", "Value": "x"}], "aws: prefixed tag key names are not allowed"),
        ([{"Key": "AWS:mine", "Value": "x"}], "aws: prefixed tag key names are not allowed"),
        ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "Duplicate tag keys"),
    ],
)
def test_tags_that_aws_refuses_make_no_job(tags: list[dict[str, str]], said: str) -> None:
    plane = SimulatedPlane()

    with pytest.raises(ValidationError, match=said):
        create(plane, "demo", Tags=tags)

    assert plane.names("ListTrainingJobs") == []


def test_a_resource_has_at_most_50_tags() -> None:
    plane = SimulatedPlane()
    create(plane, "demo", Tags=[{"Key": str(number), "Value": "x"} for number in range(50)])

    with pytest.raises(ValidationError, match="50"):
        plane.call("AddTags", ResourceArn=ARN + "demo", Tags=[{"Key": "one more", "Value": "x"}])


def test_tags_of_what_does_not_exist_are_refused() -> None:
    with pytest.raises(ValidationError, match="Could not find resource"):
        SimulatedPlane().call("ListTags", ResourceArn=ARN + "never")


def test_describe_lags_behind_by_the_seconds_that_were_asked_for() -> None:
    plane = SimulatedPlane(Script(exits_s=10), lag_s=5.0)
    create(plane, "demo")

    def status() -> str:
        return str(plane.call("DescribeTrainingJob", TrainingJobName="demo")["TrainingJobStatus"])

    with pytest.raises(ValidationError, match="not found"):
        status()
    assert plane.names("ListTrainingJobs") == []
    plane.run(5)
    assert status() == "InProgress"
    plane.run(7)
    assert plane.executor.running() == {}
    assert status() == "InProgress"
    plane.run(5)
    assert status() == "Completed"


def test_what_lags_behind_knows_nothing_of_the_end() -> None:
    plane = SimulatedPlane(Script(lines=((0.5, "auc=0.5;"),), exits_s=2, exit_code=1), lag_s=60.0)
    create(plane, "demo")
    plane.run(61, step=0.5)

    seen = plane.call("DescribeTrainingJob", TrainingJobName="demo")

    assert seen["TrainingJobStatus"] == "InProgress"
    assert "FailureReason" not in seen
    assert "TrainingEndTime" not in seen


def test_a_quota_refuses_the_instances_that_are_too_many_until_some_are_free() -> None:
    plane = SimulatedPlane(Script(exits_s=10), quotas={"ml.m5.large": 2})
    create(plane, "first")
    create(plane, "second")
    create(
        plane,
        "other",
        ResourceConfig={
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 3,
            "VolumeSizeInGB": 1,
        },
    )

    with pytest.raises(ResourceLimitExceeded, match="'ml.m5.large for training job usage' is 2"):
        create(plane, "third")

    plane.run(12)
    create(plane, "third")
    assert plane.names("ListTrainingJobs", SortBy="Name") == ["first", "other", "second", "third"]


def test_trials_that_find_no_instances_wait_for_them() -> None:
    plane = SimulatedPlane(
        Script(lines=((1.0, "validation:rmse=1.0;"),), exits_s=10), quotas={"ml.m5.large": 3}
    )
    create(plane, "other", StoppingCondition={"MaxRuntimeInSeconds": 3600})
    request = tuning_request("tune", jobs=6, parallel=4)

    plane.plane.call("CreateHyperParameterTuningJob", request)
    most = 0
    for _ in range(60):
        plane.run(1)
        most = max(most, sum(plane.executor.running().values()))

    seen = plane.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName="tune")
    assert seen["HyperParameterTuningJobStatus"] == "Completed"
    assert seen["TrainingJobStatusCounters"]["Completed"] == 6
    assert most == 3


def test_a_throttled_call_does_nothing() -> None:
    plane = SimulatedPlane()
    plane.plane.faults.add(Fault("throttle", operation="CreateTrainingJob"))

    with pytest.raises(Throttled, match="Rate exceeded"):
        create(plane, "demo")

    assert plane.names("ListTrainingJobs") == []
    create(plane, "demo")


def test_an_internal_fault_is_for_the_job_that_it_names() -> None:
    plane = SimulatedPlane()
    plane.plane.faults.add(Fault("internal", name="demo-f*", times=2))

    create(plane, "demo")
    for _ in range(2):
        with pytest.raises(InternalFailure):
            create(plane, "demo-f0")
    create(plane, "demo-f0")


def test_a_lost_response_leaves_the_job_so_that_another_try_finds_the_name_taken() -> None:
    plane = SimulatedPlane()
    plane.plane.faults.add(Fault("lost_response", operation="Create*"))

    with pytest.raises(LostResponse):
        create(plane, "demo")
    with pytest.raises(ResourceInUse):
        create(plane, "demo")

    assert plane.names("ListTrainingJobs") == ["demo"]


def test_published_rates_hold_for_each_operation() -> None:
    plane = SimulatedPlane(has_published_rates=True)
    create(plane, "one")

    with pytest.raises(Throttled):
        create(plane, "two")
    plane.call("DescribeTrainingJob", TrainingJobName="one")
    plane.clock.advance(1.0)
    create(plane, "two")


def test_an_operation_that_is_not_served_says_which_are() -> None:
    with pytest.raises(UnknownOperation, match="ListModels is not served.*CreateTrainingJob"):
        SimulatedPlane().call("ListModels")


def test_an_operation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownOperation, match="no operation 'MakeCoffee'"):
        SimulatedPlane().call("MakeCoffee")


def test_the_callers_request_can_be_changed_afterwards() -> None:
    plane = SimulatedPlane()
    request = training_request("demo", HyperParameters={"eta": "0.1"})

    plane.plane.call("CreateTrainingJob", request)
    request["HyperParameters"]["eta"] = "0.9"

    seen = plane.call("DescribeTrainingJob", TrainingJobName="demo")
    assert seen["HyperParameters"] == {"eta": "0.1"}


def test_tags_and_jobs_survive_a_restart() -> None:
    plane = SimulatedPlane(Script(exits_s=3))
    create(plane, "done", Tags=[{"Key": "team", "Value": "a"}])
    plane.run(5)
    create(plane, "running")
    plane.run(1)

    later = SimulatedPlane(journal=plane.journal)

    jobs = {
        each["TrainingJobName"]: each["TrainingJobStatus"]
        for each in later.call("ListTrainingJobs")["TrainingJobSummaries"]
    }
    assert jobs == {"done": "Completed", "running": "Failed"}
    assert later.call("ListTags", ResourceArn=ARN + "done")["Tags"] == [
        {"Key": "team", "Value": "a"}
    ]
    with pytest.raises(ResourceInUse):
        create(later, "running")
