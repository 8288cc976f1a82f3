"""What a probe is: a name, what it costs, and a function that observes one side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_test.verify_aws.costs import Use
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.side import Side

# Long lists of what is allowed grow with the service.
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Probe:
    """`does` says in words what it makes; `observe` makes it, waits for it and looks at it."""

    name: str
    does: str
    uses: tuple[Use, ...]
    observe: Callable[[Side], Iterable[Observation]]


def refused(side: Side, call: Callable[[], Any]) -> dict[str, str]:
    """Return what the service says of a request that it is expected to refuse."""
    try:
        call()
    except ClientError as error:
        said = error.response["Error"]
        return {"code": said["Code"], "message": side.plain(said["Message"])[:_MOST_CHARACTERS]}
    return {"code": "none", "message": "it was taken"}
