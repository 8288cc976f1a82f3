"""AWS's JSON 1.1 protocol: the operation's name, the request's body, the response's, an error's.

Source: Smithy's specification, "AWS JSON 1.1 protocol", and botocore's model of SageMaker.
Nothing is known here of HTTP servers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_test.control_plane.wire.errors import (
    SerializationError,
    ServiceError,
    UnknownOperation,
)
from local_test.control_plane.wire.service_model import operation_names, service_model

CONTENT_TYPE = "application/x-amz-json-1.1"
_PREFIX = "SageMaker."


def parse_target(header: str | None) -> str:
    """Return the operation that an ``X-Amz-Target`` header names.

    Raises
    ------
    UnknownOperation
        There is no header, or it names no operation of SageMaker.
    """
    operation = (header or "").removeprefix(_PREFIX)
    if header is None or not header.startswith(_PREFIX) or operation not in operation_names():
        raise UnknownOperation(
            f"X-Amz-Target is {header!r}; expected 'SageMaker.' and the name of an operation"
        )
    return operation


def decode(body: bytes) -> object:
    """Read a request; no body at all is a request without members, and null is no member.

    Raises
    ------
    SerializationError
        The body is no JSON object in UTF-8, or holds a text that UTF-8 cannot.
    """
    try:
        request = json.loads(
            body.decode("utf-8") or "{}", object_hook=_without_null, parse_constant=_refuse
        )
        if b"\\u" in body:
            # Half a character would be found out later, where a record is written.
            json.dumps(request, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"the request's body is not JSON in UTF-8: {error}") from error
    if not isinstance(request, dict):
        raise SerializationError("the request's body is not a JSON object")
    return request


def encode(operation: str, response: Mapping[str, Any]) -> bytes:
    """Write a response; times are seconds since 1970 or aware datetimes, None members are left out.

    A member that the operation's output shape does not have is a mistake of ours: AssertionError.
    """
    shape = service_model().operation_model(operation).output_shape
    if shape is None:
        assert not response, f"{operation} answers nothing; we would answer {sorted(response)}"
        return b""
    return json.dumps(_encoded(shape, response, operation), allow_nan=False).encode()


def encode_error(error: ServiceError) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of a refusal."""
    headers = {
        "Content-Type": CONTENT_TYPE,
        "x-amzn-requestid": str(uuid4()),
        "x-amzn-errortype": error.code,
    }
    body = {"__type": error.code, "message": error.message}
    return error.status, headers, json.dumps(body).encode()


def _without_null(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number of JSON")


def _encoded(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(shape, StructureShape):
        return _encoded_structure(shape, value, path)
    if isinstance(shape, ListShape):
        assert isinstance(value, (list, tuple)), f"{path} is {value!r}, no list"
        return [_encoded(shape.member, each, f"{path}[{at}]") for at, each in enumerate(value)]
    if isinstance(shape, MapShape):
        assert isinstance(value, Mapping), f"{path} is {value!r}, no map"
        return {
            str(key): _encoded(shape.value, each, f"{path}.{key}") for key, each in value.items()
        }
    return _encoded_scalar(shape, value, path)


def _encoded_structure(shape: StructureShape, value: Any, path: str) -> dict[str, Any]:
    assert isinstance(value, Mapping), f"{path} is {value!r}, no structure"
    unknown = sorted(value.keys() - shape.members.keys())
    assert not unknown, f"{path} has no members {unknown}; {shape.name} has {list(shape.members)}"
    return {
        name: _encoded(shape.members[name], each, f"{path}.{name}")
        for name, each in value.items()
        if each is not None
    }


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "timestamp": (float, int),
    "boolean": (bool,),
}


def _encoded_scalar(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(value, datetime):
        assert value.tzinfo is not None, f"{path} is a time without a zone"
        value = value.timestamp()
    is_right = isinstance(value, _TYPES[shape.type_name])
    is_right = is_right and isinstance(value, bool) == (shape.type_name == "boolean")
    assert is_right, f"{path} is {value!r}, no {shape.type_name}"
    return value
