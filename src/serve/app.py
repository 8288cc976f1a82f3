"""The server's routes, and what it consists of in either mode.

Built before the server forks: it loads and checks the model, and starts no thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from wsgiref.types import StartResponse

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from crossfold.data.cells import quoted
from crossfold.errors import CrossfoldError, UserError
from serve.answers import JSON, Answer
from serve.decoding.allocation import prepare_memory
from serve.encoding.encode import MEDIA_TYPES
from serve.encoding.media_types import parse_media_type
from serve.gateway import INVOCATIONS, Gateway, named_model, only_model
from serve.invocation import Invocations, response_headers
from serve.predictor import Predictor
from serve.refusals import Refusal
from serve.request_log import RequestRecord, log_event, log_traceback
from serve.selection import known_keys
from serve.settings import Settings
from serve.telemetry import CONTENT_TYPE as METRICS_TYPE
from serve.telemetry import Telemetry
from serve.user_script.fetching import remove_code
from serve.user_script.finding import Script, find_script, require_manifest

PING = "/ping"

METRICS = "/metrics"

_QUIET = (PING, METRICS)
"""Asked for all the time, and by machines: neither logged nor counted."""

_TOTAL_MB = 100
"""What concurrent payloads of a batch transform job may add up to (its documentation)."""

_MEBIBYTE = 1024 * 1024


class Service:
    """A WSGI application with what its worker processes do at their start.

    Attributes
    ----------
    start_worker : callable
        Called once in each worker process, after the fork and before it has threads.
    close : callable
        Called once, in the process that built the service, when no worker is left.
    """

    def __init__(
        self,
        gateway: Gateway[Any],
        start_worker: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self.start_worker = start_worker
        self.close = close

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request: a WSGI application."""
        return self._gateway(environ, start_response)


