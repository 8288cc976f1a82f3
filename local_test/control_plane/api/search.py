"""The operation Search.

VisibilityConditions are ignored: every caller of the plane may see everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.pages import page
from local_test.control_plane.search.finding import Searched, find

Request = dict[str, Any]


class SearchApi:
    """Answers searches; resources that the plane does not have are never found.

    Parameters
    ----------
    searched
        What there is by the request's ``Resource``.
    """

    def __init__(self, searched: Mapping[str, Searched]) -> None:
        self._searched = searched

    def operations(self) -> dict[str, Operation]:
        """Return the functions by the operations that they answer."""
        return {"Search": self.search}

    def search(self, request: Request) -> Request:
        """Answer Search."""
        searched = self._searched.get(request["Resource"])
        # The only account is the caller's own.
        if searched is None or request.get("CrossAccountFilterOption") == "CrossAccount":
            return {"Results": [], "TotalHits": _hits(0)}
        found = find(searched, request)
        given, more = page(found, request, lambda record: str(record[searched.arn]))
        results = [{searched.member: record} for record in given]
        return {"Results": results, "TotalHits": _hits(len(found)), **more}


def _hits(count: int) -> dict[str, Any]:
    return {"Value": count, "Relation": "EqualTo"}
