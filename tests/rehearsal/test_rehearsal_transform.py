"""Batch transform by SDK v2 and v3: every output is held against XGBoost's own predictions."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.rehearsal.conftest import Rehearsal, ran_well
from tests.rehearsal.plane_process import RunningPlane
from tests.rehearsal.trials import model_of
from tests.rehearsal.user_scripts import Ran, rows

pytestmark = pytest.mark.slow

GROUP = "/aws/sagemaker/TransformJobs"


@pytest.fixture(scope="module")
def sdk2_transform(rehearsal: Rehearsal) -> Ran:
    return ran_well(rehearsal, "sdk2_transform")


@pytest.fixture(scope="module")
def sdk3_transform(rehearsal: Rehearsal) -> Ran:
    return ran_well(rehearsal, "sdk3_transform")


def predicted(ran: Ran) -> NDArray[np.float64]:
    """Return what XGBoost says of each row by the downloaded model."""
    table = np.array(rows(), dtype=np.float64)
    return np.array(model_of(ran.folder).scores(table[:, 1:]))


def output(ran: Ran, name: str) -> NDArray[np.float64]:
    """Read the only output of a job."""
    (path,) = (ran.folder / name).iterdir()
    assert path.name == "rows.csv.out"
    with path.open(encoding="utf-8", newline="") as file:
        return np.array(list(csv.reader(file)), dtype=np.float64)


def streams(plane: RunningPlane, job: str) -> dict[str, list[str]]:
    """Return a job's log lines by the kind of the stream."""
    logs = plane.client("logs")
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")
    return {
        "data" if each["logStreamName"].endswith("/data-log") else "container": [
            event["message"]
            for event in logs.get_log_events(
                logGroupName=GROUP, logStreamName=each["logStreamName"]
            )["events"]
        ]
        for each in found["logStreams"]
    }


@pytest.mark.parametrize("name", ["sdk2_transform", "sdk3_transform"])
def test_the_label_stands_beside_the_prediction(rehearsal: Rehearsal, name: str) -> None:
    ran = ran_well(rehearsal, name)

    labels = np.array(rows(), dtype=np.float64)[:, 0]
    np.testing.assert_allclose(
        output(ran, "joined"), np.column_stack([labels, predicted(ran)]), rtol=1e-6
    )


def test_one_row_in_a_request_is_predicted_alike(sdk2_transform: Ran) -> None:
    alone = output(sdk2_transform, "plain")

    np.testing.assert_array_equal(alone[:, 0], output(sdk2_transform, "joined")[:, 1])


def test_the_data_log_tells_how_it_was_sent(sdk2_transform: Ran) -> None:
    jobs: dict[str, Any] = sdk2_transform.came_back["jobs"]

    plain = streams(sdk2_transform.plane, jobs["plain"]["TransformJobName"])
    joined = streams(sdk2_transform.plane, jobs["joined"]["TransformJobName"])

    assert plain["data"][0].endswith("BatchStrategy=SINGLE_RECORD")
    assert "MaxConcurrentTransforms=4," in plain["data"][0]
    assert sum('"rows":1,' in line for line in plain["container"]) == 200
    assert "MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD" in joined["data"][0]


def test_wait_shows_the_log(sdk2_transform: Ran) -> None:
    plain = sdk2_transform.came_back["jobs"]["plain"]["TransformJobName"]

    for line in streams(sdk2_transform.plane, plain)["container"]:
        assert line in sdk2_transform.log


def test_a_failed_job_says_why_and_leaves_no_output(sdk2_transform: Ran) -> None:
    came_back = sdk2_transform.came_back
    failing = came_back["jobs"]["failing"]

    said = streams(sdk2_transform.plane, failing["TransformJobName"])["data"]
    assert failing["FailureReason"] == "ClientError: See job logs for more information"
    assert failing["FailureReason"] in came_back["failure"]
    assert said[1].endswith("/in/rows.csv: ClientError: 400"), said
    assert came_back["left"] == [[], []]


def test_a_stopped_job_is_stopped(sdk2_transform: Ran) -> None:
    stopped = sdk2_transform.came_back["jobs"]["stopped"]

    assert stopped["TransformJobStatus"] == "Stopped"
    assert "FailureReason" not in stopped


@pytest.mark.parametrize("name", ["sdk2_transform", "sdk3_transform"])
def test_a_transformer_attaches_to_the_job(rehearsal: Rehearsal, name: str) -> None:
    model_name, place, assemble_with = ran_well(rehearsal, name).came_back["attached"]

    assert model_name
    assert place.startswith("s3://sagemaker-us-east-1-123456789012/")
    assert assemble_with == "Line"


def test_sdk_3_reads_the_job_back(sdk3_transform: Ran) -> None:
    came_back = sdk3_transform.came_back

    assert came_back["status"] == "Completed"
    assert came_back["job"] in came_back["jobs"]
    assert came_back["data_processing"] == {
        "input_filter": "$[1:]",
        "output_filter": "$[0,-1]",
        "join_source": "Input",
    }


def test_boto3_s_waiter_ends(sdk2_transform: Ran) -> None:
    client = sdk2_transform.plane.client("sagemaker")
    jobs = sdk2_transform.came_back["jobs"]
    waiter = client.get_waiter("transform_job_completed_or_stopped")

    for name in ("joined", "stopped"):
        waiter.wait(TransformJobName=jobs[name]["TransformJobName"])
