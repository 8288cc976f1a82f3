"""What goes back to a client: a status, a body, and how both become a WSGI response.

Error bodies are always JSON and never hold a path or a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from wsgiref.types import StartResponse

import orjson

from serve.refusals import TYPES, Refusal

JSON = "application/json"

_OK = "200 OK"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response.

    Attributes
    ----------
    status : int
    body : bytes
    content_type : str
    headers : tuple of (str, str)
        Beside ``Content-Type`` and ``Content-Length``.
    """

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()

    def respond(self, start_response: StartResponse) -> Iterable[bytes]:
        """Give the answer to a WSGI server."""
        start_response(
            _OK if self.status == 200 else f"{self.status} {HTTPStatus(self.status).phrase}",
            [
                ("Content-Type", self.content_type),
                ("Content-Length", str(len(self.body))),
                *self.headers,
            ],
        )
        return (self.body,)


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """Return ``{"error": {"type", "message", "request_id"}}``."""
    error = {
        "type": TYPES.get(refusal.status, "Error"),
        "message": refusal.message,
        "request_id": request_id,
    }
    return orjson.dumps({"error": error})
