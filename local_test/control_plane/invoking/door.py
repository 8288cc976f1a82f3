"""InvokeEndpoint: which container answers a request, what it hears of it, and what comes back.

Source: API reference, InvokeEndpoint (headers, limits, errors); AWS docs, 'Use Your Own Inference
Code with Hosting Services' (60 seconds; all headers but those of InvokeEndpoint are stripped) and
'Create a Multi-Model Endpoint'.  Not documented, and chosen here: the content type and the accepted
type where a client names none, and the answer to a response above the limit.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4
from weakref import WeakKeyDictionary

from werkzeug.wrappers import Request, Response

from local_test.control_plane.api.calls import LostResponse
from local_test.control_plane.api.names import ACCOUNT
from local_test.control_plane.hosting.instances import Instance
from local_test.control_plane.hosting.model_definition import (
    caches_models,
    is_multi_model,
    model_data,
)
from local_test.control_plane.hosting.ports import ModelData
from local_test.control_plane.invoking.container_call import (
    Answer,
    ContainerRequest,
    Deadline,
    NoAnswer,
    TimedOut,
    Unreachable,
    ask,
)
from local_test.control_plane.invoking.multi_model import (
    LoadedModels,
    LoadFailed,
    MultiModelServer,
)
from local_test.control_plane.invoking.refusals import (
    ServiceUnavailable,
    TooLarge,
    encode,
    model_error,
)
from local_test.control_plane.plane import Plane
from local_test.control_plane.wire.errors import (
    InternalFailure,
    ServiceError,
    Throttled,
    UnknownOperation,
    ValidationError,
)

PREFIX = "/endpoints/"
MOST_BYTES = 6_291_456
WITHIN_S = 60.0

_PATH = re.compile(r"/endpoints/([^/]+)/(invocations[a-z-]*|async-invocations)")
_AMZN = "X-Amzn-SageMaker-"
_CUSTOM = f"{_AMZN}Custom-Attributes"
_TARGET_MODEL = f"{_AMZN}Target-Model"
_TARGET_VARIANT = f"{_AMZN}Target-Variant"
# The headers of InvokeEndpoint with the most characters that each may have.
_PASSED = {
    _CUSTOM: 1024,
    _TARGET_MODEL: 1024,
    _TARGET_VARIANT: 63,
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
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_NO_ANSWER = "An error occurred while handling request as the model process exited."
_LOADING_THREADS = 4


class Invocations:
    """Answers the requests of SageMaker Runtime; safe for threads.

    `within_s` is how long a container may take.
    """

    def __init__(self, plane: Plane, data: ModelData | None, *, within_s: float = WITHIN_S) -> None:
        self._plane = plane
        self._data = data
        self._within_s = within_s
        self._pool = ThreadPoolExecutor(_LOADING_THREADS, thread_name_prefix="load")
        self._loaded: WeakKeyDictionary[Instance, LoadedModels] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Response:
        """Answer one request below ``/endpoints/``."""
        found = _PATH.fullmatch(request.path)
        endpoint = found[1] if found else ""
        region = self._plane.settings.region
        try:
            if found is None or request.method != "POST" or found[2] != "invocations":
                raise _unserved(request)
            return self._invoked(endpoint, request)
        except ServiceError as error:
            status, headers, body = encode(error, endpoint=endpoint, region=region)
            return Response(body, status, dict(headers))

    def close(self) -> None:
        """Begin no load any more; those under way end with their containers."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _invoked(self, endpoint: str, request: Request) -> Response:
        self._fail_on_demand(endpoint)
        headers = _passed(request)
        body = _body(request)
        instance = self._lease(endpoint, headers.get(_TARGET_VARIANT))
        try:
            answer = self._asked(endpoint, instance, headers, body)
        finally:
            self._release(instance)
        if self._plane.faults.take("lost_response", operation="InvokeEndpoint", name=endpoint):
            raise LostResponse("InvokeEndpoint")
        if not 200 <= answer.status < 400:
            raise self._model_error(endpoint, answer.status, answer.text)
        if len(answer.body) > MOST_BYTES:
            said = f"the response has more than {MOST_BYTES} bytes"
            raise self._model_error(endpoint, answer.status, said)
        return _response(answer, instance.variant)

    def _fail_on_demand(self, endpoint: str) -> None:
        take = self._plane.faults.take
        if take("throttle", operation="InvokeEndpoint", name=endpoint):
            raise Throttled("Rate exceeded")
        if take("internal", operation="InvokeEndpoint", name=endpoint):
            raise InternalFailure("We encountered an internal error. Please try again.")

    def _lease(self, endpoint: str, target_variant: str | None) -> Instance:
        with self._plane.lock:
            endpoints = self._plane.endpoints
            try:
                instance = None if endpoints is None else endpoints.pick(endpoint, target_variant)
            except KeyError:
                endpoints = None
            if endpoints is None:
                raise ValidationError(f"Endpoint {endpoint} of account {ACCOUNT} not found.")
            if instance is None:
                raise ServiceUnavailable(f"No instance of endpoint {endpoint} is ready; try again.")
            instance.busy += 1
            return instance

    def _release(self, instance: Instance) -> None:
        with self._plane.lock:
            instance.busy -= 1

    def _asked(
        self, endpoint: str, instance: Instance, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        deadline = Deadline.after(self._within_s)
        try:
            return self._way_to(instance, headers)(headers, body, deadline)
        except LoadFailed as error:
            raise self._model_error(endpoint, error.answer.status, error.answer.text) from error
        except TimedOut:
            raise self._model_error(endpoint, 0, _TIMED_OUT) from None
        except NoAnswer:
            raise self._model_error(endpoint, 0, _NO_ANSWER) from None
        except Unreachable as error:
            raise ServiceUnavailable(
                f"An instance of endpoint {endpoint} does not listen: {error}."
            ) from error

    def _way_to(
        self, instance: Instance, headers: Mapping[str, str]
    ) -> Callable[[Mapping[str, str], bytes, Deadline], Answer]:
        """Return how to ask a container: by its only model, or by the one that is asked for."""
        target = headers.get(_TARGET_MODEL)
        if not is_multi_model(instance.model):
            if target is not None:
                raise ValidationError(
                    "Target model header should not be provided for single-model endpoints."
                )
            return lambda passed, body, deadline: ask(
                instance.server.address(),
                ContainerRequest("POST", "/invocations", passed, body),
                deadline,
                most_bytes=MOST_BYTES,
            )
        if target is None:
            raise ValidationError(
                "Target model header is required for multi-model endpoints; give TargetModel."
            )
        loaded = self._loaded_of(instance)
        return lambda passed, body, deadline: loaded.invoke(
            target, passed, body, deadline, most_bytes=MOST_BYTES
        )

    def _loaded_of(self, instance: Instance) -> LoadedModels:
        assert self._data is not None
        with self._lock:
            loaded = self._loaded.get(instance)
            if loaded is None:
                prefix, _ = model_data(instance.model.container)
                server = MultiModelServer(
                    instance.server_name,
                    instance.server.address(),
                    str(prefix),
                    keeps_loaded=caches_models(instance.model),
                )
                loaded = self._loaded[instance] = LoadedModels(server, self._data, self._pool)
            return loaded

    def _model_error(self, endpoint: str, status: int, text: str) -> ServiceError:
        return model_error(status, text, endpoint=endpoint, region=self._plane.settings.region)


def _unserved(request: Request) -> UnknownOperation:
    return UnknownOperation(
        f"{request.method} {request.path} is not served by this control plane; of SageMaker "
        "Runtime it serves InvokeEndpoint (POST /endpoints/NAME/invocations), no response streams "
        "and no asynchronous endpoints."
    )


def _passed(request: Request) -> dict[str, str]:
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


def _body(request: Request) -> bytes:
    if (request.content_length or 0) <= MOST_BYTES:
        body: bytes = request.stream.read(MOST_BYTES + 1)
        if len(body) <= MOST_BYTES:
            return body
    raise TooLarge(f"HTTP content length exceeded {MOST_BYTES} bytes.")


def _response(answer: Answer, variant: str) -> Response:
    response = Response(answer.body, answer.status)
    del response.headers["Content-Type"]
    for name in _RETURNED:
        if name.lower() in answer.headers:
            response.headers[name] = answer.headers[name.lower()]
    response.headers["x-Amzn-Invoked-Production-Variant"] = variant
    response.headers["x-amzn-RequestId"] = str(uuid4())
    return response
