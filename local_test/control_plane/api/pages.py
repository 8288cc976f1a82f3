"""Lists as the service pages them: a token goes on after the last item that was given.

The token names that item, so that jobs which come between two calls neither repeat nor hide
another; where the item has left the list since, the token's count stands in.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from local_test.control_plane.wire.errors import ValidationError

Item = TypeVar("Item")

# The default of the List operations; source: API reference.
_PAGE = 10


def page(
    ordered: Sequence[Item],
    request: Mapping[str, Any],
    name_of: Callable[[Item], str],
    *,
    default_size: int = _PAGE,
) -> tuple[list[Item], dict[str, str]]:
    """Return the page of `ordered` that a request asks for, and ``NextToken`` where more follow.

    Raises
    ------
    ValidationError
        The request's token is none of ours.
    """
    first = 0
    if "NextToken" in request:
        first = _after(request["NextToken"], [name_of(each) for each in ordered])
    end = first + request.get("MaxResults", default_size)
    given = list(ordered[first:end])
    if end >= len(ordered):
        return given, {}
    token = json.dumps([end, name_of(given[-1])]).encode()
    return given, {"NextToken": base64.urlsafe_b64encode(token).decode()}


def _after(token: str, names: Sequence[str]) -> int:
    try:
        count, name = json.loads(base64.urlsafe_b64decode(token.encode()))
        count = int(count)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValidationError("Invalid NextToken.") from error
    return names.index(name) + 1 if name in names else max(count, 0)
