"""Snapshots of a plane, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local_test.control_plane.view.progress import Progress
from local_test.control_plane.view.snapshot_shape import read_snapshot

T0 = 1_767_225_600.0  # 2026-01-01, 00:00:00 UTC
FOLDED = {"cv_folds": "3", "cv_emit": "running"}


def training(name: str, status: str = "InProgress", **changed: Any) -> dict[str, Any]:
    """Return a training job; live ones train."""
    return {
        "name": name,
        "status": status,
        "secondary": "Training" if status == "InProgress" else status,
        "message": "",
        "since": T0 + 2 if status == "InProgress" else T0 + 9,
        "created": T0,
        "started": T0 + 2,
        "ended": None if status == "InProgress" else T0 + 9,
        "instance_type": "ml.m5.large",
        "instance_count": 1,
        "tuning_job": None,
        "fold_of": None,
        "folds": None,
        "metrics": {},
        "failure_reason": None,
        "tags": {},
        "hyperparameters": {},
        "last_line": "",
    } | changed


def trial(number: int, status: str = "InProgress", **changed: Any) -> dict[str, Any]:
    """Return the trial of the training job ``search-<number>``; live ones train."""
    return {
        "number": number,
        "job": f"search-{number:03}",
        "values": {"eta": "0.083471230948", "max_depth": str(number)},
        "status": status,
        "secondary": "Training" if status == "InProgress" else status,
        "value": None,
        "newest": None,
        "stopped_early": False,
        "started": T0 + 2,
        "ended": None if status == "InProgress" else T0 + 9,
        "failure_reason": None,
    } | changed


def fold_job(driver: str, index: int, status: str = "InProgress", **changed: Any) -> dict[str, Any]:
    """Return the training job of one fold of another job."""
    attempt = changed.pop("attempt", 0)
    fold_of = {"driver": driver, "index": index, "attempt": attempt}
    name = f"{driver}-f{index}-r{attempt}" if attempt else f"{driver}-f{index}"
    return training(name, status, fold_of=fold_of, **changed)


def folds(*ended: int, total: int) -> dict[str, Any]:
    """Return what a driver has said of its folds, by the numbers of those that have ended."""
    scores = [{"fold": number, "value": number / 2} for number in ended]
    return {"metric": "rmse", "total": total, "scores": scores}


def resource(kind: str, name: str, status: str | None, **changed: Any) -> dict[str, Any]:
    """Return what is no training."""
    return {
        "kind": kind,
        "name": name,
        "status": status,
        "created": T0,
        "started": None,
        "ended": None,
        "failure_reason": None,
        "facts": {},
    } | changed


def tuning(trials: Sequence[Mapping[str, Any]], **changed: Any) -> dict[str, Any]:
    """Return a live tuning job ``search`` of six trials; the first with a value is the best."""
    done = [each for each in trials if each["status"] == "Completed"]
    return {
        "name": "search",
        "status": "InProgress",
        "strategy": "Bayesian",
        "objective": {"name": "validation:rmse", "type": "Minimize"},
        "max_jobs": 6,
        "max_parallel": 2,
        "best": {"job": done[0]["job"], "value": done[0]["value"]} if done else None,
        "created": T0,
        "ended": None,
        "completion_reason": None,
        "trials": list(trials),
    } | changed


def document(
    *,
    tuning_jobs: Sequence[Mapping[str, Any]] = (),
    training_jobs: Sequence[object] = (),
    resources: Sequence[object] = (),
    now: float = 12,
) -> dict[str, Any]:
    """Return a snapshot, `now` seconds after `T0`."""
    return {
        "now": T0 + now,
        "tuning_jobs": list(tuning_jobs),
        "training_jobs": list(training_jobs),
        "resources": list(resources),
    }


def seen(document: Mapping[str, Any]) -> Progress:
    """Look at one snapshot."""
    return Progress(read_snapshot(document))


def search(now: float = 12) -> dict[str, Any]:
    """Return a search of which one trial has ended, one has failed, and two run."""
    trials = [
        trial(1, "Completed", value=57.12341, newest=57.12341),
        trial(2, "Failed", failure_reason="AlgorithmError: eta is 1.5"),
        trial(3, newest=59.383861),
        trial(4, secondary="Downloading", started=None),
    ]
    jobs = [
        training(each["job"], each["status"], tuning_job="search", hyperparameters=FOLDED)
        for each in trials
    ]
    jobs[0]["metrics"] = {"validation:rmse": 57.12341, "validation:rmse_std": 1.63549}
    jobs[1]["failure_reason"] = "AlgorithmError: eta is 1.5"
    jobs[2]["folds"] = folds(1, 2, total=3)
    jobs[2]["last_line"] = "fold 2 of 3: rmse 57.57 held out (133 rows, 44 rounds, 0.03 s)"
    jobs[3]["secondary"] = "Downloading"
    jobs[3]["since"] = T0 + 1
    return document(tuning_jobs=[tuning(trials)], training_jobs=jobs, now=now)
