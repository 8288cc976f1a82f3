"""InvokeEndpoint by boto3 at the plane's own server, with containers that answer on demand."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from local_test.control_plane.faults import Fault, Kind
from local_test.control_plane.invoking.door import Invocations
from local_test.control_plane.invoking.exchange import MOST_BYTES
from local_test.control_plane.listening import listen
from local_test.control_plane.server import Application, Server
from tests.control_plane.hosting_world import HostingPlane, Life, variant
from tests.control_plane.stand_in_container import Container
from tests.serving import free_port

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/sagemaker/aws4_request"
# Much more than `brisk` gives containers, much less than a load may take.
_SOON_S = 30.0


class Served:
    """A plane on a port; `address` of the containers is asked for at each start of a server."""

    def __init__(self, container: Container, *, within_s: float = 60.0) -> None:
        self.container = container
        self.address = container.address
        self.hosting = HostingPlane(lambda _launch: Life(ready_s=1.0, address=self.address))
        self.plane = self.hosting.plane
        self.listener = listen(0)
        self.port: int = self.listener.getsockname()[1]
        self.invocations = Invocations(self.plane, self.hosting.servers, within_s=within_s)
        application = Application(
            self.plane, _nothing, changed=lambda _: None, invocations=self.invocations
        )
        self.server = Server(self.plane, application, self.listener)
        self.server.start()
        self.runtime = boto3.client(
            "sagemaker-runtime",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=Config(retries={"max_attempts": 0}),
        )

    def invoke(self, body: bytes = b"1,2", **members: Any) -> Any:
        return self.runtime.invoke_endpoint(
            **{"EndpointName": "e", "Body": body, "ContentType": "text/csv", **members}
        )

    def refused(self, body: bytes = b"1,2", **members: Any) -> Any:
        """Return the error's document of an invocation."""
        with pytest.raises(ClientError) as error:
            self.invoke(body, **members)
        return error.value.response

    def multi_model(self, **container: Any) -> None:
        """Put a multi-model endpoint into service; its models are a, b and c."""
        self.hosting.servers.keys |= {f"s3://models/many/{name}.tar.gz" for name in "abc"}
        self.hosting.model(Mode="MultiModel", ModelDataUrl="s3://models/many/", **container)
        self.hosting.config("c")
        self.hosting.endpoint()
        self.hosting.run(4)

    def close(self) -> None:
        self.server.stop()
        self.invocations.close()
        self.listener.close()


