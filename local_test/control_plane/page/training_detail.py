"""What the page shows of one training job beyond the snapshot; times are seconds since 1970."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from local_test.control_plane.plane import Plane
from local_test.control_plane.training.record import Emission, TrainingJob

# A chart is a few hundred pixels wide.
_MOST_POINTS = 600


def training_detail(plane: Plane, name: str) -> dict[str, Any]:
    """Return a job's request, its course, and every value of its metrics.

    Raises
    ------
    ValidationError
        There is none of this name.
    """
    with plane.lock:
        job = plane.training.get(name)
        transitions = [asdict(each) for each in job.transitions]
        emissions = list(job.emissions)
    return {
        "name": name,
        "arn": job.arn,
        "attempt": job.attempt,
        "training_s": job.training_s,
        "billable_s": job.billable_s,
        "model": job.model_uri,
        "output": job.output_uri,
        **_asked(job),
        "transitions": transitions,
        "series": _series(emissions),
    }


def _asked(job: TrainingJob) -> dict[str, Any]:
    request = job.request
    algorithm = request["AlgorithmSpecification"]
    channels = request.get("InputDataConfig", [])
    return {
        "image": algorithm.get("TrainingImage") or algorithm.get("AlgorithmName"),
        "role": request.get("RoleArn"),
        "is_spot": bool(request.get("EnableManagedSpotTraining")),
        "max_run_s": request["StoppingCondition"].get("MaxRuntimeInSeconds"),
        "channels": {
            channel["ChannelName"]: channel.get("DataSource", {})
            .get("S3DataSource", {})
            .get("S3Uri", "")
            for channel in channels
        },
    }


def _series(emissions: list[Emission]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for each in emissions:
        found.setdefault(each.name, []).append((each.at, each.value))
    return {name: _thinned(points) for name, points in found.items()}


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep evenly many of the points, the first and the last always."""
    last = len(points) - 1
    if last < _MOST_POINTS:
        return points
    return [points[round(place * last / (_MOST_POINTS - 1))] for place in range(_MOST_POINTS)]
