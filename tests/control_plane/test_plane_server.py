from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from local_test.control_plane.faults import Fault
from local_test.control_plane.listening import PortTaken, listen
from local_test.control_plane.root_folder import RootInUse, own
from local_test.control_plane.running import moto_application
from local_test.control_plane.server import Application, Server
from local_test.control_plane.training.simulated import Script
from tests.control_plane.plane_training_world import spot_request, training_request
from tests.control_plane.simulated_plane import SimulatedPlane


class Served:
    """A simulated plane behind the real server; `changes` are the requests that were told."""

    def __init__(self) -> None:
        self.simulated = SimulatedPlane(Script(exits_s=100.0, term_s=1.0))
        self.changes: list[str] = []
        self.listener = listen(0)
        self.port: int = self.listener.getsockname()[1]
        application = Application(
            self.simulated.plane,
            moto_application(),
            changed=lambda environ: self.changes.append(environ["REQUEST_METHOD"]),
        )
        self.server = Server(self.simulated.plane, application, self.listener)
        self.server.start()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=Config(retries={"max_attempts": 0}),
        )

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.server.stop()
    served.listener.close()


def test_one_endpoint_serves_sagemaker_and_the_stores(served: Served) -> None:
    served.client("sagemaker").create_training_job(**training_request("demo"))
    s3 = served.client("s3")
    s3.create_bucket(Bucket="mine-of-the-server-test")
    s3.put_object(Bucket="mine-of-the-server-test", Key="a", Body=b"content")

    jobs = served.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert [each["TrainingJobName"] for each in jobs] == ["demo"]
    body = s3.get_object(Bucket="mine-of-the-server-test", Key="a")["Body"].read()
    assert body == b"content"
    assert served.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert served.changes.count("PUT") == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RoleArn": "x" * 30}, "ValidationException"),
        ({"HyperParameters": {"k": "v" * 2501}}, "ValidationException"),
    ],
)
def test_a_refusal_reaches_the_client_with_its_code(
    served: Served, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        served.client("sagemaker").create_training_job(**training_request("demo", **changes))

    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused.value.response["ResponseMetadata"]["RequestId"]


def test_a_lost_response_is_a_closed_connection(served: Served) -> None:
    status, waiting = served.ask(
        "POST", "/_plane/faults", {"kind": "lost_response", "operation": "CreateTrainingJob"}
    )
    assert (status, waiting) == (
        200,
        [
            {
                "kind": "lost_response",
                "operation": "CreateTrainingJob",
                "name": "*",
                "times": 1,
                "seconds": 0.0,
            }
        ],
    )

    with pytest.raises(ConnectionClosedError):
        served.client("sagemaker").create_training_job(**training_request("demo"))

    assert served.simulated.names("ListTrainingJobs") == ["demo"]
    assert served.ask("GET", "/_plane/faults") == (200, [])


def test_faults_that_wait_can_be_cleared(served: Served) -> None:
    served.simulated.plane.faults.add(Fault("throttle", times=9))

    assert served.ask("DELETE", "/_plane/faults") == (200, [])
    served.client("sagemaker").list_training_jobs()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "rain"}, "kind is 'rain'; expected one of throttle, internal"),
        ({}, "kind is None"),
        ({"kind": "throttle", "op": "x"}, r"unknown keys \['op'\]"),
        ({"kind": "throttle", "times": 0}, "times is 0"),
        ({"kind": "slow_start", "seconds": -1}, "seconds is -1"),
        ({"kind": "throttle", "times": "9"}, "times is '9'"),
        ([], "expected a JSON object"),
    ],
)
def test_what_is_no_fault_is_refused(served: Served, fault: object, said: str) -> None:
    status, answer = served.ask("POST", "/_plane/faults", fault)

    assert status == 400
    assert re.search(said, answer["message"])
    assert served.simulated.plane.faults.waiting() == []


def test_a_spot_job_is_interrupted_on_demand(served: Served) -> None:
    served.client("sagemaker").create_training_job(**spot_request("demo"))
    _until(lambda: served.simulated.executor.running() == {"demo": 1})

    status, _ = served.ask("POST", "/_plane/interrupt", {"TrainingJobName": "demo"})

    assert status == 200
    _until(lambda: served.simulated.executor.containers("demo").terminated_at is not None)
    status, answer = served.ask("POST", "/_plane/interrupt", {"TrainingJobName": "never"})
    assert (status, answer["message"]) == (400, "Requested resource not found.")