def _nothing(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


@pytest.fixture
def container() -> Iterator[Container]:
    container = Container()
    yield container
    container.close()


@pytest.fixture
def served(container: Container) -> Iterator[Served]:
    served = Served(container)
    yield served
    served.close()


@pytest.fixture
def hasty(container: Container) -> Iterator[Served]:
    """Serve by a plane that gives containers a fifth of a second."""
    served = Served(container, within_s=0.2)
    yield served
    served.close()


@pytest.fixture
def brisk(container: Container) -> Iterator[Served]:
    """Serve by a plane that gives containers long enough to load a model and to answer."""
    served = Served(container, within_s=3.0)
    yield served
    served.close()


def test_a_request_reaches_the_container_and_its_answer_comes_back(served: Served) -> None:
    served.hosting.deploy(variant("blue"))

    answer = served.invoke(b"5,6\n")

    assert answer["Body"].read() == b"5,6\n"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/csv", "blue")
    (heard,) = served.container.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/invocations", b"5,6\n")


def test_the_container_hears_the_headers_of_invoke_endpoint_and_no_others(served: Served) -> None:
    served.hosting.deploy()
    members: dict[str, Any] = {
        "ContentType": "application/json",
        "Accept": "application/jsonlines",
        "CustomAttributes": "trace=1",
        "TargetVariant": "AllTraffic",
        "InferenceId": "id-1",
        "SessionId": "NEW_SESSION",
        "EnableExplanations": "`true`",
    }

    served.runtime.meta.events.register(
        "before-send.sagemaker-runtime",
        lambda request, **_: request.headers.__setitem__("X-Own", "secret"),
    )
    served.invoke(b"1", **members)

    (heard,) = served.container.heard
    expected = {
        "content-type": "application/json",
        "accept": "application/jsonlines",
        "x-amzn-sagemaker-custom-attributes": "trace=1",
        "x-amzn-sagemaker-target-variant": "AllTraffic",
        "x-amzn-sagemaker-inference-id": "id-1",
        "x-amzn-sagemaker-session-id": "NEW_SESSION",
        "x-amzn-sagemaker-enable-explanations": "`true`",
    }
    ours = {"host", "content-length", "accept-encoding"}
    assert {key: each for key, each in heard.headers.items() if key not in ours} == expected


def test_types_that_a_client_leaves_open_are_any(served: Served) -> None:
    served.hosting.deploy()

    _raw(served, "POST", "/endpoints/e/invocations", b"1")

    (heard,) = served.container.heard
    assert heard.headers["accept"] == "*/*"
    assert heard.headers["content-type"] == "application/octet-stream"


def test_custom_attributes_and_sessions_come_back_only_if_the_container_says_them(
    served: Served,
) -> None:
    served.hosting.deploy()

    silent = served.invoke(CustomAttributes="trace=1")
    served.container.headers |= {
        _ATTRIBUTES: "seen",
        "X-Amzn-SageMaker-New-Session-Id": "s1; Expires=2030-01-01T00:00:00Z",
        "X-Own": "secret",
    }
    told = served.invoke(CustomAttributes="trace=1")

    assert "CustomAttributes" not in silent
    assert told["CustomAttributes"] == "seen"
    assert told["NewSessionId"] == "s1; Expires=2030-01-01T00:00:00Z"
    assert "x-own" not in told["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (415, "client"), (503, "server")])
def test_an_error_of_the_container_is_a_model_error(served: Served, status: int, kind: str) -> None:
    served.hosting.deploy()
    served.container.status, served.container.answer = status, b"no such column"

    error = served.refused()

    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["Error"]["Code"] == "ModelError"
    assert error["Error"]["Message"] == (
        f'Received {kind} error ({status}) from primary with message "no such column". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        "#logEventViewer:group=/aws/sagemaker/Endpoints/e in account 123456789012 for more "
        "information."
    )
    assert (error["OriginalStatusCode"], error["OriginalMessage"]) == (status, "no such column")
    assert error["LogStreamArn"] == (
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/e"
    )


def test_a_container_that_takes_too_long_is_a_model_error_without_a_status(hasty: Served) -> None:
    hasty.hosting.deploy()
    hasty.container.waits_s = 0.6

    error = hasty.refused()

    assert error["Error"]["Code"] == "ModelError"
    assert error["OriginalStatusCode"] == 0
    assert error["OriginalMessage"].startswith("Your invocation timed out while waiting for a")


def test_a_container_that_hangs_up_is_a_model_error_without_a_status(served: Served) -> None:
    served.hosting.deploy()
    served.container.hangs_up = True

    error = served.refused()

    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 0)
    assert "the model process exited" in error["OriginalMessage"]


def test_an_instance_where_nobody_listens_is_unavailable(served: Served) -> None:
    served.address = f"http://127.0.0.1:{free_port()}"
    served.hosting.deploy()

    error = served.refused()

    assert error["Error"]["Code"] == "ServiceUnavailable"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_a_body_of_six_mebibytes_passes_and_one_more_byte_does_not(served: Served) -> None:
    served.hosting.deploy()

    passed = served.invoke(b"x" * MOST_BYTES)["Body"].read()
    error = served.refused(b"x" * (MOST_BYTES + 1))

    assert len(passed) == MOST_BYTES == 6 * 1024 * 1024
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert error["Error"]["Message"] == "HTTP content length exceeded 6291456 bytes."
    assert len(served.container.heard) == 1


def test_of_a_request_that_breaks_off_the_container_hears_nothing(served: Served) -> None:
    served.hosting.deploy()

    with socket.create_connection(("127.0.0.1", served.port)) as client:
        head = (
            "POST /endpoints/e/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        )
        client.sendall(head.encode() + b"0.25")
        client.shutdown(socket.SHUT_WR)
        status = client.recv(12)

    assert status == b"HTTP/1.1 400"
    assert served.container.heard == []


def test_a_response_of_more_than_six_mebibytes_is_a_model_error(served: Served) -> None:
    served.hosting.deploy()
    served.container.answer = b"x" * (MOST_BYTES + 1)

    error = served.refused()

    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 200)


def test_an_endpoint_that_is_not_there_or_not_in_service_is_not_found(served: Served) -> None:
    served.hosting.model()
    served.hosting.config("c")

    unknown = served.refused()
    served.hosting.endpoint()
    creating = served.refused()

    for error in (unknown, creating):
        assert error["Error"]["Code"] == "ValidationError"
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert error["Error"]["Message"] == "Endpoint e of account 123456789012 not found."


def test_a_variant_is_chosen_by_the_request_and_an_unknown_one_refused(served: Served) -> None:
    served.hosting.deploy(variant("a", InitialVariantWeight=100.0), variant("b"))

    asked = {served.invoke(TargetVariant="b")["InvokedProductionVariant"] for _ in range(5)}
    error = served.refused(TargetVariant="z")

    assert asked == {"b"}
    assert error["Error"]["Code"] == "ValidationError"
    assert error["Error"]["Message"] == "Variant z of endpoint e not found."


def test_a_header_that_is_too_long_is_refused(served: Served) -> None:
    served.hosting.deploy()

    error = served.refused(CustomAttributes="a" * 1025)

    assert error["Error"]["Code"] == "ValidationError"
    assert _ATTRIBUTES in error["Error"]["Message"]


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("TargetContainerHostname", "first", "not configured for direct invocation"),
        ("InferenceComponentName", "part", "has no inference components"),
        ("SessionId", "no session", "NEW_SESSION"),
    ],
)
def test_a_header_that_cannot_be_heeded_is_refused(
    served: Served, member: str, value: str, words: str
) -> None:
    served.hosting.deploy()

    error = served.refused(b"1", **{member: value})

    assert error["Error"]["Code"] == "ValidationError"
    assert words in error["Error"]["Message"]
    assert served.container.heard == []


