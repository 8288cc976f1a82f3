"""The CreateTrainingJob request of one fold: the driver's own job, changed where a fold differs.

Pure.  Cloned are image, role, channels, input mode, VPC, encryption, isolation, environment, output
path, retry strategy and spot settings; entry point and arguments never are, because a fold is the
image's ``train``.  Not cloned: checkpoint prefix, instance count, warm pool, profiler, run time.

A fold of ready folders with held-out folders of their own gets these two alone: each channel's
prefix ends in its number, and channels that no fold is scored on are left out.  Whole stay channels
that are no plain prefix (a manifest names its objects itself, a file system has none), and those of
``train/<i>`` alone: such a fold is fitted on the folders of all others and scored on its own, which
are all files, so that nothing would be saved.

Source: API reference, CreateTrainingJob and DescribeTrainingJob; AWS docs, "Use Managed Spot
Training", "Train Using SageMaker Managed Warm Pools", "Use Checkpoints in Amazon SageMaker".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfold.data.options import FolderLayout
from crossfold.data.ready_folders import HELD_OUT_IN
from crossfold.fitting.job_data import HOLDOUTS
from crossfold.fitting.own_folders import OwnFolders
from crossfold.request.job_request import DriverOptions, FoldResources, JobRequest
from cv_driver.plan import fold_hyperparameters
from cv_driver.siblings.names import FoldTry, fold_job_name, fold_tags
from cv_driver.siblings.parent import Parent

# What the driver keeps of its own time: for the last results, scores, and a stop of all folds.
RESERVE_S = 120
# Less is over before an instance is up.
LEAST_RUN_S = 60
FINGERPRINT = "cv_fingerprint"
READY_FOLD = "cv_ready_fold"

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
_TRAIN = ("train", "training")


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """What all fold jobs of a driver have in common.

    Attributes
    ----------
    parent : Parent
    request : JobRequest
    hyperparameters : mapping
        The driver's, as they came.
    fingerprint : str
        Of everything that a fold's numbers depend on; the tag of every fold's job.
    n_folds : int
        Folds of one repetition.
    objective : str, optional
        Metric that the folds are judged by; None where only a script's output tells it.
    folders : OwnFolders, optional
        The folds that read their own ready folders alone; others get the driver's channels whole
        and cut their rows themselves.
    whole : str, optional
        What a fold that reads the channels whole computes of itself; None: `fingerprint`.
    added : mapping
        Hyperparameters of every fold beside the driver's.
    """

    parent: Parent
    request: JobRequest
    hyperparameters: Mapping[str, str]
    fingerprint: str
    n_folds: int
    objective: str | None
    folders: OwnFolders | None = None
    whole: str | None = None
    added: Mapping[str, str] = field(default_factory=dict)


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
    channels = _channels(plan, fold)
    if channels:
        request["InputDataConfig"] = channels
    checkpoints = _checkpoints(plan, name)
    if checkpoints:
        request["CheckpointConfig"] = checkpoints
    return request


def folder_prefixes(parent: Parent, driver: DriverOptions, layout: FolderLayout) -> dict[str, str]:
    """Return where the numbered folders of ready folds lie, by channel, each ending in a slash.

    Empty where no prefix says so of both channels, and so no fold can have its own alone.
    """
    channels = {each["ChannelName"]: each for each in parent.described.get("InputDataConfig") or ()}
    train = next((name for name in _TRAIN if name in channels), None)
    held_out = HELD_OUT_IN[layout]
    if train is None or held_out is None or held_out not in channels:
        return {}
    sources = {train: driver.train_src, held_out: driver.test_src} if held_out == "test" else {}
    uris = {name: sources.get(name) or _prefix(channels[name]) for name in (train, held_out)}
    found = {name: f"{uri.rstrip('/')}/" for name, uri in uris.items() if uri}
    return found if len(found) == len(uris) else {}


def output_path(plan: FoldPlan) -> str:
    """Return where fold jobs write, without a slash at the end."""
    return (plan.request.driver.output_path or plan.parent.output_path).rstrip("/")


def uses_spot(parent: Parent, resources: FoldResources) -> bool:
    """Whether fold jobs run on spot capacity."""
    return parent.uses_spot if resources.use_spot is None else resources.use_spot


def choose_max_run_s(left_s: float, resources: FoldResources) -> int:
    """Return how long a fold that is created now may run, in seconds.

    Parameters
    ----------
    left_s : float
        Until the driver's own end.
    resources : FoldResources
    """
    left = max(LEAST_RUN_S, int(left_s) - RESERVE_S)
    limits = (resources.max_run_s, resources.max_wait_s)
    return min([left, *(limit for limit in limits if limit is not None)])


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


def _channels(plan: FoldPlan, fold: FoldTry) -> list[_Members]:
    channels = [_for_one_group(each) for each in plan.parent.described.get("InputDataConfig") or ()]
    if plan.folders is None or fold.index not in plan.folders.fingerprints:
        return channels
    prefixes = folder_prefixes(plan.parent, plan.request.driver, plan.folders.layout)
    return [
        _with_uri(each, f"{prefixes[name]}{fold.index}/") if name in prefixes else each
        for each in channels
        if (name := each["ChannelName"]) in prefixes or name not in HOLDOUTS
    ]


def _for_one_group(channel: Mapping[str, Any]) -> _Members:
    """Return a channel without the instance groups of the driver, which a fold does not have."""
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        return dict(channel)
    kept = {name: value for name, value in source.items() if name != "InstanceGroupNames"}
    return {**channel, "DataSource": {"S3DataSource": kept}}


def _prefix(channel: Mapping[str, Any]) -> str | None:
    source = channel["DataSource"].get("S3DataSource") or {}
    return source.get("S3Uri") if source.get("S3DataType") == "S3Prefix" else None


def _with_uri(channel: Mapping[str, Any], uri: str) -> _Members:
    given = channel["DataSource"].get("S3DataSource") or {}
    source = {**given, "S3DataType": "S3Prefix", "S3Uri": uri}
    return {**channel, "DataSource": {"S3DataSource": source}}


def _present(members: Mapping[str, Any], names: tuple[str, ...]) -> _Members:
    """Return the members that say something; an answer repeats absent texts as empty ones."""
    return {name: members[name] for name in names if members.get(name) not in (None, "")}
