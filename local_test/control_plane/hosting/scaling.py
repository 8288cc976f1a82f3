"""Other weights and counts for the fleet that serves, until it has them or has to go back.

Source: API reference, UpdateEndpointWeightsAndCapacities, DescribeEndpoint (an endpoint that fails
to scale is RollingBack).  Not documented, and chosen here: only a variant that grows is waited for,
and the first of its instances that fails undoes all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local_test.control_plane.hosting.fleet import Variant


class Scaling:
    """One change of the variants of a fleet; the weights hold at once.

    `changes` are those of the request, and name no variant that is not there.
    """

    def __init__(
        self, variants: Mapping[str, Variant], changes: Sequence[Mapping[str, Any]]
    ) -> None:
        self._before = [(each, each.weight, each.instances.wanted) for each in variants.values()]
        for change in changes:
            variant = variants[change["VariantName"]]
            instances = variant.instances
            variant.weight = float(change.get("DesiredWeight", variant.weight))
            instances.want(int(change.get("DesiredInstanceCount", instances.wanted)))
        self._growing = [
            variant for variant, _, count in self._before if variant.instances.wanted > count
        ]

    @property
    def is_done(self) -> bool:
        """Whether there are as many instances as there shall be."""
        return all(each.instances.is_complete for each in self._growing)

    @property
    def failure(self) -> str | None:
        """Why it cannot be done, None where nothing is in its way."""
        reasons = (each.instances.failure for each in self._growing)
        return next((reason for reason in reasons if reason is not None), None)

    def undo(self) -> None:
        """Go back to the weights and counts of before."""
        for variant, weight, count in self._before:
            variant.weight = weight
            variant.instances.want(count)
