"""What is wrong with the driver's own job, or with what was said about its folds' jobs.

Needs no data and comes first.  `check_job` yields the two calls that it needs, see `call_sequence`.
Source: API reference, CreateTrainingJob, StoppingCondition (limits of their members); AWS docs,
"Train Using SageMaker Managed Warm Pools".
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import Any

from crossfold.errors import UserError
from crossfold.request.job_request import DriverOptions
from cv_driver.aws.api import SageMakerApi
from cv_driver.aws.call_sequence import Call
from cv_driver.aws.environment import JOB_NAME_VARIABLE
from cv_driver.aws.errors import CallFailed
from cv_driver.aws.parent import Parent, make_parent
from cv_driver.siblings.explanations import INSTEAD, explain_call, explain_describe
from cv_driver.siblings.fold_job.plan import LEAST_RUN_S, RESERVE_S, uses_spot

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
_S3_PREFIX = re.compile(r"s3://[^/]+(/.*)?")


def check_job(
    api: SageMakerApi, environ: Mapping[str, str], driver: DriverOptions, *, now: float, routes: str
) -> Generator[Call, Any, Parent]:
    """Check the driver's own job, and what was said about its folds; two calls.

    Parameters
    ----------
    api : SageMakerApi
    environ : mapping
    driver : DriverOptions
    now : float
        Seconds since 1970.
    routes : str
        Content of ``/proc/net/route``, which tells the subnets of the host; may be empty.

    Raises
    ------
    UserError
        Something is set up so that sibling jobs cannot be.
    PlatformError
        The service does not answer.
    """
    job_name = own_job_name(environ)
    check_options(driver)
    try:
        described = yield Call("describe", lambda: api.describe(job_name))
    except CallFailed as error:
        raise explain_describe(error, job_name, api.region, routes) from error
    try:
        tags = yield Call("tags", lambda: api.tags(described["TrainingJobArn"]))
    except CallFailed as error:
        raise explain_call(error, described, "sagemaker:ListTags", "read the tags of") from error
    parent = make_parent(described, tags, api.region, now=now)
    check_parent(parent, driver, now)
    return parent


def own_job_name(environ: Mapping[str, str]) -> str:
    """Return the name of the training job that this process runs in.

    Raises
    ------
    UserError
        It runs in none.
    """
    job_name = environ.get(JOB_NAME_VARIABLE)
    if not job_name:
        raise UserError(
            f"environment variable {JOB_NAME_VARIABLE} is not set, so this is no SageMaker "
            f"training job; cv_launcher=sagemaker works inside of one only: {INSTEAD} or process"
        )
    return job_name


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
