"""Requests that are not answered with a prediction: the status and a sentence for the client."""

from __future__ import annotations

import re
from collections.abc import Mapping

TYPES: Mapping[int, str] = {
    400: "BadRequest",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    408: "RequestTimeout",
    409: "Conflict",
    413: "PayloadTooLarge",
    415: "UnsupportedMediaType",
    500: "InternalError",
    503: "Unavailable",
    504: "Timeout",
    507: "InsufficientStorage",
}
"""The `type` of an error body, by HTTP status."""

_PATH = re.compile(r"(?<![\w.])/(?:[^\s/'\"]+/)+[^\s/'\":;,]*")
_MAX_MESSAGE = 400


class Refusal(Exception):
    """Ends a request with an error that its sender can act on.

    Parameters
    ----------
    status : int
        One of `TYPES`.
    message : str
        What was seen, what is allowed and what to do; no path, no traceback.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def presentable(message: str) -> str:
    """Make a text that others wrote one line that a client may see, without paths."""
    text = _PATH.sub("…", " ".join(message.split()))
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"
