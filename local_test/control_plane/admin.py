"""What only a rehearsal has: a snapshot for the views, faults and spot interruptions on demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from werkzeug.wrappers import Request, Response

from local_test.control_plane.faults import Fault
from local_test.control_plane.plane import Plane
from local_test.control_plane.snapshot import snapshot
from local_test.control_plane.wire.errors import ServiceError

PREFIX = "/_plane/"


def answer(plane: Plane, request: Request) -> Response:
    """Answer one request below ``/_plane/``."""
    act = _ACTS.get((request.method, request.path.removeprefix(PREFIX)))
    if act is None:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in _ACTS)
        return _refused(404, f"{request.method} {request.path} is not served; there are {known}")
    try:
        return _json(200, act(plane, request))
    except (ServiceError, TypeError, ValueError, KeyError) as error:
        return _refused(400, str(error))


def _show_snapshot(plane: Plane, _request: Request) -> object:
    return snapshot(plane)


def _show_faults(plane: Plane, _request: Request) -> object:
    return [asdict(fault) | {"times": left} for fault, left in plane.faults.waiting()]


def _add_fault(plane: Plane, request: Request) -> object:
    plane.faults.add(Fault.from_json(_object_in(request)))
    return _show_faults(plane, request)


def _clear_faults(plane: Plane, _request: Request) -> object:
    plane.faults.clear()
    return []


def _interrupt(plane: Plane, request: Request) -> object:
    name = str(_object_in(request).get("TrainingJobName"))
    plane.interrupt(name)
    return {"interrupted": name}


_ACTS: dict[tuple[str, str], Callable[[Plane, Request], object]] = {
    ("GET", "snapshot"): _show_snapshot,
    ("GET", "faults"): _show_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "interrupt"): _interrupt,
}


def _object_in(request: Request) -> dict[str, Any]:
    value = json.loads(request.get_data())
    if not isinstance(value, dict):
        raise TypeError(f"the body is {type(value).__name__}; expected a JSON object")
    return value


def _refused(status: int, message: str) -> Response:
    return _json(status, {"message": message})


def _json(status: int, value: object) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")