@pytest.mark.parametrize("authorization", ["Bearer abc", "AWS4 abc", ""])
def test_an_endpoint_answers_also_whoever_does_not_sign_as_aws_clients_do(
    served: Served, authorization: str
) -> None:
    served.hosting.deploy()

    status = _raw(served, "POST", "/endpoints/e/invocations", b"1", authorization)

    assert status == 200


def test_streams_and_asynchronous_calls_are_refused_in_words(served: Served) -> None:
    served.hosting.deploy()

    refusal = "is not served by this control plane; of SageMaker Runtime it serves InvokeEndpoint"
    with pytest.raises(ClientError, match=refusal):
        served.runtime.invoke_endpoint_with_response_stream(EndpointName="e", Body=b"1")
    with pytest.raises(ClientError, match=refusal):
        served.runtime.invoke_endpoint_async(EndpointName="e", InputLocation="s3://b/k")


def test_faults_of_calls_also_befall_invocations(served: Served) -> None:
    served.hosting.deploy()
    kinds: tuple[Kind, ...] = ("throttle", "internal", "lost_response")
    for kind in kinds:
        served.plane.faults.add(Fault(kind, operation="InvokeEndpoint", name="e"))

    codes = [served.refused()["Error"]["Code"] for _ in range(2)]
    with pytest.raises(ConnectionClosedError):
        served.invoke()

    assert codes == ["ThrottlingException", "InternalFailure"]
    assert len(served.container.heard) == 1
    assert served.invoke()["Body"].read() == b"1,2"


def test_requests_are_answered_side_by_side(served: Served) -> None:
    served.hosting.deploy()
    served.container.waits_s = 0.1

    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda n: served.invoke(b"%d" % n)["Body"].read(), range(8)))

    assert bodies == [b"%d" % n for n in range(8)]
    (only,) = served.hosting.plane.endpoints.serving("e").variants.values()  # type: ignore[union-attr]
    instance = only.instances.next()
    assert instance is not None
    assert instance.busy == 0


