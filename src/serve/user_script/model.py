"""A loaded script with its model: from a body to a result, one function after the other.

Runs user code.  Whatever that raises becomes a refusal here: what the script says of the request is
for the client, what it says of itself is for the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray
from werkzeug.exceptions import HTTPException

from serve.encoding.encode import CSV, JSON, MEDIA_TYPES
from serve.encoding.media_types import negotiate, parse_media_type
from serve.refusals import Refusal, presentable
from serve.request_log import RequestRecord, log_traceback
from serve.user_script.arrays import array_of_body
from serve.user_script.functions import Functions
from serve.user_script.pytorch import call_network, is_network, tensor_of
from serve.user_script.results import Result, ResultError, encoded, result_of

_TEXTS = frozenset({CSV, JSON})
_STATUSES = frozenset(status for status in HTTPStatus if status >= 400)
_UNSUPPORTED = "UnsupportedFormatError"
"""What AWS's toolkits call the exception for a type that a function does not know."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks of the script.

    Attributes
    ----------
    body : bytes
    content_type, accept : str
        As the functions are told.
    """

    body: bytes
    content_type: str
    accept: str


class ScriptModel:
    """The functions of a script and the model that its ``model_fn`` returned.

    Parameters
    ----------
    functions : Functions
    model : object
    default_accept : str
        Media type of answers that are left open.
    """

    def __init__(self, functions: Functions, model: Any, default_accept: str) -> None:
        self._functions = functions
        self._model = model
        self._default_accept = default_accept
        self._n_features = _n_features(model) if functions.predict_fn is None else None
        self._is_network = is_network(model)

    def result(self, call: Call, record: RequestRecord) -> Result:
        """Answer a call; a failure of the script is a `Refusal`.

        Raises
        ------
        Refusal
            406, 415: no such type.  400: the body cannot be read.  500: the script failed.  Any
            other that the script asks for.
        MemoryError
        """
        transform = self._functions.transform_fn
        if transform is not None:
            arguments = (self._model, _body(call), call.content_type, call.accept)
            returned = _called("transform_fn", record, transform, *arguments)
            record.lap("predict")
            result = self._formed("transform_fn", returned, call, record)
            record.lap("encode")
            return result
        written = self._negotiated(call)
        data = self._data(call, record)
        if isinstance(data, np.ndarray):
            record.n_rows = len(data) if data.ndim else 0
        record.lap("decode")
        prediction = self._prediction(data, record)
        record.lap("predict")
        result = self._answer(prediction, call, written, record)
        record.lap("encode")
        return result

    def _negotiated(self, call: Call) -> str | None:
        """Choose the type before any work, where it is ours to write."""
        if self._functions.output_fn is not None:
            return None
        return negotiate(call.accept, self._default_accept, MEDIA_TYPES)

    def _data(self, call: Call, record: RequestRecord) -> Any:
        read = self._functions.input_fn
        if read is None:
            rows = array_of_body(call.body, call.content_type, self._n_features)
            record.n_rows = len(rows) if rows.ndim else 0
            return self._tensor(rows, call) if self._is_network else rows
        return _called("input_fn", record, read, _body(call), call.content_type)

    def _tensor(self, rows: NDArray[Any], call: Call) -> Any:
        is_text = parse_media_type(call.content_type)[0] in _TEXTS
        try:
            return tensor_of(rows, self._model, is_text=is_text)
        except (TypeError, ValueError) as error:
            raise Refusal(400, f"the array is none for PyTorch: {error}") from error

    def _prediction(self, data: Any, record: RequestRecord) -> Any:
        predict = self._functions.predict_fn
        if predict is None and self._is_network:
            return _called("the network", record, call_network, self._model, data)
        if predict is None:
            return _called("predict", record, self._model.predict, data)
        return _called("predict_fn", record, predict, data, self._model)

    def _answer(
        self, prediction: Any, call: Call, written: str | None, record: RequestRecord
    ) -> Result:
        write = self._functions.output_fn
        if write is not None:
            returned = _called("output_fn", record, write, prediction, call.accept)
            return self._formed("output_fn", returned, call, record)
        assert written is not None
        with _forming("predict_fn", record):
            return encoded(prediction, written)

    def _formed(self, step: str, returned: Any, call: Call, record: RequestRecord) -> Result:
        with _forming(step, record):
            return result_of(returned, call.accept, self._default_accept)


def _n_features(model: Any) -> int | None:
    """Ask a scikit-learn model how many features it was fitted to."""
    n_features = getattr(model, "n_features_in_", None)
    return n_features if type(n_features) is int and n_features > 0 else None


def _body(call: Call) -> str | bytes:
    """Give text for the types that AWS's toolkits decode, else bytes."""
    if parse_media_type(call.content_type)[0] not in _TEXTS:
        return call.body
    try:
        return call.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, "the body is not UTF-8 text; send it in utf-8") from error


def _called(step: str, record: RequestRecord, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (MemoryError, Refusal):
        raise
    except BaseException as error:
        raise _refusal(step, error, record) from error


@contextmanager
def _forming(step: str, record: RequestRecord) -> Iterator[None]:
    """Blame the script for what cannot be sent, or fails in code of its own when it is read."""
    try:
        yield
    except ResultError as error:
        raise _unsendable(step, error, record) from error
    except (MemoryError, Refusal):
        raise
    except BaseException as error:
        raise _refusal(step, error, record) from error


def _refusal(step: str, error: BaseException, record: RequestRecord) -> Refusal:
    status, message = _asked_for(step, error)
    if status is None or status >= 500:
        log_traceback(record.request_id, error)
    if status is not None:
        return Refusal(status, presentable(message) or HTTPStatus(status).phrase)
    message = (
        f"{step} of the model's script failed with {type(error).__name__}; the log says why under "
        "this request_id"
    )
    return Refusal(500, message)


def _asked_for(step: str, error: BaseException) -> tuple[int | None, str]:
    """Read the status that an exception stands for; None where it is a failure like any other."""
    if any(kind.__name__ == _UNSUPPORTED for kind in type(error).__mro__):
        return 406 if step == "output_fn" else 415, str(error)
    if isinstance(error, HTTPException):
        return _known(error.code), error.description or ""
    status = _known(getattr(error, "status_code", None))
    if status is not None:
        return status, str(getattr(error, "message", None) or error)
    # The body is all that this function looks at.
    if step == "input_fn" and isinstance(error, ValueError):
        return 400, f"the body cannot be read: {error}"
    return None, ""


def _known(status: object) -> int | None:
    return status if type(status) is int and status in _STATUSES else None


def _unsendable(step: str, error: ResultError, record: RequestRecord) -> Refusal:
    log_traceback(record.request_id, error)
    return Refusal(500, f"what {step} of the model's script returned cannot be sent: {error}")
