"""A record's properties by the dotted names of Search: what kind they are, and their values.

It knows records by their shape in the service model, not what any of them means.  Source: API
reference, 'Filter' (``Tags.<key>``, ``Metrics.<name>``, ``HyperParameters.<name>``) and
'SearchRecord' (valid names).  A name that leads through a list has the values of all its items,
which follows from the reference's example ``InputDataConfig.ChannelName``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_test.control_plane.wire.errors import ValidationError

Kind = Literal["text", "number", "boolean", "time", "hyperparameter", "other"]
Record = Mapping[str, Any]

_KINDS: Mapping[str, Kind] = {
    "string": "text",
    "integer": "number",
    "long": "number",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "timestamp": "time",
}
_TAGS = "Tags."
_METRICS = "Metrics."
_HYPERPARAMETERS = "HyperParameters."


@dataclass(frozen=True, slots=True)
class Property:
    """One property of the records of a kind; `parts` lead to it."""

    name: str
    kind: Kind
    parts: tuple[str, ...]

    def values(self, record: Record) -> list[Any]:
        """Return the values that a record has, none where it lacks the property."""
        if self.name.startswith(_TAGS):
            return _named(record.get("Tags", ()), "Key", "Value", self.parts[1])
        if self.name.startswith(_METRICS):
            metrics = record.get("FinalMetricDataList", ())
            return _named(metrics, "MetricName", "Value", self.parts[1])
        return list(_walk(record, self.parts))


def find_property(shape: StructureShape, name: str) -> Property:
    """Return the property of that name of records of a shape.

    Raises
    ------
    ValidationError
        Such records have no such property.
    """
    if name.startswith(_TAGS) and "Tags" in shape.members:
        return Property(name, "text", ("Tags", name.removeprefix(_TAGS)))
    if name.startswith(_METRICS) and "FinalMetricDataList" in shape.members:
        return Property(name, "number", ("Metrics", name.removeprefix(_METRICS)))
    leaf, parts = _follow(shape, name.split("."), shape, name)
    is_hyperparameter = name.startswith(_HYPERPARAMETERS)
    kind = "hyperparameter" if is_hyperparameter else _KINDS.get(leaf.type_name, "other")
    return Property(name, kind, parts)


def list_item_shape(shape: StructureShape, name: str) -> StructureShape:
    """Return the shape of the items of a property that is a list of structures.

    Raises
    ------
    ValidationError
        There is no such property, or it is no such list.
    """
    found = shape.members.get(name)
    if isinstance(found, ListShape) and isinstance(found.member, StructureShape):
        return found.member
    raise ValidationError(
        f"NestedPropertyName {name!r} is no list of {shape.name}; it must be one, such as "
        "InputDataConfig."
    )


def _follow(
    top: StructureShape, parts: Sequence[str], shape: Shape, name: str
) -> tuple[Shape, tuple[str, ...]]:
    if isinstance(shape, ListShape):
        return _follow(top, parts, shape.member, name)
    if not parts:
        return shape, ()
    if isinstance(shape, MapShape):
        # Keys may have dots themselves.
        return shape.value, (".".join(parts),)
    if not isinstance(shape, StructureShape) or parts[0] not in shape.members:
        raise ValidationError(
            f"Unknown property name: {name}. {top.name} has {', '.join(top.members)}."
        )
    leaf, rest = _follow(top, parts[1:], shape.members[parts[0]], name)
    return leaf, (parts[0], *rest)


def _walk(value: Any, parts: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _walk(each, parts)
    elif not parts:
        if value is not None:
            yield value
    elif isinstance(value, Mapping) and parts[0] in value:
        yield from _walk(value[parts[0]], parts[1:])


def _named(items: Sequence[Record], key: str, value: str, name: str) -> list[Any]:
    return [each[value] for each in items if each[key] == name]