@pytest.mark.parametrize("name", ["snapshot", "faults", "no-such-thing"])
def test_no_other_site_can_make_use_of_what_the_views_read(served: Served, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", f"/_plane/{name}")
    answer = connection.getresponse()
    answer.read()

    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_snapshot_shows_what_a_view_needs(served: Served) -> None:
    served.client("sagemaker").create_training_job(
        **training_request("demo", Tags=[{"Key": "team", "Value": "a"}])
    )
    _until(lambda: served.simulated.executor.running() == {"demo": 1})

    _, shown = served.ask("GET", "/_plane/snapshot")

    job = shown["training_jobs"][0]
    assert (job["name"], job["status"], job["secondary"]) == ("demo", "InProgress", "Training")
    assert job["tags"] == {"team": "a"}
    assert shown["tuning_jobs"] == []


def test_a_page_that_was_pointed_here_by_its_own_name_server_is_refused(served: Served) -> None:
    status, answer = served.ask("GET", "/_plane/snapshot", Host="evil.example:80")

    assert status == 403
    assert "evil.example" in answer["message"]


def test_an_unknown_admin_path_lists_the_known_ones(served: Served) -> None:
    status, answer = served.ask("GET", "/_plane/fault")

    assert status == 404
    assert "POST /_plane/interrupt" in answer["message"]


def test_the_stores_cannot_be_emptied_from_outside(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("POST", "/moto-api/reset")

    assert connection.getresponse().status == 404


def test_a_plane_without_servers_of_models_says_that_it_serves_no_endpoints(served: Served) -> None:
    with pytest.raises(ClientError, match="is not served by this control plane"):
        served.client("sagemaker-runtime").invoke_endpoint(EndpointName="demo", Body=b"1,2")


def test_an_endpoint_is_asked_by_hand_without_a_signature(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("POST", "/endpoints/demo/invocations", body=b"1,2")
    answer = connection.getresponse()

    # Of SageMaker, not of S3: this plane has no servers of models.
    assert answer.status == 400
    assert b"is not served by this control plane" in answer.read()


def test_a_fault_of_the_plane_is_an_internal_failure_and_the_next_call_is_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(served.simulated.plane.training, "all", lambda: 1 / 0)
        with pytest.raises(ClientError, match="InternalFailure"):
            served.client("sagemaker").list_training_jobs()

    assert served.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_a_port_that_is_taken_is_said(served: Served) -> None:
    with pytest.raises(PortTaken, match=f"port {served.port} of 127.0.0.1.*--port"):
        listen(served.port)


def test_a_root_is_used_by_one_plane_at_a_time(tmp_path: Path) -> None:
    with (
        own(tmp_path / "root"),
        pytest.raises(RootInUse, match="--root"),
        own(tmp_path / "root"),
    ):
        pytest.fail("two planes own one root")

    with own(tmp_path / "root"):
        pass


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("path", ["/", "/_plane/faults", "/some-bucket/key"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "page.example"},
        {"Host": "127.0.0.1.page.example"},
        {"Origin": "https://page.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_in_a_browser_can_call_nothing(
    served: Served, path: str, headers: dict[str, str]
) -> None:
    target = {"X-Amz-Target": "SageMaker.CreateTrainingJob"} if path == "/" else {}
    for method in ("POST", "OPTIONS"):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        body = json.dumps(training_request("from-a-page") if target else {"kind": "throttle"})
        connection.request(method, path, body, {**target, **headers})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers

    assert served.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_names_of_this_machine_are_served(served: Served) -> None:
    own = f"http://localhost:{served.port}"
    for host in (f"localhost:{served.port}", "bucket.localhost", "127.0.0.1"):
        status, _ = served.ask(
            "POST", "/", {}, Host=host, Origin=own, **{"X-Amz-Target": "SageMaker.ListTrainingJobs"}
        )
        assert status == 200


def test_a_body_without_end_is_refused_before_it_is_read(served: Served) -> None:
    status, answer = served.ask(
        "POST",
        "/",
        None,
        **{"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Length": str(1 << 40)},
    )

    assert status == 413
    assert answer["__type"] == "RequestEntityTooLargeException"
    assert "16777216" in answer["message"]
