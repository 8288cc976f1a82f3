"""Which printed number counts: the tuner's objective, and its expression where it can be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossfold.errors import CrossfoldError
from crossfold.fitting.job import Job
from cv_driver.scripts.printed_scores import Objective
from cv_driver.siblings.errors import CallFailed
from cv_driver.siblings.wanted import JOB_NAME_VARIABLE, is_training_job


def find_objective(job: Job) -> Objective:
    """Return the objective, as the job's own description or the request has it.

    Raises
    ------
    UserError
        The job's expression for it is none.
    """
    name = job.request.tuning_objective
    definitions = _definitions(job)
    if name is None and len(definitions) == 1:
        # One metric of a job that no tuner started is the one that counts.
        (name,) = definitions
    objective = Objective(name, None if name is None else definitions.get(name))
    objective.pattern()
    job.log(f"a fold's score is the last that the script prints: {objective.described}")
    return objective


def _definitions(job: Job) -> dict[str, str]:
    """Return the job's MetricDefinitions by name; empty where they cannot be known."""
    if not is_training_job(job.environ):
        return {}
    from cv_driver.sagemaker_api import connect

    try:
        described = connect(job.environ).describe(job.environ[JOB_NAME_VARIABLE])
    except (CallFailed, CrossfoldError, ImportError, OSError, ValueError) as error:
        job.log(f"the job's MetricDefinitions cannot be read ({error})")
        return {}
    return definitions_of(described)


def definitions_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Return MetricDefinitions of DescribeTrainingJob's answer: name → expression."""
    specification = described.get("AlgorithmSpecification") or {}
    entries = specification.get("MetricDefinitions") or []
    return {str(entry["Name"]): str(entry["Regex"]) for entry in entries}
