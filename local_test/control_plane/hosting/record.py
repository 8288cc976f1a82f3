"""Models, endpoint configurations and endpoints as data; they are JSON on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

EndpointStatus = Literal["Creating", "InService", "Updating", "RollingBack", "Failed", "Deleting"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    `request` is the validated CreateModel request; `container` is its only container, a model
    package's members put in where it names one.  `created` is in seconds since 1970.
    """

    name: str
    arn: str
    request: dict[str, Any]
    container: dict[str, Any]
    created: float


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """One endpoint configuration: the validated request, and when it came."""

    name: str
    arn: str
    request: dict[str, Any]
    created: float

    @property
    def variants(self) -> list[dict[str, Any]]:
        """The production variants as requested."""
        return list(self.request["ProductionVariants"])


@dataclass(frozen=True, slots=True)
class Deployment:
    """A configuration and, by variant, its models, all as they were when an endpoint took them."""

    config: EndpointConfig
    models: dict[str, Model]


@dataclass(slots=True)
class Endpoint:
    """One endpoint; times in seconds since 1970.

    `deployment` is what serves or is about to; `weights` and `counts` hold by variant what has
    replaced its own.
    """

    name: str
    arn: str
    deployment: Deployment
    created: float
    modified: float
    status: EndpointStatus = "Creating"
    failure_reason: str | None = None
    weights: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def config_name(self) -> str:
        """The configuration that serves or is about to."""
        return self.deployment.config.name

    @classmethod
    def from_json(cls, *, deployment: dict[str, Any], **members: Any) -> Endpoint:
        """Return what `asdict` has made a dictionary of."""
        models = {key: Model(**each) for key, each in deployment["models"].items()}
        config = EndpointConfig(**deployment["config"])
        return cls(deployment=Deployment(config, models), **members)
