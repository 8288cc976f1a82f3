"""What keeps sibling jobs from being made, found before the first of them is.

`check_job` needs no data and comes first; `check_plan` knows the folds.  Both yield the few calls
that they need (see `asking`).  Permission to create cannot be tried without creating: the first
create is refused before anything exists, and `explanations.explain_create` says why.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any

from crossfold.errors import UserError
from crossfold.request.job_request import DriverOptions
from cv_driver.siblings.api import Page, SageMakerApi
from cv_driver.siblings.asking import Call
from cv_driver.siblings.errors import CallFailed, Denied
from cv_driver.siblings.explanations import (
    INSTEAD,
    explain_call,
    explain_describe,
    explain_object,
)
from cv_driver.siblings.fold_request import (
    FoldPlan,
    choose_max_run_s,
    make_fold_request,
    output_path,
)
from cv_driver.siblings.misconfiguration import (
    check_limits,
    check_options,
    check_parent,
    refuse_foreign,
)
from cv_driver.siblings.names import FoldTry, common_part, fold_job_name, fold_of, stem
from cv_driver.siblings.parent import Parent, deadline_of
from cv_driver.siblings.wanted import JOB_NAME_VARIABLE

# Jobs of the driver's own naming whose tags are looked at: after a restart there may be many, and
# the launcher looks at each before it takes one over.
_MAX_LOOKED_AT = 5
# No fold ever gets here; to stop what does not exist shows whether stopping is allowed.
_NOBODY = FoldTry(999_999, 999)


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
    parent = Parent(described, tags, api.region, deadline_of(described, now=now))
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


def check_plan(
    api: SageMakerApi, plan: FoldPlan, indexes: Sequence[int], *, now: float
) -> Generator[Call, Any, str]:
    """Check that the folds `indexes` can be made, ended and collected; return a line about them.

    Raises
    ------
    UserError
        They cannot.
    PlatformError
        The service does not answer.
    """
    check_limits(plan, indexes)
    parent = plan.parent
    page: Page = yield from _allowed(
        parent,
        Call("list", lambda: api.list_page(common_part(parent.name))),
        "sagemaker:ListTrainingJobs",
        "list",
    )
    there = [job for job in page.jobs if fold_of(parent.name, job.name) is not None]
    for job in there[:_MAX_LOOKED_AT]:
        call = Call("tags", partial(api.tags, job.arn))
        tags = yield from _allowed(parent, call, "sagemaker:ListTags", "read the tags of")
        refuse_foreign(job.name, tags, driver=parent.name, fingerprint=plan.fingerprint)
    yield from _try_to_stop(api, parent)
    line = _announcement(plan, indexes, n_there=len(there), now=now)
    yield from _try_objects(api, plan, line)
    return line


def _allowed(parent: Parent, call: Call, action: str, verb: str) -> Generator[Call, Any, Any]:
    """Make a call that needs a permission; return its answer."""
    try:
        return (yield call)
    except CallFailed as error:
        raise explain_call(error, parent.described, action, verb) from error


def _try_to_stop(api: SageMakerApi, parent: Parent) -> Generator[Call, Any, None]:
    nobody = fold_job_name(parent.name, _NOBODY)
    try:
        yield Call("stop", lambda: api.stop(nobody))
    except Denied as error:
        raise explain_call(error, parent.described, "sagemaker:StopTrainingJob", "stop") from error
    except CallFailed:
        return  # as it should be: there is no such job


def _try_objects(api: SageMakerApi, plan: FoldPlan, line: str) -> Generator[Call, Any, None]:
    """Write the plan where the folds' results will lie, and look whether it is there."""
    parent, path = plan.parent, output_path(plan)
    uri = f"{path}/{parent.name}/preflight"
    body = f"{line}\n".encode()
    calls = (
        ("s3:PutObject", lambda: api.put_object(uri, body, kms_key=parent.output_key)),
        ("s3:GetObject", lambda: api.has_object(uri)),
    )
    for action, make in calls:
        try:
            yield Call("object", make)
        except CallFailed as error:
            raise explain_object(error, parent, uri, action) from error


def _announcement(plan: FoldPlan, indexes: Sequence[int], *, n_there: int, now: float) -> str:
    """Return the one line: what is made, on what, for how long, where it goes, and why."""
    parent, driver = plan.parent, plan.request.driver
    limit = choose_max_run_s(parent.left_s(now), driver.resources)
    request = make_fold_request(plan, FoldTry(indexes[0]), max_run_s=limit)
    resources = request["ResourceConfig"]
    first, last = (fold_job_name(parent.name, FoldTry(at)) for at in (indexes[0], indexes[-1]))
    why = "cv_launcher=sagemaker" if driver.launcher == "sagemaker" else "fold_instance_type is set"
    names = first if first == last else f"{first} … {last}"
    noun = "training job" if len(indexes) == 1 else "training jobs"
    capacity = "spot" if request["EnableManagedSpotTraining"] else "on demand"
    machine = f"{resources['InstanceCount']} × {resources['InstanceType']}"
    parts = [
        f"folds run as {len(indexes)} {noun} ({why}): {names}",
        f"each {machine}, {capacity}, at most {limit} s",
        f"output under {output_path(plan)}",
    ]
    if stem(parent.name) != parent.name:
        parts.append(f"names are cut to 63 characters, with a hash of {parent.name!r}")
    if driver.resources.keep_alive_s:
        parts.append(f"instances are kept {driver.resources.keep_alive_s} s for folds to come")
    if n_there:
        parts.append(f"{n_there} exist from an earlier start")
    if driver.region is not None and driver.region != parent.region:
        parts.append(f"hyperparameter 'region' is ignored: folds run in {parent.region}")
    return "; ".join(parts)
