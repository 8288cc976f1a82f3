from __future__ import annotations

import datetime as dt
import functools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.response import StreamingBody
from botocore.stub import Stubber

from crossfold.errors import UserError
from cv_driver.aws import client, errors
from cv_driver.aws.api import JobState, Page, SageMakerApi
from cv_driver.aws.client import SageMaker, connect
from cv_driver.aws.environment import region_of
from local_test.control_plane.faults import Fault, Kind
from local_test.control_plane.listening import listen
from local_test.control_plane.running import moto_application
from local_test.control_plane.server import Application, Server
from local_test.control_plane.training.simulated import Script
from tests.conftest import ROOT
from tests.control_plane.service_requests import training_request
from tests.control_plane.simulated_plane import SimulatedPlane

_CREATED = dt.datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=dt.UTC)
_CREATED_S = 1_767_323_045.5
_ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/demo"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}

Calling = Callable[[SageMakerApi], object]


class Stubbed:
    """The API before clients that check requests and answers by the model; nothing is sent."""

    def __init__(self) -> None:
        sagemaker, s3 = _client("sagemaker"), _client("s3")
        self.sagemaker, self.s3 = Stubber(sagemaker), Stubber(s3)
        self.sagemaker.activate()
        self.s3.activate()
        self.api: SageMakerApi = SageMaker(sagemaker, s3, "us-east-1")


@functools.cache
def _client(service: str) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    yield stubbed
    for stub in (stubbed.sagemaker, stubbed.s3):
        stub.deactivate()
        stub.assert_no_pending_responses()


def test_a_description_has_its_times_in_seconds(stubbed: Stubbed) -> None:
    stubbed.sagemaker.add_response(
        "describe_training_job",
        {
            "TrainingJobName": "demo",
            "TrainingJobArn": _ARN,
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Training",
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "CreationTime": _CREATED,
            "SecondaryStatusTransitions": [{"Status": "Training", "StartTime": _CREATED}],
        },
        {"TrainingJobName": "demo"},
    )

    described = stubbed.api.describe("demo")

    assert described["CreationTime"] == _CREATED_S
    assert described["SecondaryStatusTransitions"] == [
        {"Status": "Training", "StartTime": _CREATED_S}
    ]
    assert "ResponseMetadata" not in described


def test_a_tuning_job_is_described_with_its_best_trial(stubbed: Stubbed) -> None:
    best = {
        "TrainingJobName": "tuned-001",
        "TrainingJobArn": _ARN,
        "CreationTime": _CREATED,
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {"eta": "0.1"},
    }
    stubbed.sagemaker.add_response(
        "describe_hyper_parameter_tuning_job",
        {
            "HyperParameterTuningJobName": "tuned",
            "HyperParameterTuningJobArn": _ARN,
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "ResourceLimits": {"MaxParallelTrainingJobs": 1},
            },
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": _CREATED,
            "TrainingJobStatusCounters": {},
            "ObjectiveStatusCounters": {},
            "BestTrainingJob": best,
        },
        {"HyperParameterTuningJobName": "tuned"},
    )

    described = stubbed.api.describe_tuning("tuned")

    assert described["BestTrainingJob"] == best | {"CreationTime": _CREATED_S}
    assert "ResponseMetadata" not in described


def test_tags_are_a_mapping(stubbed: Stubbed) -> None:
    stubbed.sagemaker.add_response(
        "list_tags",
        {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]},
        {"ResourceArn": _ARN, "MaxResults": 100},
    )

    assert stubbed.api.tags(_ARN) == {"a": "1", "b": ""}


def test_create_sends_the_request_as_it_is(stubbed: Stubbed) -> None:
    request = {
        "TrainingJobName": "demo-f0",
        "RoleArn": "arn:aws:iam::123456789012:role/Role",
        "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
    }
    stubbed.sagemaker.add_response("create_training_job", {"TrainingJobArn": _ARN}, request)

    assert stubbed.api.create(request) == _ARN


def test_stop_names_the_job(stubbed: Stubbed) -> None:
    stubbed.sagemaker.add_response("stop_training_job", {}, {"TrainingJobName": "demo-f0"})

    stubbed.api.stop("demo-f0")


