"""What a plane is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from local_test.control_plane.training.machine import Timings


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one plane.

    `lag_s` is how far Describe and List of training jobs lag behind; `quotas` are instances by
    instance type; `image` overrides what requests name, for the Docker executor.
    """

    root: Path
    port: int = 8765
    region: str = "us-east-1"
    executor: Literal["process", "docker"] = "process"
    image: str | None = None
    docker: str = "docker"
    has_published_rates: bool = False
    lag_s: float = 0.0
    quotas: Mapping[str, int] = field(default_factory=dict)
    timings: Timings = field(default_factory=Timings)

    @property
    def endpoint(self) -> str:
        """The address that clients and containers use."""
        return f"http://127.0.0.1:{self.port}"
