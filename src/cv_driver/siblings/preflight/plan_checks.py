"""What keeps the folds of a plan from being made, ended or collected as jobs.

`check_plan` yields the few calls that it needs, see `call_sequence`.  Permission to create cannot
be tried without creating: the first create is refused before anything exists, and
`explanations.explain_create` says why.
Source: API reference, CreateTrainingJob (limits of its members).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from crossfold.errors import UserError
from cv_driver.aws.api import Page, SageMakerApi
from cv_driver.aws.call_sequence import Call
from cv_driver.aws.errors import CallFailed, Denied
from cv_driver.aws.parent import Parent
from cv_driver.siblings.explanations import INSTEAD, explain_call, explain_object
from cv_driver.siblings.fold_job.names import FoldTry, common_part, fold_job_name, fold_of
from cv_driver.siblings.fold_job.plan import LEAST_RUN_S, FoldPlan, output_path
from cv_driver.siblings.fold_job.request import make_fold_request
from cv_driver.siblings.fold_job.tags import refuse_foreign
from cv_driver.siblings.preflight.announcement import announce_folds

_MAX_HYPERPARAMETERS = 100
# The launcher adds the place of the stop marker.
_ADDED_LATER = 1
# Jobs of the driver's own naming whose tags are looked at: after a restart there may be many, and
# the launcher looks at each before it takes one over.
_MAX_LOOKED_AT = 5
# No fold ever gets here; to stop what does not exist shows whether stopping is allowed.
_NOBODY = FoldTry(999_999, 999)


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
    line = announce_folds(plan, indexes, n_there=len(there), now=now)
    yield from _try_objects(api, plan, line)
    return line


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
