from __future__ import annotations

from typing import Any

import pytest

from cv_driver.aws.parent import Parent, deadline_of, make_parent
from local_test.control_plane.training.simulated import Script
from tests.control_plane.service_requests import changed
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.unit.local_aws import LocalAws
from tests.unit.sibling_parents import KEY, driver_request, parent_of


def test_a_parent_is_what_the_service_says_of_the_drivers_job() -> None:
    aws = LocalAws(SimulatedPlane())
    api = aws.api()
    aws.plane.call("CreateTrainingJob", **driver_request("vpc", "keys", "spot"))

    described = api.describe("rehearsal-1")
    tags = api.tags(described["TrainingJobArn"])
    parent = make_parent(described, tags, api.region, now=aws.plane.clock.now())

    assert parent.name == "rehearsal-1"
    assert parent.arn == "arn:aws:sagemaker:us-east-1:123456789012:training-job/rehearsal-1"
    assert parent.tags == {"équipe": "risque + co"}
    assert parent.region == "us-east-1"
    assert parent.tuning_job is None
    assert (parent.instance_type, parent.n_instances) == ("ml.m5.xlarge", 1)
    assert parent.subnets == ("subnet-1", "subnet-2")
    assert parent.output_path == "s3://data/output"
    assert parent.output_key == KEY
    assert parent.uses_spot
    assert not parent.is_isolated


def test_the_tuning_job_is_the_last_part_of_its_arn() -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/tune-1"

    assert Parent({"TuningJobArn": arn}, {}, "us-east-1", 0.0).tuning_job == "tune-1"


def test_instances_of_all_groups_count() -> None:
    groups = [
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "InstanceGroupName": "a"},
        {"InstanceType": "ml.c5.xlarge", "InstanceCount": 3, "InstanceGroupName": "b"},
    ]
    parent = Parent({"ResourceConfig": {"InstanceGroups": groups}}, {}, "us-east-1", 0.0)

    assert (parent.n_instances, parent.instance_type) == (5, "ml.m5.xlarge")


def test_the_chosen_one_of_preferred_instances_is_the_drivers() -> None:
    described = {
        "ResourceConfig": {
            "InstancePreferences": [{"InstanceType": "ml.c5.xlarge", "InstanceCount": 1}],
            "SelectedInstanceType": "ml.m5.xlarge",
            "SelectedInstanceCount": 2,
        }
    }
    parent = Parent(described, {}, "us-east-1", 0.0)

    assert (parent.instance_type, parent.n_instances) == ("ml.m5.xlarge", 2)


def test_a_running_job_ends_when_its_run_time_is_over() -> None:
    """The plane ends the job at the very second that was foretold."""
    plane = SimulatedPlane(Script(exits_s=1e6, term_s=1.0))
    parent_of(driver_request(), plane)
    plane.run(100)
    described = plane.call("DescribeTrainingJob", TrainingJobName="rehearsal-1")

    deadline = deadline_of(described, now=plane.clock.now())

    plane.run(deadline - plane.clock.now() - 1)
    assert _status(plane) == "InProgress"
    plane.run(2)
    assert _status(plane) in {"Stopping", "Stopped"}


def _status(plane: SimulatedPlane) -> str:
    described = plane.call("DescribeTrainingJob", TrainingJobName="rehearsal-1")
    return str(described["TrainingJobStatus"])


def test_an_interruption_counts_for_the_waiting_time_alone() -> None:
    transitions = [
        {"Status": "Starting", "StartTime": 100.0, "EndTime": 200.0},
        {"Status": "Downloading", "StartTime": 200.0, "EndTime": 210.0},
        {"Status": "Training", "StartTime": 210.0, "EndTime": 300.0},
        {"Status": "Interrupted", "StartTime": 300.0, "EndTime": 900.0},
        {"Status": "Starting", "StartTime": 900.0, "EndTime": 1000.0},
        {"Status": "Training", "StartTime": 1000.0},
    ]
    described = {
        "CreationTime": 90.0,
        "TrainingStartTime": 200.0,
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 5000},
        "SecondaryStatusTransitions": transitions,
    }

    # 100 s before the interruption and 50 s since: 450 s are left.
    assert deadline_of(described, now=1050.0) == 1500.0
    short = changed(described, {"StoppingCondition.MaxWaitTimeInSeconds": 1200})
    assert deadline_of(short, now=1050.0) == 1290.0


@pytest.mark.parametrize(
    ("described", "deadline"),
    [
        ({}, 1000 + 86_400),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 60}}, 1060),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 60}, "TrainingStartTime": 990.0}, 1050),
        # A waiting time without spot capacity says nothing.
        (
            {
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 1},
                "CreationTime": 900.0,
            },
            1060,
        ),
    ],
)
def test_a_description_that_says_little_is_read_with_defaults(
    described: dict[str, Any], deadline: float
) -> None:
    assert deadline_of(described, now=1000.0) == deadline


def test_nothing_is_left_after_the_deadline() -> None:
    parent = Parent({}, {}, "us-east-1", 100.0)

    assert (parent.left_s(70.0), parent.left_s(170.0)) == (30.0, 0.0)
