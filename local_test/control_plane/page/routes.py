"""The page's addresses below ``/_plane/``: the document, its files, its feed, details and logs.

Sources: the W3C's "Content Security Policy Level 3" and "Fetch Metadata Request Headers".  Names,
log lines and values come from jobs and are data here and in the page, never markup.
"""

from __future__ import annotations

import json
import re
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from local_test.control_plane.page.endpoint_detail import endpoint_detail
from local_test.control_plane.page.events import Events, TooManyPages
from local_test.control_plane.page.feed import Feed
from local_test.control_plane.page.log_lines import Logs, log_piece
from local_test.control_plane.page.told import told
from local_test.control_plane.page.training_detail import training_detail
from local_test.control_plane.plane import Plane
from local_test.control_plane.snapshot import snapshot
from local_test.control_plane.wire.errors import ServiceError

PATH = "/_plane/"

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# A thread waits for a listener that takes nothing.
_SEND_S = 10.0
_HOST = re.compile(r"[\w.-]+(:\d+)?", re.ASCII)


class Page:
    """Answers what a browser asks for; `logs` is None where no log is kept.

    A listener that takes nothing for `send_s` seconds is given up.
    """

    def __init__(self, plane: Plane, logs: Logs | None = None, *, send_s: float = _SEND_S) -> None:
        self._plane = plane
        self._logs = logs
        self._send_s = send_s
        self._feed = Feed(lambda: told(snapshot(plane)))
        self.events = Events(self._feed)
        self._acts: dict[str, Callable[[Request], Response]] = {
            "": self._document,
            "endpoint": self._endpoint,
            "events": self._stream,
            "logs": self._log,
            "training": self._training,
        }

    def answer(self, request: Request) -> Response | None:
        """Return the answer to one request below ``/_plane/``; None where it is not the page's."""
        name = request.path.removeprefix(PATH)
        is_file = name.startswith("page/")
        if request.method != "GET" or not (is_file or name in self._acts):
            return None
        if not _is_from_here(request):
            return _json(403, {"message": "pages of other origins may not read the plane"})
        try:
            response = _file(name.removeprefix("page/")) if is_file else self._acts[name](request)
        except (ServiceError, ValueError) as error:
            response = _json(400, {"message": str(error)})
        response.headers.update(HEADERS)
        return response

    def close(self) -> None:
        """Let every listener go."""
        self._feed.close()

    def _document(self, request: Request) -> Response:
        response = _file("index.html")
        response.headers["Content-Security-Policy"] = _policy(request.host)
        return response

    def _stream(self, request: Request) -> Response:
        last = request.headers.get("Last-Event-ID") or request.args.get("after", "")
        connection: socket.socket | None = request.environ.get("werkzeug.socket")
        try:
            events = self.events.stream(
                last, has_gone=lambda: connection is not None and _is_left(connection)
            )
        except TooManyPages as error:
            return _json(503, {"message": str(error)})
        if connection is not None:
            connection.settimeout(self._send_s)
        return Response(events, content_type="text/event-stream")

    def _log(self, request: Request) -> Response:
        if self._logs is None:
            return _json(404, {"message": "this plane keeps no logs"})
        group, prefix = request.args.get("group", ""), request.args.get("prefix", "")
        if not group:
            raise ValueError("group is missing; expected the name of a log group")
        first = request.args.get("first")
        if first is not None and not (first.isascii() and first.isdecimal() and len(first) < 16):
            raise ValueError(f"first is {first!r}; expected the number of a line, from 0")
        piece = log_piece(
            self._logs,
            group,
            prefix,
            stream=request.args.get("stream"),
            first=None if first is None else int(first),
        )
        return _json(200, piece)

    def _endpoint(self, request: Request) -> Response:
        return _json(200, endpoint_detail(self._plane, request.args.get("name", "")))

    def _training(self, request: Request) -> Response:
        return _json(200, training_detail(self._plane, request.args.get("name", "")))


def _is_from_here(request: Request) -> bool:
    """Whether the request is the page's own, a person's, or no browser's at all.

    Another page could not read the answer, but hold a place of a listener.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_visit = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.path == PATH
    return site in {"none", "same-origin"} or is_visit


def _policy(host: str) -> str:
    # By its folder, because objects of the local S3 have the same origin.
    own = f"http://{host}{PATH}page/" if _HOST.fullmatch(host) else "'none'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {own}",
            f"style-src {own}",
            f"img-src {own}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _is_left(connection: socket.socket) -> bool:
    """Whether the other end is closed; a listener says nothing after what it has asked for."""
    ready = select.poll()
    ready.register(connection, select.POLLIN)
    try:
        return bool(ready.poll(0)) and not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def _file(name: str) -> Response:
    path = _STATIC / name
    # One flat folder: a name with a slash or `..` is none of its files.
    if path.parent != _STATIC or not path.is_file() or path.suffix not in _TYPES:
        return _json(404, {"message": f"there is no file {name!r}"})
    return Response(path.read_bytes(), content_type=_TYPES[path.suffix])


def _json(status: int, value: Any) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")
