"""Which printed number counts: the tuner's objective, and its expression where it can be known.

A fold that is a job of its own is told by its driver, as its own description holds other metrics.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crossfold.errors import CrossfoldError, UserError
from crossfold.fitting.job import Job
from cv_driver.aws.environment import JOB_NAME_VARIABLE, is_training_job
from cv_driver.aws.errors import CallFailed
from cv_driver.scripts.printed_scores import Objective

OBJECTIVE = "cv_script_objective"


def find_objective(job: Job, described: Mapping[str, Any] | None = None) -> Objective:
    """Return the objective, as the driver, the job's own description or the request has it.

    Parameters
    ----------
    job : Job
    described : mapping, optional
        DescribeTrainingJob's answer for this job; without it the service is asked.

    Raises
    ------
    UserError
        The job's expression for it is none.
    """
    told = job.request.driver.script_objective
    if told is not None:
        objective = _objective_of(told)
    else:
        definitions = _definitions(job) if described is None else definitions_of(described)
        objective = _chosen(job.request.tuning_objective, definitions)
    objective.pattern()
    job.log(f"a fold's score is the last that the script prints: {objective.described}")
    return objective


def objective_text(objective: Objective) -> str:
    """Return what a driver tells its folds.

    Every letter as it is: escaped, an expression could be longer than a hyperparameter may be.
    """
    told = {"name": objective.name, "expression": objective.expression}
    return json.dumps(told, ensure_ascii=False)


def _objective_of(text: str) -> Objective:
    try:
        told = json.loads(text)
        return Objective(told["name"], told["expression"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"hyperparameter {OBJECTIVE!r} is {text!r}, which no driver has written ({error!r}); "
            "remove it"
        ) from error


def _chosen(name: str | None, definitions: Mapping[str, str]) -> Objective:
    if name is None and len(definitions) == 1:
        # One metric of a job that no tuner started is the one that counts.
        (name,) = definitions
    return Objective(name, None if name is None else definitions.get(name))


def _definitions(job: Job) -> dict[str, str]:
    """Return the job's MetricDefinitions by name; empty where they cannot be known."""
    if not is_training_job(job.environ):
        return {}
    from cv_driver.aws.client import connect

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
