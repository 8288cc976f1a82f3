"""What the environment of the process tells of its own training job.

Source: AWS docs, "How Amazon SageMaker Provides Training Information", "Amazon SageMaker
Environment Variables".
"""

from __future__ import annotations

from collections.abc import Mapping

from crossfold.errors import UserError

JOB_NAME_VARIABLE = "TRAINING_JOB_NAME"
_ARN_VARIABLE = "TRAINING_JOB_ARN"


def is_training_job(environ: Mapping[str, str]) -> bool:
    """Say whether this process runs in a training job of SageMaker's.

    SDK local mode gives a name, and no ARN.
    """
    return bool(environ.get(JOB_NAME_VARIABLE)) and bool(environ.get(_ARN_VARIABLE))


def region_of(environ: Mapping[str, str]) -> str:
    """Return the region that the job runs in.

    Raises
    ------
    UserError
        No variable names it.
    """
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise UserError(
            "neither AWS_REGION nor AWS_DEFAULT_REGION is set; sibling jobs need the region that "
            "they shall run in: set one, or cv_launcher=inline"
        )
    return region
