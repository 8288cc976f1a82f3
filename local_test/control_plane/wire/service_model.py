"""The service's own description of its operations and shapes, as botocore ships it.

Source: botocore's ``sagemaker/2017-07-24/service-2.json``.  Nothing is known here of jobs.
"""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader
from botocore.model import ServiceModel


@cache
def service_model(service: str = "sagemaker") -> ServiceModel:
    """Return botocore's model of a service; it is read once."""
    description = Loader().load_service_model(service, "service-2")
    return ServiceModel(description, service_name=service)


@cache
def operation_names() -> frozenset[str]:
    """Return the names of all operations of SageMaker, served here or not."""
    return frozenset(service_model().operation_names)
