"""All operations of the service that a plane serves, by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.endpoint_configs import EndpointConfigApi
from local_test.control_plane.api.endpoints import EndpointApi
from local_test.control_plane.api.models import ModelApi
from local_test.control_plane.api.processing import ProcessingApi
from local_test.control_plane.api.registry import RegistryApi
from local_test.control_plane.api.search import SearchApi
from local_test.control_plane.api.tags import Tags
from local_test.control_plane.api.training import TrainingApi
from local_test.control_plane.api.transform import TransformApi
from local_test.control_plane.api.tuning import TuningApi
from local_test.control_plane.clock import Clock
from local_test.control_plane.hosting.house import Hosting
from local_test.control_plane.processing.machine import ProcessingJobs
from local_test.control_plane.registry.machine import Registry
from local_test.control_plane.training.machine import TrainingJobs
from local_test.control_plane.transform.machine import TransformJobs
from local_test.control_plane.tuning.machine import TuningJobs


class Machines(Protocol):
    """What the operations act on; those of a machine that is None are not served."""

    training: TrainingJobs
    tuning: TuningJobs
    registry: Registry
    hosting: Hosting
    transform: TransformJobs | None
    processing: ProcessingJobs | None
    tags: Tags


def operations(
    machines: Machines,
    *,
    clock: Clock,
    region: str,
    lag_s: float,
    admit: Callable[[dict[str, Any]], None],
) -> dict[str, Operation]:
    """Return the operations; `lag_s` and `admit` are those of training jobs, see `TrainingApi`."""
    tags = machines.tags
    training = TrainingApi(machines.training, tags, clock, region, lag_s, admit)
    tuning = TuningApi(machines.tuning, machines.training, tags, clock, region)
    registry = RegistryApi(machines.registry, tags)
    served = training.operations() | tuning.operations() | tags.operations() | registry.operations()
    searched = {
        "TrainingJob": training.searched(),
        "HyperParameterTuningJob": tuning.searched(),
        **registry.searched(),
    }
    if machines.hosting.endpoints is not None:
        endpoints = EndpointApi(machines.hosting.endpoints, tags)
        served |= ModelApi(machines.hosting.models, tags).operations()
        served |= EndpointConfigApi(machines.hosting.configs, tags).operations()
        served |= endpoints.operations()
        searched["Endpoint"] = endpoints.searched()
    if machines.transform is not None:
        served |= TransformApi(machines.transform, tags, region).operations()
    if machines.processing is not None:
        served |= ProcessingApi(machines.processing, tags, region).operations()
    return served | SearchApi(searched).operations()
