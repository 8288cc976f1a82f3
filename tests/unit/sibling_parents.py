"""Drivers' jobs of many kinds, as the control plane describes them, and plans of folds for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from crossfold.data.options import FolderLayout
from crossfold.fitting.own_folders import OwnFolders
from crossfold.folds.options import FoldOptions
from crossfold.request.job_request import DriverOptions, FoldResources, JobRequest
from cv_driver.aws.parent import Parent, deadline_of
from cv_driver.siblings.fold_job.plan import FoldPlan
from tests.control_plane.service_requests import GONE, changed, training_request
from tests.control_plane.simulated_plane import SimulatedPlane

FINGERPRINT = "0123456789abcdef0123456789abcdef"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
HYPERPARAMETERS = {"cv_folds": "5", "cv_launcher": "sagemaker", "eta": "0.3", "eval_metric": "rmse"}

# What a driver's job may have beside the plain one; each may be combined with each.
FEATURES: Mapping[str, Mapping[str, object]] = {
    "vpc": {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}},
    "keys": {"OutputDataConfig.KmsKeyId": KEY, "ResourceConfig.VolumeKmsKeyId": KEY},
    "encrypted traffic": {"EnableInterContainerTrafficEncryption": True},
    "spot": {
        "EnableManagedSpotTraining": True,
        "StoppingCondition.MaxWaitTimeInSeconds": 7200,
    },
    "no checkpoints": {"CheckpointConfig": GONE},
    "checkpoints elsewhere": {
        "CheckpointConfig": {"S3Uri": "s3://data/deep/er/", "LocalPath": "/opt/ml/kept"}
    },
    "entry point": {
        "AlgorithmSpecification.ContainerEntrypoint": ["python", "-m", "mine"],
        "AlgorithmSpecification.ContainerArguments": ["cv_driver", "--verbose"],
    },
    "private registry": {
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "AlgorithmSpecification.TrainingImageConfig": {"TrainingRepositoryAccessMode": "Vpc"},
    },
    "no metrics": {"AlgorithmSpecification.MetricDefinitions": GONE},
    "environment": {"Environment": {"CV_FOLDS": "5", "CV_X": "1", "OMP_NUM_THREADS": "2"}},
    "no environment": {"Environment": GONE},
    "no retries": {"RetryStrategy": GONE},
    "no tags": {"Tags": GONE},
    "packed": {"OutputDataConfig.CompressionType": "NONE"},
    "profiler": {"ProfilerConfig": {"S3OutputPath": "s3://data/profile"}},
    "debugger": {"DebugHookConfig": {"S3OutputPath": "s3://data/debug"}},
    "warm": {"ResourceConfig.KeepAlivePeriodInSeconds": 600},
    "fast file": {"AlgorithmSpecification.TrainingInputMode": "FastFile"},
    "shuffled": {"InputDataConfig.0.ShuffleConfig": {"Seed": 3}},
    "sharded": {
        "InputDataConfig.0.DataSource.S3DataSource.S3DataDistributionType": "ShardedByS3Key"
    },
    "no volume": {
        "ResourceConfig.InstanceType": "ml.g5.xlarge",
        "ResourceConfig.VolumeSizeInGB": GONE,
    },
    "pending": {"StoppingCondition.MaxPendingTimeInSeconds": 7200},
    "day": {"StoppingCondition": {}},
}
# These contradict each other.
APART = (
    {"spot", "warm"},
    {"keys", "no volume"},
    {"no checkpoints", "checkpoints elsewhere"},
    {"environment", "no environment"},
    {"spot", "day"},
    {"vpc", "private registry"},
)


def driver_request(*features: str, **more: object) -> dict[str, Any]:
    """Return a driver's CreateTrainingJob request with the named features."""
    request = changed(training_request(), {"ResourceConfig.InstanceCount": 1})
    for feature in features:
        request = changed(request, FEATURES[feature])
    return changed(request, {"HyperParameters": HYPERPARAMETERS, **more})


def parent_of(request: Mapping[str, Any], plane: SimulatedPlane | None = None) -> Parent:
    """Return what a driver reads of its job, which the control plane has taken."""
    plane = plane or SimulatedPlane()
    arn = plane.call("CreateTrainingJob", **request)["TrainingJobArn"]
    described = plane.call("DescribeTrainingJob", TrainingJobName=request["TrainingJobName"])
    tags = plane.call("ListTags", ResourceArn=arn)["Tags"]
    now = plane.clock.now()
    return Parent(
        described,
        {tag["Key"]: tag["Value"] for tag in tags},
        "us-east-1",
        deadline_of(described, now=now),
    )


def plan_of(
    parent: Parent,
    driver: DriverOptions | None = None,
    *,
    layout: FolderLayout | None = None,
    alone: Collection[int] = range(5),
    hyperparameters: Mapping[str, str] = HYPERPARAMETERS,
    **resources: Any,
) -> FoldPlan:
    """Return a plan of five folds, of which those in `alone` read ready folders of a layout."""
    options = driver or DriverOptions(launcher="sagemaker")
    request = JobRequest(
        mode="driver",
        folds=FoldOptions(n_folds=5, n_repeats=2),
        driver=replace(options, resources=FoldResources(**resources)),
    )
    folders = None if layout is None else OwnFolders(layout, {at: own_key(at) for at in alone})
    return FoldPlan(parent, request, hyperparameters, FINGERPRINT, 5, "rmse", folders)


def own_key(fold: int) -> str:
    """Return the fingerprint of a fold that reads its own folder alone."""
    return f"{fold:032x}"
