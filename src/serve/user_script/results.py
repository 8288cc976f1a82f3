"""What a script's functions may return, and how it becomes a body.

Text and bytes go out as they are.  Everything else is encoded, with the same spelling of numbers as
by our own models: one line for each row, no line break at the end.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from http import HTTPStatus
from inspect import isasyncgen, isawaitable, isgenerator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from werkzeug.wrappers import Response

from serve.encoding.csv_rows import csv_document
from serve.encoding.encode import CSV, JSON, JSON_LINES, MEDIA_TYPES, NPY
from serve.encoding.media_types import negotiate, parse_media_type
from serve.invocation import CUSTOM_ATTRIBUTES
from serve.outputs import DEFAULT_KEY, Output

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_STATUSES = frozenset(HTTPStatus) - {status for status in HTTPStatus if status < 200}


class ResultError(Exception):
    """What a function returned cannot be sent; the script is at fault."""


@dataclass(frozen=True, slots=True)
class Result:
    """A body that a script answers with.

    Attributes
    ----------
    body : bytes
    content_type : str
    status : int
    attributes : str, optional
        The header that SageMaker passes on to the caller, where the script has set it.
    """

    body: bytes
    content_type: str
    status: int = 200
    attributes: str | None = None


def result_of(returned: Any, accept: str, default: str) -> Result:
    """Turn what ``output_fn`` or ``transform_fn`` returned into a body.

    Parameters
    ----------
    returned : object
        Text, bytes, a response of Flask, anything that can be encoded; or a pair of one of the
        first two or the last and its content type.
    accept : str
        What the function was told.
    default : str
        Media type of answers that are left open.

    Raises
    ------
    ResultError
        It is nothing of the kind.
    Refusal
        406: it can be encoded, but not as `accept` wants it.
    """
    if isinstance(returned, Response):
        return _of_response(returned)
    content_type = None
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], str):
        returned, content_type = returned
        if not content_type.isascii() or not content_type.isprintable():
            raise ResultError("the content type that was returned is not plain text")
    if returned is None:
        raise ResultError("None was returned; return text, bytes, or what can be encoded")
    if isawaitable(returned) or isgenerator(returned) or isasyncgen(returned):
        raise ResultError("a coroutine or generator was returned; return the whole value at once")
    body = _bytes_of(returned)
    if body is not None:
        return Result(body, content_type or _single(accept, default))
    if content_type is None:
        return encoded(returned, negotiate(accept, default, MEDIA_TYPES))
    media_type = parse_media_type(content_type)[0]
    if media_type.endswith("+json"):
        return Result(_json(returned), content_type)
    if media_type not in MEDIA_TYPES:
        message = f"{type(returned).__name__} as {media_type}: return text or bytes, encoded"
        raise ResultError(message)
    return Result(encoded(returned, media_type).body, content_type)


def encoded(prediction: Any, media_type: str) -> Result:
    """Write a prediction in one of our own media types, rows along the first axis.

    Raises
    ------
    ResultError
        The type cannot hold it.
    """
    if media_type == CSV:
        return Result(_csv(_array(prediction)), f"{CSV}; charset=utf-8")
    if media_type == NPY:
        return Result(_npy(_array(prediction)), NPY)
    if media_type in JSON_LINES:
        rows = _plain(prediction)
        if not isinstance(rows, list):
            rows = [rows]
        return Result(b"\n".join(map(_json, rows)), media_type)
    return Result(_json(prediction), JSON)


def _of_response(response: Response) -> Result:
    if response.status_code not in _STATUSES:
        raise ResultError(f"a response with status {response.status_code} was returned")
    attributes = response.headers.get(CUSTOM_ATTRIBUTES)
    if attributes is not None and not (attributes.isascii() and attributes.isprintable()):
        raise ResultError("a response with custom attributes that are not plain text was returned")
    media_type = response.content_type or JSON
    return Result(response.get_data(), media_type, response.status_code, attributes)


def _bytes_of(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return None


def _single(accept: str, default: str) -> str:
    """Name the type of an answer whose script did not: the first that was asked for."""
    first = accept.partition(",")[0].partition(";")[0].strip()
    return default if not first or "*" in first else first


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError as error:
        raise ResultError(f"the value cannot be written as JSON: {error}") from error


def _plain(value: Any) -> Any:
    """Turn arrays, tensors and tables into lists."""
    for method in ("tolist", "to_numpy"):
        function = getattr(value, method, None)
        if callable(function):
            found = function()
            return found if method == "tolist" else found.tolist()
    if isinstance(value, list | tuple | set | frozenset | range):
        return list(value)
    if isinstance(value, dict | str | int | float | bool | None):
        return value
    message = f"{type(value).__name__} is no list, number, text or array"
    raise ResultError(message)


def _array(value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(_plain(value) if not isinstance(value, np.ndarray) else value)
    except ValueError as error:
        raise ResultError(f"the rows differ in length: {error}") from error
    if array.dtype.kind == "O" and any(isinstance(cell, dict | list) for cell in array.flat):
        raise ResultError("the value is no table; return one that is, or define output_fn")
    return array


def _csv(value: NDArray[Any]) -> bytes:
    array = np.atleast_1d(value)
    if array.ndim > 2:
        raise ResultError(f"an array of shape {array.shape} is no table; define output_fn")
    if not array.size:
        return b""
    if array.dtype.kind in "fiub":
        return csv_document((Output(DEFAULT_KEY, array),))
    text = io.StringIO()
    rows = array.reshape(len(array), -1).tolist()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().removesuffix("\n").encode("utf-8", "surrogatepass")


def _npy(array: NDArray[Any]) -> bytes:
    if array.dtype.kind not in "fiubUSc":
        raise ResultError(f"an array of {array.dtype} cannot be written without pickle")
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
