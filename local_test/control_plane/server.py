"""HTTP: SageMaker's calls to the plane, ``/_plane/`` to page and views, everything else to moto.

One endpoint serves all, because ``AWS_ENDPOINT_URL`` is one address; SageMaker is told by the
target header of its JSON protocol or by the scope of the signature, the others by moto itself.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from local_test.control_plane import admin
from local_test.control_plane.api.calls import LostResponse
from local_test.control_plane.invoking.door import PREFIX, Invocations
from local_test.control_plane.listening import is_own
from local_test.control_plane.page.routes import HEADERS, Page
from local_test.control_plane.plane import Plane
from local_test.control_plane.wire.errors import (
    InternalFailure,
    RequestTooLarge,
    ServiceError,
    UnknownOperation,
)
from local_test.control_plane.wire.protocol import decode, encode, encode_error, parse_target

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
_TARGET = "X-Amz-Target"
_JSON = "application/x-amz-json-1.1"
# The largest request that the model's limits allow has a few megabytes.
_MOST_BYTES = 16 << 20
# How often jobs are looked at; a tick with nothing to do costs microseconds.
_TICK_S = 0.1


class Application:
    """The WSGI application; `other` answers all that is not SageMaker's.

    `changed` is told of every request that `other` has answered; `page` is for browsers, and
    `invocations` answers what is asked of endpoints.
    """

    def __init__(
        self,
        plane: Plane,
        other: WSGIApplication,
        *,
        changed: Callable[[WSGIEnvironment], None],
        page: Page | None = None,
        invocations: Invocations | None = None,
    ) -> None:
        self._plane = plane
        self._other = other
        self._changed = changed
        self._page = page
        self._invocations = invocations

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        if page := _page_of(request):
            said = {"message": f"{page!r} is not this machine; pages may not call the plane"}
            refusal = Response(json.dumps(said), 403, content_type="application/json")
            return refusal(environ, start_response)
        if _is_visit(request):
            return redirect(admin.PREFIX)(environ, start_response)
        if request.path.startswith(admin.PREFIX):
            return self._viewed(request)(environ, start_response)
        if _is_sagemaker(request):
            return self._sagemaker(request)(environ, start_response)
        return self._others(environ, start_response)

    def _others(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/moto-api"):
            # It would empty the buckets under running jobs.
            return Response("not served by the control plane\n", 404)(environ, start_response)
        try:
            answer = self._other(environ, start_response)
        except NotImplementedError as error:
            # Moto's word for a call that it does not have; SDK v3 makes one at each upload.
            return Response(f"{error}\n", 501)(environ, start_response)
        self._changed(environ)
        return answer

    def _viewed(self, request: Request) -> Response:
        shown = None if self._page is None else self._page.answer(request)
        if shown is not None:
            return shown
        answer = admin.answer(self._plane, request)
        answer.headers.update(HEADERS)
        return answer

    def _sagemaker(self, request: Request) -> Response:
        try:
            return self._called(request)
        except ServiceError as error:
            return _refused(error)
        except LostResponse as error:
            # The server drops the connection without a word.
            raise ConnectionAbortedError from error
        except Exception:  # noqa: BLE001 - a fault of the plane is an answer, not a dead thread
            _log.exception("the plane failed at %s", request.headers.get(_TARGET))
            return _refused(InternalFailure("The control plane failed; its log has the reason."))

    def _called(self, request: Request) -> Response:
        if _TARGET not in request.headers:
            if self._invocations is not None and request.path.startswith(PREFIX):
                return self._invocations.answer(request)
            raise UnknownOperation(
                f"{request.method} {request.path} is not served by this control plane."
            )
        operation = parse_target(request.headers[_TARGET])
        if (request.content_length or 0) > _MOST_BYTES:
            raise RequestTooLarge(
                f"the request has {request.content_length} bytes; at most {_MOST_BYTES} are read"
            )
        body = encode(operation, self._plane.call(operation, decode(request.get_data())))
        headers = {"x-amzn-RequestId": str(uuid.uuid4())}
        return Response(body, 200, headers, content_type=_JSON)


class Server:
    """An HTTP server, and the thread that ticks the plane."""

    def __init__(self, plane: Plane, application: WSGIApplication, listener: socket.socket) -> None:
        self._plane = plane
        self._ended = threading.Event()
        host, port = listener.getsockname()
        self._http: BaseWSGIServer = make_server(
            host,
            port,
            application,
            threaded=True,
            request_handler=_QuietHandler,
            fd=listener.fileno(),
        )
        self._threads = [
            threading.Thread(
                target=self._http.serve_forever, args=(_TICK_S,), name="http", daemon=True
            ),
            threading.Thread(target=self._tick, name="tick", daemon=True),
        ]

    def start(self) -> None:
        """Serve and tick from now on."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Answer nobody any more; the jobs are left as they are."""
        self._ended.set()
        self._http.shutdown()
        for thread in self._threads:
            thread.join()
        self._http.server_close()

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_S):
            try:
                self._plane.tick()
            except Exception:  # noqa: BLE001 - the other jobs go on at the next tick
                _log.exception("a tick of the plane failed")


class _QuietHandler(WSGIRequestHandler):
    """Leaves the terminal to the jobs, and hangs up where a response is to be lost."""

    def connection_dropped(
        self, error: BaseException, environ: WSGIEnvironment | None = None
    ) -> None:
        self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        if type == "error":
            _log.error(message, *args)


def _page_of(request: Request) -> str | None:
    """Return the name by which a page in a browser calls, None where no page does.

    A browser tells the page's origin with every call that could change something, and the name of
    the page's own server where that server's name leads here.  moto's application would allow it.
    """
    if not is_own(request.host):
        return request.host
    origin = request.headers.get("Origin")
    return None if origin is None or is_own(origin.partition("://")[2]) else origin


def _is_visit(request: Request) -> bool:
    """Whether a person looks for the page; for a client of S3 the root lists the buckets."""
    is_above = request.path in {"/", admin.PREFIX.rstrip("/")} and request.method == "GET"
    return is_above and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _is_sagemaker(request: Request) -> bool:
    is_target = request.headers.get(_TARGET, "").startswith("SageMaker.")
    signed = request.headers.get("Authorization")
    if signed is None or "/aws4_request" not in signed:
        # By hand, with curl: nobody puts an object without a signature to such a name.
        is_asked = request.method == "POST" and request.path.startswith(PREFIX)
        return is_target or is_asked
    return is_target or "/sagemaker/aws4_request" in signed


def _refused(error: ServiceError) -> Response:
    status, headers, body = encode_error(error)
    return Response(body, status, headers)
