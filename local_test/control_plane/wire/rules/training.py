"""The rules of CreateTrainingJob.

Source: API reference, CreateTrainingJob; AWS docs, 'Train a Model'.  That a job which is not
serverless needs AlgorithmSpecification and ResourceConfig was in the model until serverless jobs
came; the wording is that of the model's own required members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.job import check_job
from local_test.control_plane.wire.rules.resources import check_resources
from local_test.control_plane.wire.rules.served import refuse_serverless, refuse_unserved

_NEEDED = ("AlgorithmSpecification", "ResourceConfig")


def check_training(request: Mapping[str, Any]) -> None:
    """Refuse a valid CreateTrainingJob request that breaks a documented rule.

    Raises
    ------
    ValidationError
        The first rule that is broken.
    """
    refuse_serverless(request)
    missing = [
        f"Value null at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: "
        "Member must not be null"
        for name in _NEEDED
        if name not in request
    ]
    if missing:
        noun = "error" if len(missing) == 1 else "errors"
        raise ValidationError(f"{len(missing)} validation {noun} detected: {'; '.join(missing)}")
    check_job(request)
    check_resources(request)
    refuse_unserved(request)
