"""How many requests at once, of which size and of how many records: request, container, defaults.

Sources: AWS docs, 'Use Your Own Inference Code with Batch Transform' (``/execution-parameters``,
variables of the container) and API reference, CreateTransformJob (defaults, the limit of 100 MB for
all requests together, 0 concurrent transforms leave it to the container).  Not documented: a
container's number that breaks that limit is cut down, and an answer of another form is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from local_test.control_plane.transform.batching import Strategy

MOST_MB = 100
DEFAULT_PAYLOAD_MB = 6

_MEBIBYTE = 1 << 20
_STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
)
_DEFAULT_STRATEGY: Strategy = "MultiRecord"
_SPELLED = MappingProxyType({value: key for key, value in _STRATEGIES.items()})


@dataclass(frozen=True, slots=True)
class Execution:
    """What holds for the requests of one instance; `max_payload_mb` 0 is any size."""

    max_concurrent: int
    max_payload_mb: int
    strategy: Strategy

    @property
    def most_bytes(self) -> int | None:
        """The most bytes of one request, None without a limit."""
        return self.max_payload_mb * _MEBIBYTE or None

    def __str__(self) -> str:
        """Return what the data log says first."""
        return (
            f"MaxConcurrentTransforms={self.max_concurrent}, MaxPayloadInMB={self.max_payload_mb}, "
            f"BatchStrategy={_SPELLED[self.strategy]}"
        )


def resolve(request: Mapping[str, Any], answer: bytes | None) -> Execution:
    """Return what holds; `answer` is the body of ``/execution-parameters``, None without one."""
    offered = _offered(answer)
    strategy: Strategy
    payload = _first(request.get("MaxPayloadInMB"), offered.get("MaxPayloadInMB"))
    payload = DEFAULT_PAYLOAD_MB if payload is None else payload
    asked = request.get("MaxConcurrentTransforms") or None
    concurrent = asked or offered.get("MaxConcurrentTransforms") or 1
    if asked is None and payload:
        concurrent = max(1, min(concurrent, MOST_MB // payload))
    strategy = request.get("BatchStrategy") or offered.get("BatchStrategy") or _DEFAULT_STRATEGY
    return Execution(concurrent, payload, strategy)


def variables(request: Mapping[str, Any]) -> dict[str, str]:
    """Return what the platform tells a container: what the request says, and only that."""
    told = {"SAGEMAKER_BATCH": "true"}
    if "MaxPayloadInMB" in request:
        told["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(request["MaxPayloadInMB"])
    if "BatchStrategy" in request:
        told["SAGEMAKER_BATCH_STRATEGY"] = _SPELLED[request["BatchStrategy"]]
    if "MaxConcurrentTransforms" in request:
        told["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(request["MaxConcurrentTransforms"])
    return told


def _offered(answer: bytes | None) -> dict[str, Any]:
    try:
        offered = json.loads(answer or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(offered, dict):
        return {}
    numbers = {
        name: offered[name]
        for name in ("MaxConcurrentTransforms", "MaxPayloadInMB")
        if _is_allowed(offered.get(name))
    }
    strategy = _STRATEGIES.get(str(offered.get("BatchStrategy", "")).upper())
    return {**numbers, **({"BatchStrategy": strategy} if strategy else {})}


def _is_allowed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_MB


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