def test_a_model_of_many_is_unpacked_loaded_once_and_asked_by_a_name_of_its_own(
    served: Served,
) -> None:
    served.multi_model()

    answers = [served.invoke(b"1", TargetModel="a.tar.gz")["Body"].read() for _ in range(2)]

    load, *invocations = served.container.heard
    asked = json.loads(load.body)
    name = asked["model_name"]
    assert asked == {"model_name": name, "url": f"/opt/ml/models/{name}/model"}
    assert re.fullmatch(r"[0-9a-f]{32}", name)
    assert [each.path for each in invocations] == [f"/models/{name}/invoke"] * 2
    assert answers == [f"/opt/ml/models/{name}/model: 1".encode()] * 2
    assert invocations[0].headers["x-amzn-sagemaker-target-model"] == "a.tar.gz"
    ((url, server, placed),) = served.hosting.servers.placed
    assert (url, placed) == ("s3://models/many/a.tar.gz", name)
    (started,) = served.hosting.servers.started
    assert started.launch.name == server
    assert started.launch.environment == {"SAGEMAKER_MULTI_MODEL": "true"}


def test_where_there_is_no_room_the_model_that_was_not_used_for_longest_is_unloaded(
    served: Served,
) -> None:
    served.container.capacity = 2
    served.multi_model()
    names = {}
    for letter in "aba":
        served.invoke(TargetModel=f"{letter}.tar.gz")
        names[letter] = next(reversed(served.container.models))
    first, second = served.container.models

    served.invoke(TargetModel="c.tar.gz")

    assert second not in served.container.models
    assert first in served.container.models
    assert f"DELETE /models/{second}" in served.container.calls()
    assert len(served.container.models) == 2


def test_a_model_that_answers_is_not_unloaded_for_another(served: Served) -> None:
    served.container.capacity = 2
    served.multi_model()
    served.container.may_answer.clear()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(served.invoke, b"slow", TargetModel="a.tar.gz")
        served.container.wait_until_heard(2)
        (answering,) = served.container.models
        for letter in "bc":
            served.invoke(b"1", TargetModel=f"{letter}.tar.gz")
        loaded = set(served.container.models)
        served.container.may_answer.set()

    assert answering in loaded
    assert len(loaded) == 2
    assert slow.result()["Body"].read().endswith(b"slow")


def test_a_container_that_has_no_room_for_a_single_model_is_a_model_error(served: Served) -> None:
    served.container.capacity = 0
    served.multi_model()

    error = served.refused(TargetModel="a.tar.gz")

    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 507)


def test_a_model_that_the_container_has_loaded_or_dropped_by_itself_answers(
    served: Served,
) -> None:
    served.multi_model()
    served.invoke(TargetModel="a.tar.gz")
    (name,) = served.container.models
    url = served.container.models.pop(name)

    dropped = served.invoke(b"1", TargetModel="a.tar.gz")["Body"].read()
    served.invocations._loaded.clear()
    loaded = served.invoke(b"1", TargetModel="a.tar.gz")["Body"].read()

    assert dropped == loaded == f"{url}: 1".encode()
    assert served.container.calls().count("POST /models") == 3


def test_without_a_cache_a_model_is_unloaded_after_each_answer(served: Served) -> None:
    served.multi_model(MultiModelConfig={"ModelCacheSetting": "Disabled"})

    for _ in range(2):
        served.invoke(TargetModel="a.tar.gz")

    assert served.container.models == {}
    assert served.container.calls().count("POST /models") == 2


def test_a_model_without_a_cache_stays_as_long_as_requests_are_under_way(served: Served) -> None:
    served.multi_model(MultiModelConfig={"ModelCacheSetting": "Disabled"})
    served.container.may_answer.clear()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(served.invoke, b"slow", TargetModel="a.tar.gz")
        served.container.wait_until_heard(2)
        served.invoke(b"1", TargetModel="a.tar.gz")
        while_slow = len(served.container.models)
        served.container.may_answer.set()
        answer = slow.result()["Body"].read()

    assert answer.endswith(b"slow")
    assert (while_slow, len(served.container.models)) == (1, 0)
    assert served.container.calls().count("POST /models") == 1


