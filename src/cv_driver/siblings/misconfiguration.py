"""What is wrong with a request for sibling jobs, told without a call.

Source: API reference, CreateTrainingJob, StoppingCondition (limits of their members); AWS docs,
"Train Using SageMaker Managed Warm Pools".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from crossfold.errors import UserError
from crossfold.request.job_request import DriverOptions
from cv_driver.siblings.explanations import INSTEAD
from cv_driver.siblings.fold_request import (
    LEAST_RUN_S,
    RESERVE_S,
    FoldPlan,
    make_fold_request,
    uses_spot,
)
from cv_driver.siblings.names import DRIVER_TAG, FINGERPRINT_TAG, FoldTry
from cv_driver.siblings.parent import Parent

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
_S3_PREFIX = re.compile(r"s3://[^/]+(/.*)?")
_MAX_HYPERPARAMETERS = 100
# The launcher adds the place of the stop marker.
_ADDED_LATER = 1


def check_options(driver: DriverOptions) -> None:
    """Check what was said about folds' jobs by itself.

    Raises
    ------
    UserError
        A value cannot be meant.
    """
    resources = driver.resources
    kind = resources.instance_type
    if kind is not None and not _INSTANCE_TYPE.fullmatch(kind):
        nearest = f"ml.{kind}"
        hint = f"; did you mean {nearest!r}?" if _INSTANCE_TYPE.fullmatch(nearest) else ""
        raise UserError(
            f"hyperparameter 'fold_instance_type' is {kind!r}; expected a training instance type "
            f"such as 'ml.m5.xlarge'{hint}"
        )
    for name in ("output_path", "train_src", "test_src"):
        uri = getattr(driver, name)
        if uri is not None and not _S3_PREFIX.fullmatch(uri):
            raise UserError(
                f"hyperparameter {name!r} is {uri!r}; expected an S3 prefix: s3://bucket/prefix"
            )
    longest, wait = resources.max_run_s, resources.max_wait_s
    if longest is not None and wait is not None and wait < longest:
        raise UserError(
            f"hyperparameter 'fold_max_wait_s' is {wait} and 'fold_max_run_s' is {longest}; to "
            "wait for spot capacity includes the run: give at least as many seconds"
        )


def check_parent(parent: Parent, driver: DriverOptions, now: float) -> None:
    """Check whether the driver's job can have siblings such as were asked for.

    Raises
    ------
    UserError
        It cannot.
    """
    resources = driver.resources
    where = f"training job {parent.name!r}"
    if parent.is_isolated:
        raise UserError(
            f"{where} runs in network isolation and cannot call SageMaker; start it with "
            f"EnableNetworkIsolation=False, or {INSTEAD}"
        )
    if resources.keep_alive_s and parent.resources.get("InstanceGroups"):
        raise UserError(
            f"hyperparameter 'fold_keep_alive_s' is {resources.keep_alive_s}, and {where} is a "
            "heterogeneous cluster, which has no warm pools; set fold_keep_alive_s=0, or start it "
            "with InstanceType and InstanceCount in place of InstanceGroups"
        )
    if parent.n_instances > 1:
        raise UserError(
            f"{where} has {parent.n_instances} instances, of which {parent.n_instances - 1} would "
            f"idle while its folds run as jobs of their own; start it with 1, or {INSTEAD}"
        )
    is_spot = uses_spot(parent, resources)
    if resources.keep_alive_s and is_spot:
        raise UserError(
            f"hyperparameter 'fold_keep_alive_s' is {resources.keep_alive_s}, and the folds run on "
            "spot capacity, which has no warm pools; set fold_keep_alive_s=0 or fold_use_spot=false"
        )
    if resources.max_wait_s is not None and not is_spot:
        raise UserError(
            f"hyperparameter 'fold_max_wait_s' is {resources.max_wait_s}, and the folds do not run "
            "on spot capacity; set fold_use_spot=true, or remove it"
        )
    left = int(parent.left_s(now))
    if left < RESERVE_S + LEAST_RUN_S:
        raise UserError(
            f"{where} ends in {left} s by its StoppingCondition; a fold needs {LEAST_RUN_S} s and "
            f"the driver keeps {RESERVE_S} s for itself: raise MaxRuntimeInSeconds"
        )


def check_limits(plan: FoldPlan, indexes: Sequence[int]) -> None:
    """Check the number of jobs and what each would be given.

    Raises
    ------
    UserError
        A limit would be broken.
    """
    most = plan.request.driver.max_jobs
    if len(indexes) > most:
        raise UserError(
            f"{len(indexes)} folds would be {len(indexes)} training jobs; hyperparameter "
            f"'cv_max_jobs' allows {most}: raise it, lower cv_folds or cv_repeats, or {INSTEAD}"
        )
    requests = [make_fold_request(plan, FoldTry(at), max_run_s=LEAST_RUN_S) for at in indexes]
    n_given = max(len(request["HyperParameters"]) for request in requests) + _ADDED_LATER
    if n_given > _MAX_HYPERPARAMETERS:
        raise UserError(
            f"a fold would get {n_given} hyperparameters, {n_given - len(plan.hyperparameters)} "
            f"more than the driver; a training job has at most {_MAX_HYPERPARAMETERS}: remove "
            f"some, or {INSTEAD}"
        )


def refuse_foreign(
    job_name: str, tags: Mapping[str, str], *, driver: str, fingerprint: str
) -> None:
    """Refuse to take a job for one of this driver's that is not, or that read other data.

    Raises
    ------
    UserError
        The tags say so.
    """
    owner = tags.get(DRIVER_TAG)
    if owner != driver:
        seen = "it has no tag" if owner is None else f"it belongs to driver {owner!r} by its tag"
        raise UserError(
            f"training job {job_name!r} exists already and is none of driver {driver!r}: "
            f"{seen} {DRIVER_TAG!r}; job names are unique in an account and region, so start the "
            "driver under another name"
        )
    seen_fingerprint = tags.get(FINGERPRINT_TAG)
    if seen_fingerprint != fingerprint:
        raise UserError(
            f"training job {job_name!r} is of driver {driver!r} but has the fingerprint "
            f"{seen_fingerprint!r}, and this start has {fingerprint!r}: data, source code, "
            "hyperparameters or image have changed since; start the driver under another name"
        )
