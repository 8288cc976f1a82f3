"""The body of a request, read whole and never beyond a limit.

Knows the WSGI environment; nothing of what a body holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gunicorn.http.errors import ParseException

from serve.refusals import Refusal

Environ = Mapping[str, Any]


def read_body(environ: Environ, most: int) -> bytes:
    """Read a body of known length, or a chunked one.

    Raises
    ------
    Refusal
        413 above `most` bytes, of which nothing is kept; 400 where the client stopped halfway.
    """
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length and "HTTP_TRANSFER_ENCODING" not in environ:
        n_bytes = int(length)
        if n_bytes > most:
            raise _too_large(f"{n_bytes} bytes", most)
        body = _read(stream, n_bytes)
        if len(body) < n_bytes:
            message = f"the body ended after {len(body)} of {n_bytes} bytes; send it whole"
            raise Refusal(400, message)
        return body
    # Without a length the server marks the end itself, or there is no body at all.
    body = _read(stream, most + 1)
    if len(body) > most:
        raise _too_large("more bytes", most)
    return body


def _read(stream: Any, n_bytes: int) -> bytes:
    try:
        return bytes(stream.read(n_bytes))
    except (ParseException, OSError) as error:
        # A bad chunk, or a client that is gone: its own doing, and no reason for a traceback.
        message = "the body is not valid HTTP, or ended early; send it whole"
        raise Refusal(400, message) from error


def _too_large(seen: str, most: int) -> Refusal:
    message = (
        f"the body has {seen}; expected at most {most}: send fewer rows at once, or set "
        "MAX_CONTENT_LENGTH"
    )
    return Refusal(413, message)
