"""The snapshot as the page is told it: what changes by itself is a record by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a snapshot whose trials stand in a list of their own, each with its search's name.

    A search of 500 trials is a quarter of a megabyte, and most of them have ended.
    """
    jobs = document["tuning_jobs"]
    return {
        **document,
        "tuning_jobs": [
            {name: value for name, value in job.items() if name != "trials"} for job in jobs
        ],
        "trials": [
            {**trial, "kind": job["name"], "name": trial["job"]}
            for job in jobs
            for trial in job["trials"]
        ],
    }
