"""The variables that a container starts with, one that trains or one that serves.

Knows the request and where the plane listens, not who starts the containers.

Sources: AWS docs, "How Amazon SageMaker Provides Training Information" (the job's name and ARN, the
request's Environment), "Use Amazon SageMaker in network isolation" (no credentials);
environments of real jobs (AWS_REGION, and no AWS_DEFAULT_REGION).
"""

from __future__ import annotations

from local_test.control_plane.hosting.ports import ServerLaunch
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.training.record import TrainingJob

# Moto takes any; nobody shall mistake them for an account's.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "DUMMY-OF-THE-LOCAL-PLANE",
    "AWS_SECRET_ACCESS_KEY": "dummy-of-the-local-plane",
    "AWS_SESSION_TOKEN": "dummy-of-the-local-plane",
}


def environment(job: TrainingJob, *, endpoint: str, region: str) -> dict[str, str]:
    """Return the variables of every host of a job.

    Isolated jobs get neither credentials nor an endpoint.  Which side wins where the request's
    Environment has a name of the platform's is not documented: here the request does, but for the
    job's name and ARN.
    """
    is_isolated = bool(job.request.get("EnableNetworkIsolation"))
    return {
        **_platform(endpoint=endpoint, region=region, is_isolated=is_isolated),
        **(job.request.get("Environment") or {}),
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
    }


def server_environment(launch: ServerLaunch, *, endpoint: str, region: str) -> dict[str, str]:
    """Return the variables of a container that serves a model.

    Which ones the platform sets is not documented for hosting: these are the same as in training,
    but for the job's.
    """
    return {
        **_platform(endpoint=endpoint, region=region, is_isolated=launch.is_isolated),
        **launch.environment,
    }


def processing_environment(job: ProcessingJob, *, endpoint: str, region: str) -> dict[str, str]:
    """Return the variables of every host of a processing job; the request's win, not documented."""
    is_isolated = job.is_isolated
    platform = _platform(endpoint=endpoint, region=region, is_isolated=is_isolated)
    return {**platform, **(job.request.get("Environment") or {})}


def _platform(*, endpoint: str, region: str, is_isolated: bool) -> dict[str, str]:
    platform = {"AWS_REGION": region}
    if is_isolated:
        # Not the service's: where the network cannot be taken away, an SDK in the container would
        # find the credentials of the machine that the plane itself runs on.
        return platform | {"AWS_EC2_METADATA_DISABLED": "true"}
    return platform | {"AWS_ENDPOINT_URL": endpoint, **CREDENTIALS}
