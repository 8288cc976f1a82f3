"""One search: the records that fit, in the order that was asked for, as far as one page goes.

It knows neither the plane nor HTTP.  Source: API reference, 'Search' (LastModifiedTime, Descending
unless said otherwise).  Not documented: that records without the property come last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.model import StructureShape

from local_test.control_plane.search.expressions import condition_of
from local_test.control_plane.search.properties import Property, Record, find_property
from local_test.control_plane.wire.service_model import service_model

_SORT_BY = "LastModifiedTime"


@dataclass(frozen=True, slots=True)
class Searched:
    """Resources of one kind: `member` is their place in a SearchRecord; `records` are all of them.

    `arn` is the member of a record that holds its ARN, which no other record has.
    """

    member: str
    arn: str
    records: Callable[[], Sequence[Record]]

    @property
    def shape(self) -> StructureShape:
        """The shape of a record in the service model."""
        shape = service_model().shape_for("SearchRecord")
        assert isinstance(shape, StructureShape)
        found = shape.members[self.member]
        assert isinstance(found, StructureShape)
        return found


def find(searched: Searched, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the records that a request asks for, in its order.

    Raises
    ------
    ValidationError
        The expression or the order names what such records do not have.
    """
    shape = searched.shape
    is_asked_for = (
        condition_of(request["SearchExpression"], shape)
        if "SearchExpression" in request
        else lambda _: True
    )
    sort_by = request.get("SortBy") or _default_order(shape)
    order = find_property(shape, sort_by)
    # A description may say more than a search does.
    records = [
        {name: value for name, value in record.items() if name in shape.members}
        for record in searched.records()
    ]
    found = [record for record in records if is_asked_for(record)]
    return _in_order(found, order, is_ascending=request.get("SortOrder") == "Ascending")


def _default_order(shape: StructureShape) -> str:
    return _SORT_BY if _SORT_BY in shape.members else "CreationTime"


def _in_order(
    records: Sequence[dict[str, Any]], order: Property, *, is_ascending: bool
) -> list[dict[str, Any]]:
    having = [record for record in records if order.values(record)]
    lacking = [record for record in records if not order.values(record)]
    having.sort(key=lambda record: _key(order, record), reverse=not is_ascending)
    return [*having, *lacking]


def _key(order: Property, record: Record) -> tuple[bool, Any]:
    value = order.values(record)[0]
    is_number = isinstance(value, (int, float))
    return (is_number, value if is_number or isinstance(value, str) else str(value))