@pytest.mark.parametrize(("token", "asked"), [(None, {}), ("t", {"NextToken": "t"})])
def test_a_page_of_a_list_is_one_call_for_a_hundred_jobs(
    stubbed: Stubbed, token: str | None, asked: dict[str, str]
) -> None:
    live = {
        "TrainingJobName": "demo-f1",
        "TrainingJobArn": _ARN,
        "CreationTime": _CREATED,
        "TrainingJobStatus": "InProgress",
    }
    ended = {**live, "TrainingJobStatus": "Completed", "TrainingEndTime": _CREATED}
    stubbed.sagemaker.add_response(
        "list_training_jobs",
        {"TrainingJobSummaries": [live, ended], "NextToken": "more"},
        {
            "NameContains": "demo-f",
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
            **asked,
        },
    )

    page = stubbed.api.list_page("demo-f", token)

    assert page == Page(
        [
            JobState("demo-f1", _ARN, "InProgress", _CREATED_S, None),
            JobState("demo-f1", _ARN, "Completed", _CREATED_S, _CREATED_S),
        ],
        "more",
    )


def test_jobs_that_are_older_than_a_driver_are_not_listed(stubbed: Stubbed) -> None:
    stubbed.sagemaker.add_response(
        "list_training_jobs",
        {"TrainingJobSummaries": []},
        {
            "NameContains": "demo-f",
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
            "CreationTimeAfter": _CREATED,
        },
    )

    assert stubbed.api.list_page("demo-f", created_after=_CREATED_S) == Page([], None)


def test_jobs_are_found_by_tag_while_they_live(stubbed: Stubbed) -> None:
    job = {
        "TrainingJobName": "demo-f1",
        "TrainingJobArn": _ARN,
        "CreationTime": _CREATED,
        "TrainingJobStatus": "Stopping",
    }
    stubbed.sagemaker.add_response(
        "search",
        {"Results": [{"TrainingJob": job}]},
        {
            "Resource": "TrainingJob",
            "SearchExpression": {
                "Filters": [
                    {"Name": "Tags.crossfold:driver", "Operator": "Equals", "Value": "demo"}
                ],
                "SubExpressions": [
                    {
                        "Filters": [
                            {
                                "Name": "TrainingJobStatus",
                                "Operator": "Equals",
                                "Value": status,
                            }
                            for status in ("InProgress", "Stopping")
                        ],
                        "Operator": "Or",
                    }
                ],
                "Operator": "And",
            },
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
        },
    )

    page = stubbed.api.find_tagged("crossfold:driver", "demo")

    assert page == Page([JobState("demo-f1", _ARN, "Stopping", _CREATED_S, None)], None)


