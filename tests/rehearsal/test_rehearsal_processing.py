"""Scripts that run processing jobs on the plane: what they were told is what logs and S3 hold."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.rehearsal.conftest import Rehearsal, ran_well
from tests.rehearsal.plane_process import RunningPlane
from tests.rehearsal.trials import model_of, rmse
from tests.rehearsal.user_scripts import Ran, rows

pytestmark = pytest.mark.slow

_GROUP = "/aws/sagemaker/ProcessingJobs"


@pytest.fixture(params=["sdk2_register", "sdk3_register"])
def ran(request: pytest.FixtureRequest, rehearsal: Rehearsal) -> Ran:
    """Return how each SDK's script ran."""
    return ran_well(rehearsal, request.param)


def lines(plane: RunningPlane, job: str) -> list[str]:
    """Return what a processing job of one host printed."""
    logs = plane.client("logs")
    told = logs.describe_log_streams(logGroupName=_GROUP, logStreamNamePrefix=f"{job}/")
    [stream] = told["logStreams"]
    assert re.fullmatch(rf"{job}/algo-1-\d{{10}}", stream["logStreamName"])
    events = logs.get_log_events(
        logGroupName=_GROUP, logStreamName=stream["logStreamName"], startFromHead=True
    )
    return [event["message"] for event in events["events"]]


def report_of(plane: RunningPlane, job: dict[str, Any]) -> float:
    """Return the error that an evaluation has left in S3."""
    [output] = job["ProcessingOutputConfig"]["Outputs"]
    bucket, _, prefix = output["S3Output"]["S3Uri"].removeprefix("s3://").partition("/")
    body = plane.client("s3").get_object(Bucket=bucket, Key=f"{prefix}/report.json")["Body"]
    return float(json.loads(body.read())["regression_metrics"]["rmse"]["value"])


def test_the_waiter_returns_when_the_jobs_have_ended(boto3_processing: Ran) -> None:
    came_back = boto3_processing.came_back

    assert {name: job["ProcessingJobStatus"] for name, job in came_back["jobs"].items()} == {
        "count-once": "Completed",
        "count-for-ever": "Stopped",
    }
    assert came_back["pages"] == [["count-once"], ["count-for-ever"]]


def test_every_host_has_counted_its_share(boto3_processing: Ran) -> None:
    # Three files of 200 rows on two hosts; the stopped job's outputs stay where they were.
    assert boto3_processing.came_back["counted"] == {
        "counted/count-once/algo-1": "400",
        "counted/count-once/algo-2": "200",
    }


def test_a_job_s_entry_point_sees_its_input(sdk2_register: Ran) -> None:
    listed = sdk2_register.came_back["listed"]

    assert listed["ProcessingJobStatus"] == "Completed"
    assert lines(sdk2_register.plane, listed["ProcessingJobName"]) == ["rows.csv"]


def test_the_model_is_evaluated_as_the_native_library_evaluates_it(ran: Ran) -> None:
    evaluated = ran.came_back["evaluated"]

    expected = rmse(model_of(ran.folder), rows())
    assert report_of(ran.plane, evaluated) == pytest.approx(expected, rel=1e-6)
    assert evaluated["ExitMessage"] == "rmse of 200 rows"
    [line] = lines(ran.plane, evaluated["ProcessingJobName"])
    printed = re.fullmatch(r"200 rows, rmse=(\S+);", line)
    assert printed is not None
    assert float(printed[1]) == pytest.approx(expected, rel=1e-6)


def test_a_run_shows_the_log(sdk2_register: Ran) -> None:
    evaluated = sdk2_register.came_back["evaluated"]

    [line] = lines(sdk2_register.plane, evaluated["ProcessingJobName"])
    assert line in (each.lstrip(".") for each in sdk2_register.log.splitlines())


def test_nothing_runs_when_the_scripts_have_ended(boto3_processing: Ran, ran: Ran) -> None:
    assert boto3_processing.plane.jobs_left() == []
    assert ran.plane.jobs_left() == []
