"""What of a client's request a container hears, and what of its answer the client is told.

Knows HTTP on both sides, no endpoint.  Source: API reference, InvokeEndpoint (headers, limits); AWS
docs, 'Use Your Own Inference Code with Hosting Services' (all headers but those of InvokeEndpoint
are stripped) and 'Invoke a multi-container endpoint with direct invocation' (every other endpoint
refuses its header).  Not documented, and chosen here: the same for inference components, and the
content type and the accepted type where a client names none.
"""

from __future__ import annotations

import re
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
_SESSION = f"{_AMZN}Session-Id"
# The headers of InvokeEndpoint with the most characters that each may have.
_PASSED = {
    _CUSTOM: 1024,
    TARGET_MODEL: 1024,
    TARGET_VARIANT: 63,
    f"{_AMZN}Inference-Id": 64,
    f"{_AMZN}Enable-Explanations": 64,
    _SESSION: 256,
    f"{_AMZN}Prefix-Aware-Id": 64,
    "Content-Type": 1024,
    "Accept": 1024,
}
# What only endpoints have that are not served here.
_REFUSED = {
    f"{_AMZN}Target-Container-Hostname": "is not configured for direct invocation",
    f"{_AMZN}Inference-Component": "has no inference components",
}
_SESSION_ID = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_NEW_SESSION = "NEW_SESSION"
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
        One is too long, not ASCII, malformed, or for endpoints of another kind.
    """
    for name, why in _REFUSED.items():
        if name in request.headers:
            raise ValidationError(f"The endpoint {why}; leave header {name} out.")
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
    _check_session(passed.get(_SESSION, _NEW_SESSION))
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


def _check_session(session: str) -> None:
    if session != _NEW_SESSION and not _SESSION_ID.fullmatch(session):
        raise ValidationError(
            f"1 validation error detected: Value '{session}' of header {_SESSION} failed to "
            f"satisfy constraint: {_NEW_SESSION}, or letters and digits with hyphens between them"
        )
