"""Tags by ARN; sources: API reference, AddTags, ListTags, DeleteTags, and AWS's rules for tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.pages import page
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.wire.errors import ValidationError

_KIND = "tags"
_MOST = 50

TagList = Sequence[Mapping[str, str]]


class Tags:
    """The tags of every resource, kept over a restart."""

    def __init__(self, journal: Journal, is_known: Callable[[str], bool]) -> None:
        self._journal = journal
        self._is_known = is_known
        self._tags: dict[str, dict[str, str]] = {}

    def restore(self) -> None:
        """Load what was saved."""
        for record in self._journal.load(_KIND):
            pairs = record["tags"]
            assert isinstance(pairs, Mapping)
            self._tags[str(record["arn"])] = dict(pairs)

    def put(self, arn: str, tags: TagList) -> None:
        """Set tags of a resource beside those that it has.

        Raises
        ------
        ValidationError
            A key is reserved, or there would be more than 50.
        """
        check(tags)
        merged = self.of(arn) | {tag["Key"]: tag["Value"] for tag in tags}
        if len(merged) > _MOST:
            raise ValidationError(f"The maximum number of tags for a resource is {_MOST}.")
        self._keep(arn, merged)

    def of(self, arn: str) -> dict[str, str]:
        """Return a resource's tags in the order in which they came."""
        return dict(self._tags.get(arn, {}))

    def forget(self, arn: str) -> None:
        """Let the tags of a deleted resource go with it."""
        self._tags.pop(arn, None)
        self._journal.remove(_KIND, arn)

    def operations(self) -> dict[str, Operation]:
        """Return the functions by the operations that they answer."""
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer AddTags."""
        arn = self._known(request)
        self.put(arn, request["Tags"])
        return {"Tags": as_list(self.of(arn))}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer ListTags."""
        tags = self.of(self._known(request))
        given, more = page(as_list(tags), request, lambda tag: tag["Key"], default_size=_MOST)
        return {"Tags": given, **more}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer DeleteTags."""
        arn = self._known(request)
        gone = set(request["TagKeys"])
        self._keep(arn, {key: value for key, value in self.of(arn).items() if key not in gone})
        return {}

    def _known(self, request: Mapping[str, Any]) -> str:
        arn = str(request["ResourceArn"])
        if not self._is_known(arn):
            raise ValidationError(f"Could not find resource {arn!r}.")
        return arn

    def _keep(self, arn: str, tags: dict[str, str]) -> None:
        self._tags[arn] = tags
        self._journal.save(_KIND, arn, {"arn": arn, "tags": tags})


def check(tags: TagList) -> None:
    """Refuse keys that are AWS's own, and keys that are given twice.

    Raises
    ------
    ValidationError
        See above.
    """
    keys = [tag["Key"] for tag in tags]
    for key in keys:
        if key.lower().startswith("aws:"):
            raise ValidationError(
                f"Tag key {key!r} is not allowed: aws: prefixed tag key names are not allowed for "
                "external use."
            )
    if len(set(keys)) < len(keys):
        raise ValidationError(
            "Duplicate tag keys found. Please note that Tag keys are case sensitive."
        )


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the service's shape."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
