"""One call: rate, injected faults, the model's limits, then the operation itself.

The order is the service's as far as it shows: throttling comes before anything of the request is
looked at.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.faults import Faults
from local_test.control_plane.wire.errors import InternalFailure, Throttled, UnknownOperation
from local_test.control_plane.wire.rates import Rates
from local_test.control_plane.wire.service_model import operation_names
from local_test.control_plane.wire.validation import validate

Operation = Callable[[dict[str, Any]], dict[str, Any]]
# Where a request names what it is about, for faults that are meant for one job.
_NAMES = (
    "TrainingJobName",
    "HyperParameterTuningJobName",
    "ProcessingJobName",
    "TransformJobName",
    "ModelPackageName",
    "ModelPackageGroupName",
    "EndpointName",
    "EndpointConfigName",
    "ModelName",
    "ResourceArn",
)


class LostResponse(Exception):
    """The operation was carried out; the caller shall not hear of it."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Everything that can be called."""

    operations: Mapping[str, Operation]
    rates: Rates
    faults: Faults

    def call(self, operation: str, request: object) -> dict[str, Any]:
        """Carry out one call and return the response.

        Raises
        ------
        ServiceError
            The service would refuse it, or a fault was asked for.
        LostResponse
            It was carried out, and a fault was asked for.
        """
        if operation not in operation_names():
            raise UnknownOperation(f"SageMaker has no operation {operation!r}.")
        self.rates.spend(operation)
        name = _name_in(request)
        self._refuse_on_demand(operation, name)
        validate(operation, request)
        if operation not in self.operations:
            served = ", ".join(sorted(self.operations))
            raise UnknownOperation(
                f"{operation} is not served by this control plane yet; it serves {served}."
            )
        assert isinstance(request, dict)
        # The caller's own object must not become part of a record.
        response = self.operations[operation](copy.deepcopy(request))
        if self.faults.take("lost_response", operation=operation, name=name):
            raise LostResponse(operation)
        return response

    def _refuse_on_demand(self, operation: str, name: str) -> None:
        if self.faults.take("throttle", operation=operation, name=name):
            raise Throttled("Rate exceeded")
        if self.faults.take("internal", operation=operation, name=name):
            raise InternalFailure("We encountered an internal error. Please try again.")


def _name_in(request: object) -> str:
    if not isinstance(request, Mapping):
        return ""
    return next((str(request[key]) for key in _NAMES if key in request), "")
