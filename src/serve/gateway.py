"""The WSGI callable that the server runs: invocations directly, everything else through Flask.

Flask's routing and its request objects cost as much as the prediction of a row, and an invocation
needs neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar
from wsgiref.types import StartResponse

from flask import Flask

from serve.answers import Answer
from serve.bodies import Environ
from serve.refusals import Refusal
from serve.request_log import RequestRecord

INVOCATIONS = "/invocations"
MODELS = "/models/"
INVOKE = "/invoke"

Find = Callable[[str], str | None]
"""From a path to the name of the model to invoke; None where the path is no invocation."""


M = TypeVar("M")
Lent = TypeVar("Lent", covariant=True)  # noqa: PLC0105 - as long a name says it as well
Asked = TypeVar("Asked", contravariant=True)  # noqa: PLC0105


class Models(Protocol[Lent]):
    """Where the models are."""

    def use(self, name: str) -> AbstractContextManager[Lent]:
        """Keep a model loaded while it is used; Refusal 404 where it is not."""


class Answers(Protocol[Asked]):
    """What answers calls of a model of that kind."""

    def answer(self, environ: Environ, model: Asked, record: RequestRecord, /) -> Answer:
        """Answer one request; every failure becomes an error body, nothing is raised."""

    def refuse(self, environ: Environ, record: RequestRecord, refusal: Refusal) -> Answer:
        """Answer with an error, and write it to the log under the same id."""


class Gateway(Generic[M]):
    """Answers ``POST /invocations`` and ``POST /models/<name>/invoke``.

    Parameters
    ----------
    app : Flask
        Answers every other request.
    models : Models
    invocations : Answers
    model_of : callable
    """

    def __init__(
        self, app: Flask, models: Models[M], invocations: Answers[M], model_of: Find
    ) -> None:
        self._app = app
        self._models = models
        self._invocations = invocations
        self._model_of = model_of

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request: a WSGI application."""
        if environ["REQUEST_METHOD"] == "POST":
            name = self._model_of(environ["PATH_INFO"])
            if name is not None:
                return self.invoke(environ, name).respond(start_response)
        return self._app(environ, start_response)

    def invoke(self, environ: Environ, name: str) -> Answer:
        """Answer an invocation of the model of that name."""
        record = RequestRecord(model=name or None)
        try:
            with self._models.use(name) as model:
                return self._invocations.answer(environ, model, record)
        except Refusal as refusal:
            return self._invocations.refuse(environ, record, refusal)


def only_model(path: str) -> str | None:
    """Find the one model of a server, whose name is empty."""
    return "" if path == INVOCATIONS else None


def named_model(path: str) -> str | None:
    """Find the model in a path of the multi-model contract."""
    if not (path.startswith(MODELS) and path.endswith(INVOKE)):
        return None
    # WSGI hands over the bytes of a path as if they were Latin-1 (PEP 3333).
    return path[len(MODELS) : -len(INVOKE)].encode("latin-1").decode("utf-8", "replace") or None
