"""The result files, once more and plain, where a pipeline's steps can read them.

``output.tar.gz`` is packed; ``<S3OutputPath>/<job>/evaluation/`` is not.  Best effort: whatever
goes wrong is logged, and the job is none the worse for it.
Source: AWS docs, "JsonGet" of a ConditionStep, "ModelMetrics" of a model package.
"""

from __future__ import annotations

import time

from crossfold.errors import CrossfoldError
from crossfold.fitting.job import Job
from cv_driver.siblings.api import SageMakerApi
from cv_driver.siblings.errors import CallFailed
from cv_driver.siblings.opening import Connection, is_training_job
from cv_driver.siblings.parent import JOB_NAME_VARIABLE, Parent, deadline_of

FILES = ("evaluation.json", "cv_results.json")


def publish_results(job: Job, siblings: Connection | None) -> None:
    """Write the result files beside the job's output, on SageMaker only."""
    if not is_training_job(job.environ):
        return
    try:
        api, parent = _parent(job, siblings)
        folder = f"{parent.output_path}/{parent.name}/evaluation"
        for name in FILES:
            body = (job.opt_ml.output_data / name).read_bytes()
            api.put_object(f"{folder}/{name}", body, kms_key=parent.output_key)
    except (CallFailed, CrossfoldError, ImportError, KeyError, OSError, ValueError) as error:
        job.log(
            f"{' and '.join(FILES)} are in output.tar.gz only; they could not be written plain to "
            f"S3: {error}"
        )
        return
    job.log(f"{' and '.join(FILES)} are also in {folder}/")


def _parent(job: Job, siblings: Connection | None) -> tuple[SageMakerApi, Parent]:
    if siblings is not None:
        return siblings.world.api, siblings.parent
    from cv_driver.sagemaker_api import connect

    api, now = connect(job.environ), time.time()
    described = api.describe(job.environ[JOB_NAME_VARIABLE])
    return api, Parent(described, {}, api.region, deadline_of(described, now=now))