@pytest.mark.parametrize(
    ("key", "encryption"),
    [(None, {}), ("k", {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"})],
)
def test_objects_are_written_with_the_key_that_was_named(
    stubbed: Stubbed, key: str | None, encryption: dict[str, str]
) -> None:
    stubbed.s3.add_response(
        "put_object", {}, {"Bucket": "b", "Key": "a/é/stop", "Body": b"x", **encryption}
    )

    stubbed.api.put_object("s3://b/a/é/stop", b"x", kms_key=key)


def test_an_object_is_there_or_not(stubbed: Stubbed) -> None:
    stubbed.s3.add_response("head_object", {}, {"Bucket": "b", "Key": "k"})
    stubbed.s3.add_client_error("head_object", "404", "Not Found", 404)
    stubbed.s3.add_client_error("head_object", "403", "Forbidden", 403)

    assert stubbed.api.has_object("s3://b/k")
    assert not stubbed.api.has_object("s3://b/k")
    with pytest.raises(errors.Denied):
        stubbed.api.has_object("s3://b/k")


def test_a_download_is_whole_or_not_there(stubbed: Stubbed, tmp_path: Path) -> None:
    for declared in (5, 6):
        stubbed.s3.add_response(
            "get_object",
            {"Body": StreamingBody(BytesIO(b"bytes"), declared)},
            {"Bucket": "b", "Key": "k"},
        )

    stubbed.api.download("s3://b/k", tmp_path / "a" / "whole")
    with pytest.raises(errors.NoAnswer):
        stubbed.api.download("s3://b/k", tmp_path / "a" / "half")

    assert [path.name for path in (tmp_path / "a").iterdir()] == ["whole"]
    assert (tmp_path / "a" / "whole").read_bytes() == b"bytes"


def _create(api: SageMakerApi) -> object:
    return api.create(
        {
            "TrainingJobName": "demo-f0",
            "RoleArn": "arn:aws:iam::123456789012:role/Role",
            "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
        }
    )


_CALLS: Mapping[str, Calling] = {
    "describe_training_job": lambda api: api.describe("demo"),
    "list_tags": lambda api: api.tags(_ARN),
    "create_training_job": _create,
    "stop_training_job": lambda api: api.stop("demo"),
    "list_training_jobs": lambda api: api.list_page("demo"),
    "search": lambda api: api.find_tagged("a", "b"),
    "put_object": lambda api: api.put_object("s3://b/k", b""),
    "head_object": lambda api: api.has_object("s3://b/k"),
    "get_object": lambda api: api.download("s3://b/k", Path("/nowhere")),
}


def _fail(stubbed: Stubbed, operation: str, code: str, message: str, status: int = 400) -> None:
    stub = stubbed.s3 if operation.endswith("_object") else stubbed.sagemaker
    stub.add_client_error(operation, code, message, status)


@pytest.mark.parametrize("operation", _CALLS)
@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, errors.Throttled),
        ("Throttling", 400, errors.Throttled),
        ("TooManyRequestsException", 429, errors.Throttled),
        ("RequestLimitExceeded", 503, errors.Throttled),
        ("SlowDown", 503, errors.Throttled),
        ("AccessDenied", 403, errors.Denied),
        ("AccessDeniedException", 400, errors.Denied),
        ("ExpiredToken", 400, errors.Denied),
        ("ExpiredTokenException", 400, errors.Denied),
        ("UnrecognizedClientException", 400, errors.Denied),
        ("InvalidSignatureException", 400, errors.Denied),
        ("KMS.ThrottlingException", 400, errors.Throttled),
        ("InternalFailure", 500, errors.NoAnswer),
        ("RequestTimeout", 400, errors.NoAnswer),
        ("ServiceUnavailable", 503, errors.NoAnswer),
        ("502", 502, errors.NoAnswer),
        ("SomethingNew", 400, errors.Refused),
    ],
)
def test_every_call_sorts_the_services_answers(
    stubbed: Stubbed, operation: str, code: str, status: int, expected: type[errors.CallFailed]
) -> None:
    _fail(stubbed, operation, code, "said\n so", status)

    with pytest.raises(errors.CallFailed) as failed:
        _CALLS[operation](stubbed.api)

    assert type(failed.value) is expected
    assert "said so" in str(failed.value)


_UNKNOWN = "Requested resource not found."
_IN_STATUS = "The request was rejected because the training job is in status Completed."


@pytest.mark.parametrize(
    ("operation", "code", "message", "expected"),
    [
        ("create_training_job", "ResourceLimitExceeded", "limit", errors.NoCapacity),
        ("create_training_job", "ResourceInUse", "unique", errors.NameTaken),
        ("create_training_job", "ValidationException", _UNKNOWN, errors.Refused),
        ("describe_training_job", "ValidationException", _UNKNOWN, errors.NotFound),
        ("describe_training_job", "ResourceNotFound", "no", errors.NotFound),
        ("describe_training_job", "ValidationException", "1 validation error", errors.Refused),
        ("list_tags", "ValidationException", "Could not find resource 'a'.", errors.NotFound),
        ("stop_training_job", "ValidationException", _UNKNOWN, errors.NotFound),
        ("stop_training_job", "ValidationException", _IN_STATUS, errors.AlreadyEnded),
        ("stop_training_job", "ResourceNotFound", "no", errors.NotFound),
        ("get_object", "NoSuchKey", "no", errors.NotFound),
        ("put_object", "NoSuchBucket", "no", errors.Refused),
    ],
)
def test_what_an_answer_means_depends_on_the_question(
    stubbed: Stubbed, operation: str, code: str, message: str, expected: type[errors.CallFailed]
) -> None:
    _fail(stubbed, operation, code, message)

    with pytest.raises(errors.CallFailed) as failed:
        _CALLS[operation](stubbed.api)

    assert type(failed.value) is expected


def test_a_refusal_keeps_its_code(stubbed: Stubbed) -> None:
    _fail(stubbed, "create_training_job", "ValidationException", "no such role")

    with pytest.raises(errors.Refused, match="ValidationException: no such role") as refused:
        _create(stubbed.api)

    assert refused.value.code == "ValidationException"


