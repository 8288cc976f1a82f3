"""Whether folds are jobs of their own: every driver asks, so that it imports next to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from crossfold.fitting.job import Job

JOB_NAME_VARIABLE = "TRAINING_JOB_NAME"
_ARN_VARIABLE = "TRAINING_JOB_ARN"


def is_training_job(environ: Mapping[str, str]) -> bool:
    """Say whether this process runs in a training job of SageMaker's.

    SDK local mode gives a name, and no ARN.  Source: AWS docs, "How Amazon SageMaker Provides
    Training Information".
    """
    return bool(environ.get(JOB_NAME_VARIABLE)) and bool(environ.get(_ARN_VARIABLE))


def wants_siblings(job: Job) -> bool:
    """Say whether folds shall be jobs of their own; log what ``cv_launcher=auto`` chose."""
    driver = job.request.driver
    if driver.launcher != "auto":
        return driver.launcher == "sagemaker"
    instance_type = driver.resources.instance_type
    if instance_type is None:
        return False
    if is_training_job(job.environ):
        job.log(f"cv_launcher=auto: sagemaker, as fold_instance_type is {instance_type!r}")
        return True
    job.log(
        f"cv_launcher=auto: inline; fold_instance_type={instance_type!r} has no effect outside "
        "of a SageMaker training job"
    )
    return False
