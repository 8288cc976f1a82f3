"""The errors of SageMaker Runtime, whose names and members differ from those of SageMaker.

Source: botocore's model of SageMaker Runtime; API reference, InvokeEndpoint.  The wording is that
of the service as its users quote it in public reports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import uuid4

from local_test.control_plane.api.names import ACCOUNT
from local_test.control_plane.hosting.instances import GROUP
from local_test.control_plane.wire.errors import ServiceError, ValidationError

_CLIENT_ERRORS = range(400, 500)


class ServiceUnavailable(ServiceError):
    """No instance can answer at present."""

    code = "ServiceUnavailable"
    status = 503


class ModelNotReady(ServiceError):
    """A multi-model endpoint still loads the model."""

    code = "ModelNotReadyException"
    status = 429


class TooLarge(ServiceError):
    """The body is larger than the limit."""

    code = "413"
    status = 413


class ModelError(ServiceError):
    """The container answered with an error, or not at all (`original_status` 0)."""

    code = "ModelError"
    status = 424

    def __init__(self, message: str, *, original_status: int, original_message: str) -> None:
        super().__init__(message)
        self.original_status = original_status
        self.original_message = original_message


def model_error(status: int, text: str, *, endpoint: str, region: str) -> ModelError:
    """Return the error for a container's answer of `status`, or for none where it is 0."""
    kind = "client" if status in _CLIENT_ERRORS else "server"
    return ModelError(
        f'Received {kind} error ({status}) from primary with message "{text}". See '
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logEventViewer:group={GROUP}{endpoint} in account {ACCOUNT} for more information.",
        original_status=status,
        original_message=text,
    )


def encode(
    error: ServiceError, *, endpoint: str, region: str
) -> tuple[int, Mapping[str, str], bytes]:
    """Return the status, the headers and the body of a refusal."""
    code = "ValidationError" if isinstance(error, ValidationError) else error.code
    headers = {
        "Content-Type": "application/json",
        "x-amzn-RequestId": str(uuid4()),
        "x-amzn-ErrorType": code,
    }
    body: dict[str, object] = {"message": error.message, "Message": error.message}
    if isinstance(error, ModelError):
        body |= {
            "OriginalStatusCode": error.original_status,
            "OriginalMessage": error.original_message,
            "LogStreamArn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{GROUP}{endpoint}",
        }
    return error.status, headers, json.dumps(body).encode()