def test_a_request_that_botocore_refuses_is_not_sent() -> None:
    api = SageMaker(_client("sagemaker"), _client("s3"), "us-east-1")

    with pytest.raises(errors.Refused, match="TrainingJobName"):
        api.create({"TrainingJobName": 3})


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (exceptions.NoCredentialsError(), errors.NoCredentials),
        (
            exceptions.PartialCredentialsError(provider="env", cred_var="x"),
            errors.NoCredentials,
        ),
        (
            exceptions.CredentialRetrievalError(provider="container-role", error_msg="x"),
            errors.Unreachable,
        ),
        (exceptions.EndpointConnectionError(endpoint_url="u"), errors.Unreachable),
        (exceptions.ConnectTimeoutError(endpoint_url="u"), errors.Unreachable),
        (exceptions.ProxyConnectionError(proxy_url="u"), errors.Unreachable),
        (exceptions.SSLError(endpoint_url="u", error="x"), errors.NoAnswer),
        (exceptions.ReadTimeoutError(endpoint_url="u"), errors.NoAnswer),
        (exceptions.ConnectionClosedError(endpoint_url="u"), errors.NoAnswer),
        (exceptions.HTTPClientError(error="x"), errors.NoAnswer),
        (exceptions.ResponseStreamingError(error="x"), errors.NoAnswer),
        (exceptions.NoRegionError(), errors.Refused),
    ],
)
def test_what_botocore_raises_is_sorted_by_what_may_have_happened(
    raised: Exception, expected: type[errors.CallFailed]
) -> None:
    class Raising:
        def stop_training_job(self, **_: str) -> None:
            raise raised

    with pytest.raises(errors.CallFailed) as failed:
        SageMaker(Raising(), Raising(), "us-east-1").stop("demo")

    assert type(failed.value) is expected
    assert failed.value.__cause__ is raised


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-2"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
    ],
)
def test_the_region_is_the_jobs(
    environ: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    assert region_of(environ) == region
    assert connect(environ).region == region


def test_without_a_region_the_message_says_what_to_set() -> None:
    with pytest.raises(UserError, match="AWS_REGION nor AWS_DEFAULT_REGION.*cv_launcher=inline"):
        connect({})


class Counted(ThreadingTCPServer):
    """Takes connections and treats each request as `behave` says."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, behave: Callable[[Counted, Any], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behave = behave
        self.n_requests = 0
        self.over = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(StreamRequestHandler):
    server: Counted

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.server.n_requests += 1
        self.server.behave(self.server, self.wfile)


def _hang_up(server: Counted, out: Any) -> None:
    pass


def _keep_silent(server: Counted, out: Any) -> None:
    server.over.wait(30)


def _fail_inside(server: Counted, out: Any) -> None:
    out.write(b"HTTP/1.1 500 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Counted]]:
    servers: list[Counted] = []

    def start(behave: Callable[[Counted, Any], None]) -> Counted:
        server = Counted(behave)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        return server

    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("behave", [_hang_up, _fail_inside, _keep_silent])
def test_no_call_is_made_twice_and_none_takes_long(
    serve: Callable[..., Counted],
    behave: Callable[[Counted, Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second try of a create whose answer was lost would make two jobs of one fold."""
    assert client._READ_S + client._CONNECT_S <= 15
    monkeypatch.setattr(client, "_READ_S", 0.3)
    server, before = serve(behave), time.monotonic()

    with pytest.raises(errors.NoAnswer):
        _create(connect({"AWS_REGION": "us-east-1"}))

    assert server.n_requests == 1
    assert time.monotonic() - before < 20


def test_nobody_at_the_endpoint_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[..., Counted]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(errors.Unreachable, match="127.0.0.1:1"):
        _create(connect({"AWS_REGION": "us-east-1"}))


def test_without_credentials_nothing_is_called(
    serve: Callable[..., Counted], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(_hang_up)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(errors.NoCredentials):
        connect({"AWS_REGION": "us-east-1"}).describe("demo")

    assert server.n_requests == 0


@pytest.mark.parametrize(
    ("environ", "expected", "said"),
    [
        # Clients look for credentials as they are made, and not only as they call.
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/"},
            errors.NoCredentials,
            "container-role",
        ),
        ({"AWS_PROFILE": "nobody"}, errors.Refused, "nobody"),
        ({"AWS_ENDPOINT_URL": "no url", **_CREDENTIALS}, UserError, "AWS_ENDPOINT_URL"),
    ],
)
def test_what_keeps_clients_from_being_made_is_told_like_a_failed_call(
    environ: dict[str, str],
    expected: type[Exception],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in _CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(expected, match=said):
        connect({"AWS_REGION": "us-east-1"})


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedPlane]:
    """Serve a control plane on a port of this machine, in the environment of its jobs."""
    simulated, listener = SimulatedPlane(Script(exits_s=1e6, term_s=1e6)), listen(0)
    application = Application(simulated.plane, moto_application(), changed=lambda _: None)
    server = Server(simulated.plane, application, listener)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield simulated
    server.stop()
    listener.close()


def test_the_control_plane_is_served_like_the_cloud(plane: SimulatedPlane, tmp_path: Path) -> None:
    bucket = "mine-of-the-adapter-test"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
    api: SageMakerApi = connect({"AWS_REGION": "us-east-1"})

    arn = api.create(training_request())
    with pytest.raises(errors.NameTaken):
        api.create(training_request())
    with pytest.raises(errors.NotFound):
        api.describe("nobody")
    with pytest.raises(errors.NotFound):
        api.stop("nobody")
    described = api.describe("rehearsal-1")
    [listed] = api.list_page("rehearsal").jobs
    api.stop("rehearsal-1")
    api.put_object(f"s3://{bucket}/a/stop", b"content")
    api.download(f"s3://{bucket}/a/stop", tmp_path / "got")

    assert described["TrainingJobArn"] == listed.arn == arn
    assert described["CreationTime"] == listed.created == plane.clock.now()
    assert api.tags(arn) == {"équipe": "risque + co"}
    # The server ticks meanwhile.
    assert api.describe("rehearsal-1")["TrainingJobStatus"] in {"Stopping", "Stopped"}
    assert api.has_object(f"s3://{bucket}/a/stop")
    assert not api.has_object(f"s3://{bucket}/a/sto")
    assert (tmp_path / "got").read_bytes() == b"content"
    with pytest.raises(errors.NotFound):
        api.download(f"s3://{bucket}/none", tmp_path / "none")
    with pytest.raises(errors.Refused, match="NoSuchBucket"):
        api.put_object("s3://nobodys-bucket-of-the-adapter-test/a", b"")


@pytest.mark.parametrize(
    ("kind", "expected", "n_jobs"),
    [
        ("throttle", errors.Throttled, 0),
        ("internal", errors.NoAnswer, 0),
        ("lost_response", errors.NoAnswer, 1),
    ],
)
def test_the_control_planes_faults_are_told_apart(
    plane: SimulatedPlane, kind: Kind, expected: type[errors.CallFailed], n_jobs: int
) -> None:
    plane.plane.faults.add(Fault(kind, operation="CreateTrainingJob"))

    with pytest.raises(expected):
        connect({"AWS_REGION": "us-east-1"}).create(training_request())

    assert len(plane.names("ListTrainingJobs")) == n_jobs


def test_a_job_that_has_ended_cannot_be_stopped(plane: SimulatedPlane) -> None:
    api = connect({"AWS_REGION": "us-east-1"})
    api.create(training_request())
    api.stop("rehearsal-1")
    plane.run(300)

    with pytest.raises(errors.AlreadyEnded, match="Stopped"):
        api.stop("rehearsal-1")


def test_a_quota_is_no_refusal(plane: SimulatedPlane) -> None:
    plane.plane.settings = replace(plane.plane.settings, quotas={"ml.m5.xlarge": 1})

    with pytest.raises(errors.NoCapacity, match="account-level service limit"):
        connect({"AWS_REGION": "us-east-1"}).create(training_request())


def test_boto3_is_not_imported_before_it_is_needed(bare_environ: dict[str, str]) -> None:
    """Half a second of every job that runs its folds itself."""
    program = (
        "import sys, train.job, train.fold, cv_driver.driver, cv_driver.aws.client, "
        "cv_driver.siblings.connection, cv_driver.siblings.launch; "
        "print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    )

    said = subprocess.run(
        [sys.executable, "-Ic", program],
        cwd=ROOT,
        env=bare_environ,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == "[]\n"
