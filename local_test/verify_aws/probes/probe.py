"""What a probe is: a name, what it costs, and a function that observes one side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from local_test.verify_aws.costs import Use
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.side import Side


@dataclass(frozen=True, slots=True)
class Probe:
    """`does` says in words what it makes; `observe` makes it, waits for it and looks at it."""

    name: str
    does: str
    uses: tuple[Use, ...]
    observe: Callable[[Side], Iterable[Observation]]
