"""What of a client's request a container hears, and what of its answer the client is told.

Knows HTTP on both sides, no endpoint.  Source: API reference, InvokeEndpoint (headers, limits); AWS
docs, 'Use Your Own Inference Code with Hosting Services' (all headers but those of InvokeEndpoint
are stripped).  Not documented, and chosen here: the content type and the accepted type where a
client names none.
"""

from __future__ import annotations

from uuid import uuid4

from werkzeug.wrappers import Request, Response

from local_test.control_plane.invoking.container_call import Answer
from local_test.control_plane.invoking.refusals import TooLarge
from local_test.control_plane.wire.errors import ValidationError

MOST_BYTES = 6_291_456
TARGET_MODEL = "X-Amzn-SageMaker-Target-Model"
TARGET_VARIANT = "X-Amzn-SageMaker-Target-Variant"

_AMZN = "X-Amzn-SageMaker-"
_CUSTOM = f"{_AMZN}Custom-Attributes"
# The headers of InvokeEndpoint with the most characters that each may have.
_PASSED = {
    _CUSTOM: 1024,
    TARGET_MODEL: 1024,
    TARGET_VARIANT: 63,
    f"{_AMZN}Target-Container-Hostname": 63,
    f"{_AMZN}Inference-Id": 64,
    f"{_AMZN}Enable-Explanations": 64,
    f"{_AMZN}Inference-Component": 63,
    f"{_AMZN}Session-Id": 256,
    f"{_AMZN}Prefix-Aware-Id": 64,
    "Content-Type": 1024,
    "Accept": 1024,
}
_DEFAULTS = {"Content-Type": "application/octet-stream", "Accept": "*/*"}
_RETURNED = (
    "Content-Type",
    _CUSTOM,
    f"{_AMZN}New-Session-Id",
    f"{_AMZN}Closed-Session-Id",
)


def heard_headers(request: Request) -> dict[str, str]:
    """Return the headers that the container hears.

    Raises
    ------
    ValidationError
        One is too long, or not ASCII.
    """
    passed = dict(_DEFAULTS)
    for name, most in _PASSED.items():
        text = request.headers.get(name)
        if text is None:
            continue
        if len(text) > most or not text.isascii():
            raise ValidationError(
                f"1 validation error detected: Value '{text[:most]}' of header {name} failed to "
                f"satisfy constraint: at most {most} ASCII characters"
            )
        passed[name] = text
    return passed


def heard_body(request: Request) -> bytes:
    """Return the body.

    Raises
    ------
    TooLarge
        It has more than `MOST_BYTES`.
    ValidationError
        The client hung up before its end.
    """
    announced = request.content_length or 0
    if announced <= MOST_BYTES:
        body: bytes = request.stream.read(MOST_BYTES + 1)
        if len(body) < announced:
            raise ValidationError(f"The request broke off after {len(body)} of {announced} bytes.")
        if len(body) <= MOST_BYTES:
            return body
    raise TooLarge(f"HTTP content length exceeded {MOST_BYTES} bytes.")


def told(answer: Answer, variant: str) -> Response:
    """Return what the client is told of a container's answer, and which variant gave it."""
    response = Response(answer.body, answer.status)
    del response.headers["Content-Type"]
    for name in _RETURNED:
        if name.lower() in answer.headers:
            response.headers[name] = answer.headers[name.lower()]
    response.headers["x-Amzn-Invoked-Production-Variant"] = variant
    response.headers["x-amzn-RequestId"] = str(uuid4())
    return response
