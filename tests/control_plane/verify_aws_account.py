"""An AWS account for the check's tests: jobs and endpoints that change as they are looked at."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, NoCredentialsError

from local_test.verify_aws.side import Made, Side


class Account:
    """`jobs` and `endpoints` hold the statuses to come by name, the last one stays.

    What `refuses` names is asked without credentials.
    """

    def __init__(
        self,
        *,
        jobs: dict[str, list[str]] | None = None,
        endpoints: dict[str, list[str]] | None = None,
        refuses: str = "",
    ) -> None:
        self.jobs = jobs or {}
        self.endpoints = endpoints or {}
        self.objects: list[tuple[str, str]] = []
        self._refuses = refuses

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        verb, _, kind = operation.partition("_")
        if verb not in ("describe", "stop") or not kind.endswith("job"):
            raise AttributeError(operation)
        return lambda **request: getattr(self, f"_{verb}")(*request.values())

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, str]:  # noqa: N803
        return {"EndpointStatus": _next(self.endpoints, EndpointName)}

    def delete_endpoint(self, *, EndpointName: str) -> None:  # noqa: N803
        if self.endpoints[EndpointName][0] not in ("InService", "Failed"):
            raise _refusal("Cannot update in-progress endpoint")
        del self.endpoints[EndpointName]

    def get_paginator(self, operation: str) -> _Pages:
        return _Pages(self, operation)

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.objects.remove((Bucket, Key))

    def busy(self, part: str) -> list[str]:
        return [name for name, to_come in self.jobs.items() if _is_busy(part, name, to_come)]

    def listed(self, part: str, status: str) -> list[str]:
        """Return names by the statuses that they have now; a look moves them on."""
        now = {name: _next(self.jobs, name) for name in self.jobs if part in name}
        return [name for name in now if now[name] == status]

    def _describe(self, name: str) -> dict[str, str]:
        status = _next(self.jobs, name)
        kinds = ("Training", "HyperParameterTuning", "Transform", "Processing")
        return {f"{kind}JobStatus": status for kind in kinds}

    def _stop(self, name: str) -> None:
        if name == self._refuses:
            raise NoCredentialsError
        if name not in self.jobs:
            raise _refusal("Requested resource not found.")
        if self.jobs[name][0] == "InProgress":
            self.jobs[name] = ["Stopping", "Stopped"]


class _Pages:
    def __init__(self, account: Account, operation: str) -> None:
        self._account = account
        self._operation = operation

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        account = self._account
        if self._operation == "list_objects_v2":
            kept = [key for bucket, key in account.objects if bucket == asked["Bucket"]]
            yield {"Contents": [{"Key": key} for key in kept if key.startswith(asked["Prefix"])]}
        elif self._operation == "list_endpoints":
            yield {"Endpoints": [{"EndpointName": name} for name in account.endpoints]}
        else:
            # The jobs of the fake are training jobs; other kinds have none of their own.
            names = account.listed(asked["NameContains"], asked["StatusEquals"])
            kinds = ("HyperParameterTuning", "Transform", "Processing")
            yield {
                "TrainingJobSummaries": [{"TrainingJobName": name} for name in names],
                **{f"{kind}JobSummaries": [] for kind in kinds},
            }


def a_side(
    made: Made | None = None,
    account: Account | None = None,
    *,
    region: str = "us-east-1",
    times: Sequence[float] = (),
) -> Side:
    """Return the real side of an account; its clock tells `times`, and then stands."""
    clock = iter(times)
    last = 0.0

    def now() -> float:
        nonlocal last
        last = next(clock, last)
        return last

    return Side(
        name="real",
        client=lambda _service: account,
        region=region,
        account="111122223333",
        bucket="the-bucket",
        role="arn:aws:iam::111122223333:role/a",
        image="an/image",
        instance_type="ml.m5.large",
        stamp="261121143620",
        made=made or Made(Path(tempfile.gettempdir()) / "never-written.json"),
        look_s=1.0,
        now=now,
        sleep=lambda _: None,
        cancelled=threading.Event(),
    )


def _next(to_come: dict[str, list[str]], name: str) -> str:
    if name not in to_come:
        raise _refusal("Could not find it.")
    first, *later = to_come[name]
    to_come[name] = later or [first]
    return first


def _is_busy(part: str, name: str, to_come: list[str]) -> bool:
    return part in name and to_come[0] in ("InProgress", "Stopping")


def _refusal(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "Asked")