def test_an_answer_counts_also_where_its_model_cannot_be_unloaded(
    served: Served,
) -> None:
    served.multi_model(MultiModelConfig={"ModelCacheSetting": "Disabled"})
    served.container.drops_deletions = True

    assert served.invoke(b"1", TargetModel="a.tar.gz")["Body"].read().endswith(b": 1")


def test_an_answer_waits_for_an_unload_no_longer_than_a_container_may_take(
    brisk: Served,
) -> None:
    brisk.multi_model(MultiModelConfig={"ModelCacheSetting": "Disabled"})
    brisk.container.may_unload.clear()

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(brisk.invoke, b"1", TargetModel="a.tar.gz")
        try:
            said = answer.result(timeout=_SOON_S)["Body"].read()
        finally:
            brisk.container.may_unload.set()

    assert said.endswith(b": 1")
    assert brisk.container.calls()[-1].startswith("DELETE")


def test_room_for_an_answer_is_made_no_longer_than_a_container_may_take(brisk: Served) -> None:
    brisk.multi_model()
    brisk.invoke(TargetModel="a.tar.gz")
    brisk.container.status = 507
    brisk.container.may_unload.clear()

    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(brisk.refused, TargetModel="b.tar.gz")
        try:
            told = error.result(timeout=_SOON_S)
        finally:
            brisk.container.may_unload.set()

    assert (told["Error"]["Code"], told["OriginalStatusCode"]) == ("ModelError", 0)
    assert brisk.container.calls()[-1].startswith("DELETE")


def test_a_model_that_still_loads_is_not_ready_and_answers_later(hasty: Served) -> None:
    hasty.multi_model()
    hasty.container.may_load.clear()

    errors = [hasty.refused(TargetModel="a.tar.gz") for _ in range(2)]
    hasty.container.may_load.set()

    for error in errors:
        assert error["Error"]["Code"] == "ModelNotReadyException"
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert _answer_at_last(hasty)["ContentType"] == "text/csv"
    assert hasty.container.calls().count("POST /models") == 1


def _answer_at_last(hasty: Served) -> Any:
    """Ask until there is an answer: a busy machine may take longer than containers may."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return hasty.invoke(TargetModel="a.tar.gz")
        except ClientError:
            assert time.monotonic() < deadline


def test_models_that_hang_while_they_load_hold_up_no_other_endpoint(served: Served) -> None:
    served.multi_model()
    served.hosting.servers.keys.add("s3://models/many/d.tar.gz")
    served.container.capacity = 4
    served.container.may_load.clear()
    other = Container()

    with ThreadPoolExecutor(4) as pool:
        targets = [f"{letter}.tar.gz" for letter in "abcd"]
        hung = [pool.submit(served.invoke, TargetModel=each) for each in targets]
        served.container.wait_until_heard(4)
        served.address = other.address
        served.hosting.endpoint("other")
        served.hosting.run(4)
        try:
            answer = served.invoke(EndpointName="other", TargetModel="a.tar.gz")
        finally:
            served.container.may_load.set()
            other.close()

    assert answer["Body"].read().endswith(b": 1,2")
    assert all(each.result()["ContentType"] == "text/csv" for each in hung)


def test_only_multi_model_endpoints_take_a_target_model_and_they_need_one(served: Served) -> None:
    served.hosting.deploy()
    single = served.refused(TargetModel="a.tar.gz")
    served.hosting.model("many", Mode="MultiModel", ModelDataUrl="s3://models/m")
    served.hosting.config("c2", variant(model="many"))
    served.hosting.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    served.hosting.run(4)
    many = served.refused()
    missing = served.refused(TargetModel="none.tar.gz")

    for error, words in ((single, "single-model"), (many, "is required"), (missing, "there is no")):
        assert error["Error"]["Code"] == "ValidationError"
        assert words in error["Error"]["Message"]


def _raw(
    served: Served, method: str, path: str, body: bytes, authorization: str = _AUTHORIZATION
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request(method, path, body, {"Authorization": authorization})
    status = connection.getresponse().status
    connection.close()
    return status
