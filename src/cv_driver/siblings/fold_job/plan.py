"""What all fold jobs of a driver have in common: the plan, where they write, how long they may run.

Source: API reference, StoppingCondition; AWS docs, "Use Managed Spot Training".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crossfold.fitting.own_folders import OwnFolders
from crossfold.request.job_request import FoldResources, JobRequest
from cv_driver.aws.parent import Parent

# What the driver keeps of its own time: for the last results, scores, and a stop of all folds.
RESERVE_S = 120
# Less is over before an instance is up.
LEAST_RUN_S = 60
# SageMaker kills a container 120 s after SIGTERM; what is left then has its marker and its limit.
STOP_S = 90.0


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """What all fold jobs of a driver have in common.

    Attributes
    ----------
    parent : Parent
    request : JobRequest
    hyperparameters : mapping
        The driver's, as they came.
    fingerprint : str
        Of everything that a fold's numbers depend on; the tag of every fold's job.
    n_folds : int
        Folds of one repetition.
    objective : str, optional
        Metric that the folds are judged by; None where only a script's output tells it.
    folders : OwnFolders, optional
        The folds that read their own ready folders alone; others get the driver's channels whole
        and cut their rows themselves.
    whole : str, optional
        What a fold that reads the channels whole computes of itself; None: `fingerprint`.
    added : mapping
        Hyperparameters of every fold beside the driver's.
    """

    parent: Parent
    request: JobRequest
    hyperparameters: Mapping[str, str]
    fingerprint: str
    n_folds: int
    objective: str | None
    folders: OwnFolders | None = None
    whole: str | None = None
    added: Mapping[str, str] = field(default_factory=dict)


def output_path(plan: FoldPlan) -> str:
    """Return where fold jobs write, without a slash at the end."""
    return (plan.request.driver.output_path or plan.parent.output_path).rstrip("/")


def uses_spot(parent: Parent, resources: FoldResources) -> bool:
    """Whether fold jobs run on spot capacity."""
    return parent.uses_spot if resources.use_spot is None else resources.use_spot


def choose_max_run_s(left_s: float, resources: FoldResources) -> int:
    """Return how long a fold that is created now may run, in seconds.

    Parameters
    ----------
    left_s : float
        Until the driver's own end.
    resources : FoldResources
    """
    left = max(LEAST_RUN_S, int(left_s) - RESERVE_S)
    limits = (resources.max_run_s, resources.max_wait_s)
    return min([left, *(limit for limit in limits if limit is not None)])
