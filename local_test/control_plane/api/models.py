"""Operations on models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.api.calls import Operation
from local_test.control_plane.api.pages import page
from local_test.control_plane.api.tags import Tags, check
from local_test.control_plane.hosting.models import Models
from local_test.control_plane.hosting.record import Model
from local_test.control_plane.wire.filters import is_named_and_created
from local_test.control_plane.wire.rules.hosting import check_model

Request = dict[str, Any]
_ORDERS: dict[str, Callable[[Model], tuple[Any, str]]] = {
    "Name": lambda model: (model.name, model.name),
    "CreationTime": lambda model: (model.created, model.name),
}
_REPEATED = (
    "PrimaryContainer",
    "Containers",
    "InferenceExecutionConfig",
    "ExecutionRoleArn",
    "VpcConfig",
)


@dataclass(frozen=True, slots=True)
class ModelApi:
    """Answers requests about models."""

    models: Models
    tags: Tags

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "ListModels": self.list,
            "DeleteModel": self.delete,
        }

    def create(self, request: Request) -> Request:
        """Answer CreateModel."""
        check_model(request)
        check(request.get("Tags", ()))
        model = self.models.create(request)
        self.tags.put(model.arn, request.get("Tags", ()))
        return {"ModelArn": model.arn}

    def describe(self, request: Request) -> Request:
        """Answer DescribeModel."""
        model = self.models.get(request["ModelName"])
        return {
            "ModelName": model.name,
            "ModelArn": model.arn,
            "CreationTime": model.created,
            "EnableNetworkIsolation": bool(model.request.get("EnableNetworkIsolation", False)),
            **{name: model.request[name] for name in _REPEATED if name in model.request},
        }

    def list(self, request: Request) -> Request:
        """Answer ListModels."""
        ordered = sorted(
            (
                model
                for model in self.models.all()
                if is_named_and_created(request, model.name, model.created)
            ),
            key=_ORDERS[request.get("SortBy", "CreationTime")],
            reverse=request.get("SortOrder", "Descending") == "Descending",
        )
        given, more = page(ordered, request, lambda model: model.name)
        return {"Models": [_summary(model) for model in given], **more}

    def delete(self, request: Request) -> Request:
        """Answer DeleteModel."""
        model = self.models.delete(request["ModelName"])
        self.tags.forget(model.arn)
        return {}


def _summary(model: Model) -> Request:
    return {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}
