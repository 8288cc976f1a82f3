"""An expression of Search as a condition on one record.

It knows the operators and no resource.  Source: API reference, 'SearchExpression', 'NestedFilters',
'Filter' (operators, the value's form by the property's kind, the limits of 50 elements and of one
Contains).  Not documented: the wording of refusals but that of Contains; that comparisons are exact
in case; that a record without a property satisfies NotEquals.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from botocore.model import StructureShape

from local_test.control_plane.search.properties import (
    Property,
    Record,
    find_property,
    list_item_shape,
)
from local_test.control_plane.wire.errors import ValidationError

Condition = Callable[[Record], bool]
Compare = Callable[[Any, Any], bool]

_MOST_ELEMENTS = 50
_ORDERS: Mapping[str, Compare] = MappingProxyType(
    {
        "GreaterThan": operator.gt,
        "GreaterThanOrEqualTo": operator.ge,
        "LessThan": operator.lt,
        "LessThanOrEqualTo": operator.le,
    }
)
_TEXT_ONLY: Mapping[str, Compare] = MappingProxyType(
    {
        "Contains": lambda has, asked: asked in has,
        "In": lambda has, asked: has in [each.strip() for each in asked.split(",")],
    }
)


def condition_of(expression: Record, shape: StructureShape) -> Condition:
    """Return the condition that an expression states of records of a shape.

    Raises
    ------
    ValidationError
        It is empty or too long, or a filter names no property or does not fit its property.
    """
    elements = list(_elements(expression))
    if len(elements) > _MOST_ELEMENTS:
        raise ValidationError(
            f"SearchExpression has {len(elements)} SubExpressions, NestedFilters and Filters; at "
            f"most {_MOST_ELEMENTS} are allowed."
        )
    if sum(each.get("Operator") == "Contains" for each in elements if "Name" in each) > 1:
        raise ValidationError("'CONTAINS' operator usage limit of 1 exceeded.")
    return _expression(expression, shape)


def _elements(expression: Record) -> Iterator[Record]:
    yield from expression.get("Filters", ())
    for nested in expression.get("NestedFilters", ()):
        yield nested
        yield from nested["Filters"]
    for each in expression.get("SubExpressions", ()):
        yield each
        yield from _elements(each)


def _expression(expression: Record, shape: StructureShape) -> Condition:
    conditions = [
        *(_filter(each, shape) for each in expression.get("Filters", ())),
        *(_nested(each, shape) for each in expression.get("NestedFilters", ())),
        *(_expression(each, shape) for each in expression.get("SubExpressions", ())),
    ]
    if not conditions:
        raise ValidationError(
            "You must specify at least one subexpression, filter, or nested filter."
        )
    join = any if expression.get("Operator") == "Or" else all
    return lambda record: join(each(record) for each in conditions)


def _nested(nested: Record, shape: StructureShape) -> Condition:
    """Return the condition that one item of a list satisfies all filters."""
    name = nested["NestedPropertyName"]
    item_shape = list_item_shape(shape, name)
    conditions = []
    for each in nested["Filters"]:
        if not each["Name"].startswith(f"{name}."):
            raise ValidationError(
                f"The nested filter {each['Name']!r} must name a property of {name}, such as "
                f"{name}.{next(iter(item_shape.members))}."
            )
        own = {**each, "Name": each["Name"].removeprefix(f"{name}.")}
        conditions.append(_filter(own, item_shape))
    return lambda record: any(
        all(each(item) for each in conditions) for item in record.get(name, ())
    )


def _filter(given: Record, shape: StructureShape) -> Condition:
    found = find_property(shape, given["Name"])
    # A value without an operator asks for equality; neither asks whether the property is there.
    default = "Equals" if "Value" in given else "Exists"
    name = given.get("Operator", default)
    if name in {"Exists", "NotExists"}:
        return lambda record: bool(found.values(record)) == (name == "Exists")
    if "Value" not in given:
        raise ValidationError(f"The filter {found.name} with operator {name} needs a Value.")
    if name == "NotEquals":
        equals = _comparison(found, "Equals", given["Value"])
        return lambda record: not any(map(equals, found.values(record)))
    compare = _comparison(found, name, given["Value"])
    return lambda record: any(map(compare, found.values(record)))


def _comparison(found: Property, name: str, text: str) -> Callable[[Any], bool]:
    """Return the comparison of one value of the property with the filter's."""
    _check_operator(found, name)
    compare = _TEXT_ONLY.get(name) or _ORDERS.get(name, operator.eq)
    if name in _TEXT_ONLY or found.kind == "text":
        return lambda has: compare(has, text)
    if found.kind == "hyperparameter":
        return lambda has: _compare_hyperparameters(compare, has, text)
    asked = _READ[found.kind](found, text)
    return lambda has: compare(has, asked)


def _check_operator(found: Property, name: str) -> None:
    is_text = found.kind in {"text", "hyperparameter"}
    if name not in {"Equals", *_ORDERS, *_TEXT_ONLY}:
        raise ValidationError(f"Operator {name!r} is not one of those of Search's filters.")
    is_wrong = (
        found.kind == "other"
        or (name in _ORDERS and found.kind in {"text", "boolean"})
        or (name in _TEXT_ONLY and not is_text)
    )
    if is_wrong:
        raise ValidationError(
            f"Operator {name} is not supported for {found.name}, which is of the kind "
            f"{found.kind!r}."
        )


def _compare_hyperparameters(compare: Compare, has: str, asked: str) -> bool:
    """Compare as numbers where both are; with an integer, the value's own part counts."""
    try:
        numbers = float(has), float(asked)
        if "." not in asked and "e" not in asked.lower():
            numbers = int(numbers[0]), int(asked)
    except (ValueError, OverflowError):
        return compare is operator.eq and has == asked
    return compare(*numbers)


def _number(found: Property, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValidationError(
            f"The value {text!r} of filter {found.name} must be an integer or a decimal number."
        ) from None


def _time(found: Property, text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationError(
            f"The value {text!r} of filter {found.name} must be a time such as 2026-01-31T12:00:00."
        ) from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _boolean(found: Property, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValidationError(f"The value {text!r} of filter {found.name} must be true or false.")
    return text.lower() == "true"


_READ: Mapping[str, Callable[[Property, str], Any]] = MappingProxyType(
    {"number": _number, "time": _time, "boolean": _boolean}
)
