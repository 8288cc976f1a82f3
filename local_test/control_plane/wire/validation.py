"""Requests against the service's model: what is missing, too long, out of range, misspelt.

Source: botocore's model of SageMaker (required, min, max, pattern, enum, union), and messages of
the service that its users quote in public reports.  Rules between members are in `rules`.

Not documented, and chosen here: a member that the model does not have is ignored; a member of
another JSON type is a SerializationException (worded as other services of this protocol do, with
the place added); a value that a message repeats is cut after 1024 characters; null is an absent
member; lengths count Unicode characters, as Smithy says, not Java's UTF-16 units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_test.control_plane.wire.errors import SerializationError, ValidationError
from local_test.control_plane.wire.patterns import compiled
from local_test.control_plane.wire.service_model import service_model

# Takes a value, its path and the failures so far.
_Check = Callable[[Any, str, list[str]], None]
# Takes a value; returns the constraints that it breaks.
_Broken = Callable[[Any], list[str]]

_MOST_FAILURES = 10
_MOST_SHOWN = 1024
# A value that is far too long is refused for its length; to match it could take minutes.
_MOST_MATCHED = 4096

_NOT_NULL = "Member must not be null"
_WHOLE_NUMBERS = {"integer": 31, "long": 63}
_FRACTIONS = frozenset({"float", "double", "timestamp"})
_CLASSES: Mapping[str, str] = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "timestamp": "a Date",
    "boolean": "a Boolean",
}


def validate(operation: str, request: object) -> None:
    """Refuse a request that breaks a limit of the model.

    Raises
    ------
    SerializationError
        The request, or a member, is of another JSON type than its shape.
    ValidationError
        Limits are broken; the message says up to ten.
    """
    shape = service_model().operation_model(operation).input_shape
    failures: list[str] = []
    if shape is not None:
        _check_of(shape.name)(request, "", failures)
    if failures:
        shown = failures[:_MOST_FAILURES]
        noun = "error" if len(shown) == 1 else "errors"
        raise ValidationError(f"{len(shown)} validation {noun} detected: {'; '.join(shown)}")


@cache
def _check_of(shape_name: str) -> _Check:
    shape = service_model().shape_for(shape_name)
    if isinstance(shape, StructureShape):
        return _structure_check(shape)
    if isinstance(shape, ListShape):
        return _list_check(shape)
    if isinstance(shape, MapShape):
        return _map_check(shape)
    return _scalar_check(shape)


def _structure_check(shape: StructureShape) -> _Check:
    required = frozenset(shape.required_members)
    is_union = bool(shape.metadata.get("union"))
    # A shape may hold itself, so the checks of its members are found when they are needed.
    members = [
        (name, name[:1].lower() + name[1:], each.name) for name, each in shape.members.items()
    ]

    def check(value: Any, path: str, failures: list[str]) -> None:
        if not isinstance(value, Mapping):
            raise _unexpected(value, "structure or map", path)
        prefix = f"{path}." if path else ""
        for name, lower, shape_name in members:
            member = value.get(name)
            if member is not None:
                _check_of(shape_name)(member, prefix + lower, failures)
            elif name in required:
                failures.append(_failure(None, prefix + lower, _NOT_NULL))
        if is_union and sum(value.get(name) is not None for name, _, _ in members) != 1:
            failures.append(
                _failure(value, path, "Member must have exactly one of its members set")
            )

    return check


def _list_check(shape: ListShape) -> _Check:
    broken_length = _limits_check(shape, len, "length")
    element = shape.member
    check_element, broken_element, element_limits = _item_checks(element)

    def check(value: Any, path: str, failures: list[str]) -> None:
        if not isinstance(value, list):
            raise _unexpected(value, "list", path)
        failures += [_failure(value, path, each) for each in broken_length(value)]
        is_broken = False
        for at, each in enumerate(value, 1):
            if each is None:
                failures.append(_failure(None, f"{path}.{at}.member", _NOT_NULL))
            elif broken_element is None:
                check_element(each, f"{path}.{at}.member", failures)
            else:
                _require_type(element, each, path)
                is_broken = is_broken or bool(broken_element(each))
        if is_broken:
            failures.append(_failure(value, path, _each("Member", element_limits)))

    return check


def _map_check(shape: MapShape) -> _Check:
    broken_length = _limits_check(shape, len, "length")
    broken_key, key_limits = _broken_check(shape.key)
    check_value, broken_value, value_limits = _item_checks(shape.value)

    def check(value: Any, path: str, failures: list[str]) -> None:
        if not isinstance(value, Mapping):
            raise _unexpected(value, "structure or map", path)
        failures += [_failure(value, path, each) for each in broken_length(value)]
        present = {key: each for key, each in value.items() if each is not None}
        if any(broken_key(key) for key in present):
            failures.append(_failure(value, path, _each("Map keys", key_limits)))
        if broken_value is None:
            for key, each in present.items():
                check_value(each, f"{path}.{key}.member", failures)
            return
        for key, each in present.items():
            _require_type(shape.value, each, f"{path}.{key}")
        if any(broken_value(each) for each in present.values()):
            failures.append(_failure(value, path, _each("Map value", value_limits)))

    return check


def _scalar_check(shape: Shape) -> _Check:
    broken, _ = _broken_check(shape)

    def check(value: Any, path: str, failures: list[str]) -> None:
        _require_type(shape, value, path)
        failures += [_failure(value, path, each) for each in broken(value)]

    return check


def _item_checks(shape: Shape) -> tuple[_Check, _Broken | None, Sequence[str]]:
    """Return the check of an item that is no scalar, or what a scalar breaks and may break."""
    if isinstance(shape, (StructureShape, ListShape, MapShape)):
        return _later(shape.name), None, ()
    broken, limits = _broken_check(shape)
    return _scalar_check(shape), broken, limits


def _later(shape_name: str) -> _Check:
    """Return a check that is found when it is needed: a shape may hold itself."""

    def check(value: Any, path: str, failures: list[str]) -> None:
        _check_of(shape_name)(value, path, failures)

    return check


def _broken_check(shape: Shape) -> tuple[_Broken, Sequence[str]]:
    """Return what a scalar breaks, and all that it could break, as the service lists it."""
    if shape.type_name != "string":
        return _limits_check(shape, lambda value: value, "value"), ()
    checks = [_limits_check(shape, len, "length"), _enum_check(shape), _pattern_check(shape)]
    limits = [
        *_limit_texts(shape, "length"),
        *([_enum_text(shape)] if shape.metadata.get("enum") else []),
        *([_pattern_text(shape)] if shape.metadata.get("pattern") else []),
    ]
    return (lambda value: [each for check in checks for each in check(value)]), limits


def _limits_check(shape: Shape, measure: Callable[[Any], float], what: str) -> _Broken:
    low = shape.metadata.get("min", -math.inf)
    high = shape.metadata.get("max", math.inf)

    def broken(value: Any) -> list[str]:
        size = measure(value)
        if low <= size <= high:
            return []
        return [
            _limit_text("less", what, high) if size > high else _limit_text("greater", what, low)
        ]

    return broken


def _enum_check(shape: Shape) -> _Broken:
    allowed = frozenset(shape.metadata.get("enum") or ())
    return lambda value: [_enum_text(shape)] if allowed and value not in allowed else []


def _pattern_check(shape: Shape) -> _Broken:
    pattern = shape.metadata.get("pattern")
    if not pattern or pattern == r"[\S\s]*":
        return lambda _: []

    longest = max(shape.metadata.get("max", math.inf), _MOST_MATCHED)

    def broken(value: Any) -> list[str]:
        if len(value) > longest or compiled(pattern).fullmatch(value):
            return []
        return [_pattern_text(shape)]

    return broken


def _limit_texts(shape: Shape, what: str) -> list[str]:
    metadata = shape.metadata
    return [
        _limit_text(word, what, metadata[limit])
        for word, limit in (("less", "max"), ("greater", "min"))
        if limit in metadata
    ]


def _limit_text(word: str, what: str, limit: float) -> str:
    return f"Member must have {what} {word} than or equal to {limit}"


def _enum_text(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.metadata['enum'])}]"


def _pattern_text(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.metadata['pattern']}"


def _each(whose: str, limits: Sequence[str]) -> str:
    return f"{whose} must satisfy constraint: [{', '.join(limits)}]"


def _failure(value: Any, path: str, constraint: str) -> str:
    if value is None:
        return f"Value null at '{path}' failed to satisfy constraint: {constraint}"
    shown = _shown(value)
    if len(shown) > _MOST_SHOWN:
        shown = shown[:_MOST_SHOWN] + "…"
    return f"Value '{shown}' at '{path}' failed to satisfy constraint: {constraint}"


def _shown(value: Any) -> str:
    """Return a value as Java prints it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _require_type(shape: Shape, value: Any, path: str) -> None:
    kind = shape.type_name
    if isinstance(value, bool):
        is_right = kind == "boolean"
    elif isinstance(value, str):
        is_right = kind == "string"
    elif isinstance(value, int):
        bits = _WHOLE_NUMBERS.get(kind, 63)
        is_right = kind not in {"string", "boolean"} and -(1 << bits) <= value < 1 << bits
    elif isinstance(value, float):
        is_right = kind in _FRACTIONS and math.isfinite(value)
    else:
        is_right = False
    if not is_right:
        raise _unconvertible(value, _CLASSES[kind], path)


def _unconvertible(value: Any, target: str, path: str) -> SerializationError:
    if isinstance(value, (list, Mapping)):
        start = "list" if isinstance(value, list) else "structure or map"
        return SerializationError(f"Start of {start} found where not expected, at '{path}'")
    token = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    if isinstance(value, bool):
        token = "TRUE_VALUE" if value else "FALSE_VALUE"
    return SerializationError(f"{token} can not be converted to {target}, at '{path}'")


def _unexpected(value: Any, expected: str, path: str) -> SerializationError:
    where = f"at '{path}'" if path else "as the request"
    if isinstance(value, (list, Mapping)):
        start = "list" if isinstance(value, list) else "structure or map"
        return SerializationError(f"Start of {start} found where not expected, {where}")
    return SerializationError(f"Unexpected value {where}: expected the start of a {expected}")
