"""The CreateTrainingJob request of one fold: the driver's own job, changed where a fold differs.

Pure.  Cloned are image, role, channels, input mode, VPC, encryption, isolation, environment, output
path, retry strategy and spot settings; entry point and arguments never are, because a fold is the
image's ``train``.  Not cloned: checkpoint prefix, instance count, warm pool, profiler, run time.

Source: API reference, CreateTrainingJob and DescribeTrainingJob; AWS docs, "Use Managed Spot
Training", "Train Using SageMaker Managed Warm Pools", "Use Checkpoints in Amazon SageMaker".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crossfold.request.job_request import FoldResources
from cv_driver.aws.parent import Parent
from cv_driver.fold_hyperparameters import fold_hyperparameters
from cv_driver.siblings.fold_job.channels import fold_channels
from cv_driver.siblings.fold_job.names import FoldTry, fold_job_name
from cv_driver.siblings.fold_job.plan import FoldPlan, output_path, uses_spot
from cv_driver.siblings.fold_job.tags import fold_tags

FINGERPRINT = "cv_fingerprint"
READY_FOLD = "cv_ready_fold"
STOP_MARKER = "cv_stop_marker"

_Members = dict[str, Any]

_CLONED = (
    "RoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "RetryStrategy",
)
_CLONED_OF_ALGORITHM = (
    "TrainingImage",
    "AlgorithmName",
    "TrainingInputMode",
    "TrainingImageConfig",
)
_ENVIRONMENT_LEFT_OUT = ("CV_", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN")
_MAX_METRICS = 40
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
# Where the instance of the driver brings its own disk and that of a fold may not.
_DEFAULT_VOLUME_GB = 30


def make_fold_request(plan: FoldPlan, fold: FoldTry, *, max_run_s: int) -> dict[str, Any]:
    """Return the request that creates a fold's job.

    Parameters
    ----------
    plan : FoldPlan
    fold : FoldTry
    max_run_s : int
        At least 1.
    """
    parent, resources = plan.parent, plan.request.driver.resources
    name = fold_job_name(parent.name, fold)
    is_spot = uses_spot(parent, resources)
    request: _Members = {
        "TrainingJobName": name,
        "HyperParameters": _hyperparameters(plan, fold),
        "AlgorithmSpecification": _algorithm(plan),
        "OutputDataConfig": _output(plan),
        "ResourceConfig": _resources(parent, resources),
        "StoppingCondition": _stopping(parent, resources, max_run_s),
        "EnableManagedSpotTraining": is_spot,
        "ProfilerConfig": {"DisableProfiler": True},
        "Environment": _environment(parent),
        "Tags": _tags(plan, fold),
        **_present(parent.described, _CLONED),
    }
    channels = fold_channels(plan, fold.index)
    if channels:
        request["InputDataConfig"] = channels
    checkpoints = _checkpoints(plan, name)
    if checkpoints:
        request["CheckpointConfig"] = checkpoints
    return request


def _hyperparameters(plan: FoldPlan, fold: FoldTry) -> dict[str, str]:
    own = fold_hyperparameters(plan.hyperparameters, plan.request, fold.index)
    told = {FINGERPRINT: plan.whole or plan.fingerprint}
    if plan.folders is not None and fold.index in plan.folders.fingerprints:
        told = {
            FINGERPRINT: plan.folders.fingerprints[fold.index],
            READY_FOLD: plan.folders.layout,
        }
    return own | told | dict(plan.added)


def _algorithm(plan: FoldPlan) -> _Members:
    """Return the image with metric definitions, from which the service can tell a fold's score."""
    given: Mapping[str, Any] = plan.parent.described["AlgorithmSpecification"]
    definitions = list(given.get("MetricDefinitions") or ())
    if plan.objective is not None:
        name = f"validation:{plan.objective}"
        ours = {"Name": name, "Regex": f"{re.escape(name)}={_NUMBER};"}
        definitions = [ours, *(each for each in definitions if each["Name"] != name)]
    return {
        **_present(given, _CLONED_OF_ALGORITHM),
        "MetricDefinitions": definitions[:_MAX_METRICS],
    }


def _output(plan: FoldPlan) -> _Members:
    given = plan.parent.described["OutputDataConfig"]
    return {"S3OutputPath": output_path(plan), **_present(given, ("KmsKeyId",))}


def _resources(parent: Parent, resources: FoldResources) -> _Members:
    instance_type = resources.instance_type or parent.instance_type
    volume_gb = resources.volume_size_gb or parent.resources.get("VolumeSizeInGB")
    if not volume_gb and instance_type != parent.instance_type:
        volume_gb = _DEFAULT_VOLUME_GB
    members: _Members = {
        "InstanceType": instance_type,
        "InstanceCount": resources.instance_count,
        **_present(parent.resources, ("VolumeKmsKeyId",)),
    }
    if volume_gb:
        members["VolumeSizeInGB"] = volume_gb
    # For the folds that come after, the next trial's too: all that a warm pool is matched by is the
    # same for every fold.
    if resources.keep_alive_s:
        members["KeepAlivePeriodInSeconds"] = resources.keep_alive_s
    if instance_type == parent.instance_type:
        # A plan reserves one kind of instance.
        members |= _present(parent.resources, ("TrainingPlanArn",))
    return members


def _stopping(parent: Parent, resources: FoldResources, max_run_s: int) -> _Members:
    members = {"MaxRuntimeInSeconds": max_run_s}
    if uses_spot(parent, resources):
        members["MaxWaitTimeInSeconds"] = max(max_run_s, resources.max_wait_s or 0)
    given = parent.described.get("StoppingCondition") or {}
    return members | _present(given, ("MaxPendingTimeInSeconds",))


def _environment(parent: Parent) -> dict[str, str]:
    given: Mapping[str, str] = parent.described.get("Environment") or {}
    return {
        name: text for name, text in given.items() if not name.startswith(_ENVIRONMENT_LEFT_OUT)
    }


def _tags(plan: FoldPlan, fold: FoldTry) -> list[dict[str, str]]:
    tags = fold_tags(
        plan.parent.tags,
        driver=plan.parent.name,
        tuning_job=plan.parent.tuning_job,
        fold=fold,
        repeat=fold.index // plan.n_folds,
        fingerprint=plan.fingerprint,
    )
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _checkpoints(plan: FoldPlan, name: str) -> _Members:
    """Return a prefix of the fold's own, which ends in a slash: ``f1`` would read ``f10``'s.

    A fold on spot capacity gets one also where the driver has none.  It writes where checkpoints
    lie by default, so the driver's local path is not cloned.
    """
    given = plan.parent.described.get("CheckpointConfig") or {}
    if given.get("S3Uri"):
        uri = f"{given['S3Uri'].rstrip('/')}/{name}/"
        return {"S3Uri": uri}
    if uses_spot(plan.parent, plan.request.driver.resources):
        return {"S3Uri": f"{output_path(plan)}/{name}/checkpoints/"}
    return {}


def _present(members: Mapping[str, Any], names: tuple[str, ...]) -> _Members:
    """Return the members that say something; an answer repeats absent texts as empty ones."""
    return {name: members[name] for name in names if members.get(name) not in (None, "")}
