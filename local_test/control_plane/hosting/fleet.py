"""All that serves one endpoint configuration: its variants, their weights, who gets a request.

Source: AWS docs, 'Testing models with production variants' (a variant's share is its weight divided
by the sum of all weights; TargetVariant overrides it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.hosting.instances import (
    Instance,
    Instances,
    Outside,
    VariantPlan,
)
from local_test.control_plane.hosting.ports import PING_WITHIN_S
from local_test.control_plane.hosting.record import EndpointConfig, Model

_PING_WITHIN = "ContainerStartupHealthCheckTimeoutInSeconds"


@dataclass(slots=True)
class Variant:
    """One production variant; `weight` is what it has now and at once."""

    name: str
    weight: float
    instances: Instances
    request: dict[str, Any]


class Fleet:
    """The variants of one configuration, from the first start to the last end.

    `weights` and `counts` are values by variant that replace the configuration's.
    """

    def __init__(
        self,
        endpoint: str,
        config: EndpointConfig,
        models: Mapping[str, Model],
        outside: Outside,
        *,
        weights: Mapping[str, float],
        counts: Mapping[str, int],
    ) -> None:
        self.config_name = config.name
        self.variants = {
            each["VariantName"]: Variant(
                each["VariantName"],
                weights.get(each["VariantName"], float(each.get("InitialVariantWeight", 1.0))),
                Instances(
                    VariantPlan(
                        endpoint,
                        each["VariantName"],
                        models[each["VariantName"]],
                        float(each.get(_PING_WITHIN, PING_WITHIN_S)),
                        is_isolated=bool(config.request.get("EnableNetworkIsolation")),
                    ),
                    outside,
                    wanted=counts.get(each["VariantName"], each["InitialInstanceCount"]),
                ),
                each,
            )
            for each in config.variants
        }

    @property
    def is_ready(self) -> bool:
        """Whether every variant has as many instances that answer as it shall have."""
        return all(each.instances.is_complete for each in self.variants.values())

    @property
    def failure(self) -> str | None:
        """Why an instance failed, None where none did."""
        reasons = (each.instances.failure for each in self.variants.values())
        return next((reason for reason in reasons if reason is not None), None)

    @property
    def is_running(self) -> bool:
        """Whether anything of it runs."""
        return any(each.instances.is_running for each in self.variants.values())

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it runs any more, and all that was said has been handed on."""
        return all(each.instances.is_gone for each in self.variants.values())

    def tick(self, *, is_serving: bool) -> None:
        """Move every instance on."""
        for variant in self.variants.values():
            variant.instances.tick(is_serving=is_serving)

    def stop(self, *, drains: bool) -> None:
        """Begin to end every instance."""
        for variant in self.variants.values():
            variant.instances.stop(drains=drains)

    def pick(self, target: str | None, draw: float) -> Instance | None:
        """Return the instance that a request goes to, None where none can answer.

        Parameters
        ----------
        target : str, optional
            The variant that the request asks for.
        draw : float
            From 0 up to 1; where in the variants' weights the request falls.
        """
        if target is not None:
            return self.variants[target].instances.next()
        name = pick_variant({each.name: each.weight for each in self.variants.values()}, draw)
        return None if name is None else self.variants[name].instances.next()


def pick_variant(weights: Mapping[str, float], draw: float) -> str | None:
    """Return the name in whose share of the weights `draw` falls; None where all are 0.

    >>> pick_variant({"a": 1.0, "b": 3.0}, 0.24), pick_variant({"a": 1.0, "b": 3.0}, 0.25)
    ('a', 'b')
    """
    rest = draw * sum(weights.values())
    weighty = [(name, weight) for name, weight in weights.items() if weight > 0]
    for name, weight in weighty:
        if rest < weight:
            return name
        rest -= weight
    # By a rounding of the sum.
    return weighty[-1][0] if weighty else None