class OneModel:
    """The model of a server that has one."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @contextmanager
    def use(self, name: str) -> Iterator[Predictor]:
        """Give the model; it has no name and is never unloaded."""
        del name
        yield self._predictor


def build(settings: Settings) -> Service:
    """Load what is to be served, and put the routes in front of it.

    Raises
    ------
    UserError
        There is no model, or it cannot give what is selected.
    PlatformError
        The model cannot be read.
    """
    prepare_memory()
    telemetry = Telemetry() if settings.has_metrics else None
    invocations = Invocations(settings, telemetry)
    app = create_app(settings, invocations, telemetry)
    if settings.is_multi_model:
        return _several_models(settings, app, invocations)
    script = find_script(settings.opt_ml.model, settings.script)
    if script is not None:
        return _user_script(script, settings, app, invocations)
    require_manifest(settings.opt_ml.model)
    predictor = Predictor.load(settings.opt_ml.model, settings)
    _check_default_answer(settings, predictor.selection.accepts)
    predictor.check()
    log_event("model", predictor.facts())
    gateway = Gateway(app, OneModel(predictor), invocations, only_model)
    _add_routes(app, gateway, predictor.check)
    return Service(gateway, predictor.check, _nothing)


def create_app(settings: Settings, invocations: Invocations, telemetry: Telemetry | None) -> Flask:
    """Make the application with the routes of both modes, and errors in JSON."""
    app = Flask("serve", static_folder=None)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return Response(orjson.dumps(_execution_parameters(settings)), content_type=JSON)

    if telemetry is not None:

        @app.get(METRICS)
        def metrics() -> Response:
            return Response(telemetry.text(), content_type=METRICS_TYPE)

    _keep_records(app, invocations)
    _answer_errors(app, invocations)
    return app


def _keep_records(app: Flask, invocations: Invocations) -> None:
    """Give each request an id and, unless a machine asks for it all the time, a line."""

    @app.before_request
    def begin() -> None:
        g.record = RequestRecord()

    @app.after_request
    def end(response: Response) -> Response:
        # An error, or an invocation that came this way, has been logged under its own id.
        if "X-Request-Id" not in response.headers:
            headers = response_headers(request.environ, g.record)
            response.headers.extend(dict(headers))
            if request.path not in _QUIET:
                g.record.n_bytes_out = response.content_length or 0
                invocations.note(g.record, response.status_code, path=request.path)
        return response


def _answer_errors(app: Flask, invocations: Invocations) -> None:
    """Turn every error into the JSON that clients know."""

    @app.errorhandler(Exception)
    def refuse(error: Exception) -> Response:
        refusal = _as_refusal(app, error, g.record)
        answer = invocations.refuse(request.environ, g.record, refusal)
        response = _response(answer)
        if isinstance(error, HTTPException):
            # ``Allow`` of a 405, for one.
            for name, value in error.get_headers():
                if name not in ("Content-Type", "Content-Length"):
                    response.headers[name] = value
        return response


def _add_routes(app: Flask, gateway: Gateway[Any], check: Callable[[], None]) -> None:
    """Answer what a server of one model is asked."""
    _add_ping(app, check)

    # The gateway answers these before Flask hears of them; the route is what makes a GET a 405.
    @app.post(INVOCATIONS)
    def invoke() -> Response:
        return _response(gateway.invoke(request.environ, ""))


def _user_script(
    script: Script, settings: Settings, app: Flask, invocations: Invocations
) -> Service:
    from serve.user_script.host import ScriptHost, ScriptInvocations

    close = partial(_remove, script)
    host = ScriptHost(script, settings)
    try:
        host.prepare()
    except CrossfoldError:
        close()
        raise
    gateway = Gateway(app, host, ScriptInvocations(settings, invocations), only_model)
    _add_routes(app, gateway, host.check)
    return Service(gateway, host.start, close)


def _remove(script: Script) -> None:
    if script.is_fetched:
        remove_code(script.folder)


def _several_models(settings: Settings, app: Flask, invocations: Invocations) -> Service:
    from serve.multi_model.registry import ModelRegistry
    from serve.multi_model.routes import blueprint

    known_keys(settings.output_keys)
    _check_default_answer(settings, MEDIA_TYPES)
    registry = ModelRegistry(settings)
    registry.prepare()
    app.register_blueprint(blueprint(registry))
    gateway = Gateway(app, registry, invocations, named_model)

    @app.post("/models/<path:name>/invoke")
    def invoke(name: str) -> Response:
        return _response(gateway.invoke(request.environ, name))

    _add_ping(app, _nothing)
    return Service(gateway, registry.start, registry.close)


def _check_default_answer(settings: Settings, writable: Sequence[str]) -> None:
    if parse_media_type(settings.default_accept)[0] not in writable:
        message = (
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {quoted(settings.default_accept)}; expected "
            f"one of {', '.join(writable)}"
        )
        raise UserError(message)


def _add_ping(app: Flask, check: Callable[[], None]) -> None:
    """Answer whether a model can answer; the server gives this route a thread of its own."""

    @app.route(PING, methods=["GET", "POST"])
    def ping() -> Response:
        try:
            check()
        except Exception as error:
            log_traceback("ping", error)
            raise Refusal(503, "the model cannot answer; see the log") from error
        return Response(b"", 200, content_type=JSON)


def _nothing() -> None:
    """Do nothing."""


def _execution_parameters(settings: Settings) -> dict[str, object]:
    """Offer what the caller did not fix, such that SageMaker's limit on the product holds."""
    payload_mb = settings.max_payload_mb
    if payload_mb is None:
        n_transforms = settings.max_concurrent_transforms or min(settings.n_workers, _TOTAL_MB)
        fair_mb = min(settings.max_body_bytes // _MEBIBYTE, _TOTAL_MB // n_transforms)
        payload_mb = max(1, fair_mb)
    else:
        most = _TOTAL_MB // max(1, payload_mb)
        n_transforms = settings.max_concurrent_transforms or max(1, min(settings.n_workers, most))
    return {
        "MaxConcurrentTransforms": n_transforms,
        "BatchStrategy": settings.batch_strategy or "MULTI_RECORD",
        "MaxPayloadInMB": payload_mb,
    }


def _as_refusal(app: Flask, error: Exception, record: RequestRecord) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException) and error.code is not None:
        return Refusal(error.code, _advice(app, error.code))
    log_traceback(record.request_id, error)
    return Refusal(500, "the server failed; the log says why under this request_id")


def _advice(app: Flask, status: int) -> str:
    seen = f"{request.method} {quoted(request.path)}"
    if status == 404:
        routes = sorted({_path(rule.rule) for rule in app.url_map.iter_rules()})
        return f"{seen} is no route; expected one of {', '.join(routes)}"
    if status == 405:
        return f"{seen} is not allowed; use one of the methods that header Allow lists"
    return f"{seen} cannot be answered"


def _path(rule: str) -> str:
    """Write a route as a client knows it.

    >>> _path("/models/<path:name>/invoke")
    '/models/<name>/invoke'
    """
    return re.sub(r"<\w+:", "<", rule)


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    for name, value in answer.headers:
        response.headers[name] = value
    return response
