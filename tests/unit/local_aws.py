"""AWS as the driver's calls meet it, without a port: the control plane, a bucket, permissions.

The clients are boto3's own, so that what is tested is what is sent; only the wire is cut.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError

from cv_driver.aws.client import SageMaker
from local_test.control_plane.api.calls import LostResponse
from local_test.control_plane.wire.errors import ServiceError, Throttled
from local_test.control_plane.wire.protocol import decode, encode, encode_error, parse_target
from tests.control_plane.simulated_plane import SimulatedPlane

_REGION = "us-east-1"
_S3_OPERATIONS = {"PUT": "PutObject", "HEAD": "HeadObject", "GET": "GetObject"}


class AccessDenied(ServiceError):
    """What SageMaker answers where IAM does not allow a call."""

    code = "AccessDeniedException"
    status = 400


@dataclass(frozen=True, slots=True)
class Made:
    """One call: `about` is the request of SageMaker's, or ``{"uri": …}`` of S3's."""

    operation: str
    about: Mapping[str, Any]


@dataclass(slots=True)
class LocalAws:
    """The account.

    Attributes
    ----------
    plane : SimulatedPlane
    objects : dict of ``bucket/key`` to bytes
    keys : dict of ``bucket/key`` to the KMS key that the object was to be encrypted with
    denied, unreachable : set of str
        Operations that IAM refuses, and ``sagemaker`` or ``s3`` where no packet gets through.
    throttled : int
        Calls of SageMaker that are still to be throttled.
    made : list of Made
        Every call that was sent, in order.
    """

    plane: SimulatedPlane
    objects: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    throttled: int = 0
    made: list[Made] = field(default_factory=list)

    def api(self) -> SageMaker:
        """Return the driver's own API on this account."""
        sagemaker, s3 = _client("sagemaker"), _client("s3")
        _answer_by(sagemaker, "before-send.sagemaker", self._answer_sagemaker)
        _answer_by(s3, "before-send.s3", self._answer_s3)
        return SageMaker(sagemaker, s3, _REGION)

    def operations(self) -> list[str]:
        """Return the names of the operations that were called, in order."""
        return [made.operation for made in self.made]

    def _answer_sagemaker(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        if "sagemaker" in self.unreachable:
            raise ConnectTimeoutError(endpoint_url=request.url)
        target = request.headers["X-Amz-Target"]
        operation = parse_target(target.decode() if isinstance(target, bytes) else target)
        asked: Any = decode(request.body)
        self.made.append(Made(operation, asked))
        try:
            answer = self._called(operation, asked)
        except ServiceError as error:
            return _response(request, *encode_error(error))
        except LostResponse:
            raise ConnectionAbortedError from None
        return _response(request, 200, {}, encode(operation, answer))

    def _called(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        if self.throttled:
            self.throttled -= 1
            raise Throttled("Rate exceeded")
        if operation in self.denied:
            raise AccessDenied(
                "User: arn:aws:sts::123456789012:assumed-role/Role/SageMaker is not authorized to "
                f"perform: sagemaker:{operation} because no identity-based policy allows the action"
            )
        return self.plane.call(operation, **asked)

    def _answer_s3(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        if "s3" in self.unreachable:
            raise ConnectTimeoutError(endpoint_url=request.url)
        place = unquote(urlsplit(request.url).path.lstrip("/"))
        operation = _S3_OPERATIONS[request.method]
        self.made.append(Made(operation, {"uri": f"s3://{place}"}))
        if operation in self.denied:
            return _response(request, 403, {}, _refusal(operation, "AccessDenied"))
        if operation == "PutObject":
            self.objects[place] = _body(request)
            key = request.headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")
            self.keys[place] = key.decode() if isinstance(key, bytes) else key
            return _response(request, 200, {}, b"")
        if place not in self.objects:
            return _response(request, 404, {}, _refusal(operation, "NoSuchKey"))
        body = self.objects[place] if operation == "GetObject" else b""
        return _response(request, 200, {"Content-Length": str(len(body))}, body)


@functools.cache
def _client(service: str) -> Any:
    """Return the one client of a service: to make it takes longer than to test with it."""
    return boto3.client(
        service,
        region_name=_REGION,
        aws_access_key_id="none",
        aws_secret_access_key="none",
        endpoint_url="http://127.0.0.1:9",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _answer_by(client: Any, event: str, answer: Callable[..., AWSResponse]) -> None:
    """Let the newest account answer, and none before it."""
    client.meta.events.unregister(event, unique_id="account")
    client.meta.events.register(event, answer, unique_id="account")


class _Raw(BytesIO):
    def stream(self, **_: object) -> list[bytes]:
        return [self.read()]


def _response(
    request: AWSPreparedRequest, status: int, headers: Mapping[str, str], body: bytes
) -> AWSResponse:
    return AWSResponse(request.url, status, dict(headers), _Raw(body))


def _body(request: AWSPreparedRequest) -> bytes:
    body = request.body
    return body if isinstance(body, bytes) else bytes(body.read())


def _refusal(operation: str, code: str) -> bytes:
    """Return the body of a refusal; an answer to HEAD has none."""
    if operation == "HeadObject":
        return b""
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
