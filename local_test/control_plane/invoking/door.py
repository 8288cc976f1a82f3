"""InvokeEndpoint: which container answers a request, and what becomes of one that does not.

Source: API reference, InvokeEndpoint (errors); AWS docs, 'Use Your Own Inference Code with Hosting
Services' (60 seconds) and 'Create a Multi-Model Endpoint'.  Not documented, and chosen here: the
answer to a response above the limit.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
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
from local_test.control_plane.invoking.exchange import (
    MOST_BYTES,
    TARGET_MODEL,
    TARGET_VARIANT,
    heard_body,
    heard_headers,
    told,
)
from local_test.control_plane.invoking.multi_model import (
    LoadedModels,
    LoadFailed,
    MultiModelServer,
)
from local_test.control_plane.invoking.refusals import (
    ServiceUnavailable,
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
WITHIN_S = 60.0

_PATH = re.compile(r"/endpoints/([^/]+)/(invocations[a-z-]*|async-invocations)")
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_NO_ANSWER = "An error occurred while handling request as the model process exited."


class Invocations:
    """Answers the requests of SageMaker Runtime; safe for threads.

    `within_s` is how long a container may take.
    """

    def __init__(self, plane: Plane, data: ModelData | None, *, within_s: float = WITHIN_S) -> None:
        self._plane = plane
        self._data = data
        self._within_s = within_s
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
        with self._lock:
            for loaded in self._loaded.values():
                loaded.close()

    def _invoked(self, endpoint: str, request: Request) -> Response:
        self._fail_on_demand(endpoint)
        headers, body = heard_headers(request), heard_body(request)
        instance = self._lease(endpoint, headers.get(TARGET_VARIANT))
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
        return told(answer, instance.variant)

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
                raise ServiceUnavailable(
                    f"No instance of endpoint {endpoint} is ready, or its variant has a weight of "
                    "0; try again."
                )
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
            return self._answer_of(instance, headers, body, deadline)
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

    def _answer_of(
        self, instance: Instance, headers: Mapping[str, str], body: bytes, deadline: Deadline
    ) -> Answer:
        """Ask a container: its only model, or the one that is asked for."""
        target = headers.get(TARGET_MODEL)
        if is_multi_model(instance.model):
            if target is None:
                raise ValidationError(
                    "Target model header is required for multi-model endpoints; give TargetModel."
                )
            loaded = self._loaded_of(instance)
            return loaded.invoke(target, headers, body, deadline, most_bytes=MOST_BYTES)
        if target is not None:
            raise ValidationError(
                "Target model header should not be provided for single-model endpoints."
            )
        request = ContainerRequest("POST", "/invocations", headers, body)
        return ask(instance.server.address(), request, deadline, most_bytes=MOST_BYTES)

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
                loaded = self._loaded[instance] = LoadedModels(server, self._data)
            return loaded

    def _model_error(self, endpoint: str, status: int, text: str) -> ServiceError:
        return model_error(status, text, endpoint=endpoint, region=self._plane.settings.region)


def _unserved(request: Request) -> UnknownOperation:
    return UnknownOperation(
        f"{request.method} {request.path} is not served by this control plane; of SageMaker "
        "Runtime it serves InvokeEndpoint (POST /endpoints/NAME/invocations), no response streams "
        "and no asynchronous endpoints."
    )
