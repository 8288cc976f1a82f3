"""Plain result files: best effort, soon over, and told on one line."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.paths import OptMl
from crossfold.contract.stop import PATIENCE_S, StopRequest
from crossfold.errors import UserError
from crossfold.fitting.job import Job
from crossfold.request.job_request import JobRequest
from cv_driver import publication
from cv_driver.aws import client
from cv_driver.aws.errors import CallFailed, Denied, NoAnswer, NoCredentials, Throttled, Unreachable
from cv_driver.publication import FILES, publish_results
from train.script.script_job import _AFTER_GRACE_S

_ENVIRON = {
    "TRAINING_JOB_NAME": "trial",
    "TRAINING_JOB_ARN": "arn:aws:sagemaker:us-east-1:123456789012:training-job/trial",
    "AWS_REGION": "us-east-1",
}
_ONLY = "evaluation.json and cv_results.json are in output.tar.gz only; they could not be written "


class Bucket:
    """An API whose `failures` come first."""

    region = "us-east-1"

    def __init__(self, *failures: CallFailed, answers: threading.Event | None = None) -> None:
        self.failures = list(failures)
        self.answers = answers
        self.objects: dict[str, bytes] = {}

    def describe(self, job_name: str) -> dict[str, Any]:
        self._happen()
        output = {"S3OutputPath": "s3://bucket/out/", "KmsKeyId": ""}
        return {"TrainingJobName": job_name, "OutputDataConfig": output}

    def put_object(self, uri: str, body: bytes, *, kms_key: str | None = None) -> None:
        self._happen()
        assert kms_key is None
        self.objects[uri] = body

    def _happen(self) -> None:
        if self.answers is not None:
            self.answers.wait(60)
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return what publishes over a connection, also after a stop, and returns the log."""

    def publish(connect: Callable[[], Bucket], stop: StopRequest | None = None) -> list[str]:
        monkeypatch.setattr(client, "connect", lambda _environ: connect())
        opt_ml, stream = OptMl(tmp_path), StringIO()
        opt_ml.output_data.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (opt_ml.output_data / name).write_text("{}")
        job = Job(opt_ml, JobRequest(), {}, {}, _ENVIRON, stream)
        publish_results(job, None, stop or StopRequest())
        return stream.getvalue().splitlines()

    return publish


def test_files_lie_beside_the_output(published: Callable[..., list[str]]) -> None:
    bucket = Bucket()

    assert published(lambda: bucket) == [
        "evaluation.json and cv_results.json are also in s3://bucket/out/trial/evaluation/"
    ]
    assert set(bucket.objects) == {f"s3://bucket/out/trial/evaluation/{name}" for name in FILES}


def test_throttling_and_a_lost_answer_are_waited_for(
    published: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv_driver.aws.call_sequence._FIRST_WAIT_S", 0.01)
    bucket = Bucket(Throttled("Rate exceeded"), Throttled("Rate exceeded"), NoAnswer("timed out"))

    assert len(published(lambda: bucket)) == 1
    assert len(bucket.objects) == 2


def test_where_no_network_leads_to_aws_one_call_shows_it(
    published: Callable[..., list[str]],
) -> None:
    bucket = Bucket(*[Unreachable("Could not connect to the endpoint URL")] * 2)

    assert published(lambda: bucket) == [
        f"{_ONLY}plain to S3: Could not connect to the endpoint URL"
    ]
    assert len(bucket.failures) == 1


@pytest.mark.parametrize(
    "error",
    [
        Denied("no s3:PutObject"),
        NoCredentials("Unable to locate credentials"),
        UserError("no region is set"),
        RuntimeError("something that nobody thought of"),
    ],
)
def test_whatever_goes_wrong_is_one_line_and_no_failure(
    published: Callable[..., list[str]], error: Exception
) -> None:
    def connect() -> Bucket:
        raise error

    assert published(connect) == [f"{_ONLY}plain to S3: {error}"]


@pytest.mark.parametrize("limit", ["WITHIN_S", "WITHIN_OF_STOP_S"])
def test_a_service_that_keeps_silent_holds_a_job_up_for_a_minute_and_a_stopped_one_for_seconds(
    published: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    assert publication.WITHIN_S <= 60
    # The job would be given up before it can end by itself.
    assert min(PATIENCE_S, _AFTER_GRACE_S) > publication.WITHIN_OF_STOP_S
    monkeypatch.setattr(publication, limit, 0.2)
    answers, stop = threading.Event(), StopRequest()
    if limit == "WITHIN_OF_STOP_S":
        stop.set()

    # It returns though there is no answer yet.
    log = published(lambda: Bucket(answers=answers), stop)

    answers.set()
    assert log == [f"{_ONLY}plain to S3: it did not answer within 0.2 s"]


def test_a_slow_answer_is_waited_for_after_a_stop_too(
    published: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "WITHIN_OF_STOP_S", 60.0)
    answers, stop = threading.Event(), StopRequest()
    timer = threading.Timer(0.2, answers.set)
    timer.start()
    stop.set()

    log = published(lambda: Bucket(answers=answers), stop)

    timer.join()
    assert log == [
        "evaluation.json and cv_results.json are also in s3://bucket/out/trial/evaluation/"
    ]


def test_importing_aws_client_is_not_held_against_the_network(
    published: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = set(threading.enumerate()), set[threading.Thread]()
    monkeypatch.setattr(client, "load_client", lambda: seen.update(threading.enumerate()))

    assert published(Bucket)[0].startswith("evaluation.json and cv_results.json are also in ")
    # What is timed is a thread's work, and it had not begun.
    assert seen
    assert seen <= before


def test_a_client_that_cannot_be_imported_is_one_line_and_no_failure(
    published: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    def connect() -> Bucket:
        client.load_client()
        raise AssertionError

    (line,) = published(connect)
    assert line.startswith(f"{_ONLY}plain to S3: import of boto3 halted")
