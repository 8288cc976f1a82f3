"""What CreateTrainingJob refuses, and what it accepts."""

from __future__ import annotations

from collections.abc import Mapping

from tests.control_plane.refusals import limits, rules
from tests.control_plane.service_requests import GONE, channel, metric

_NAME_PATTERN = (
    "at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression "
    "pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
)
_S3_PATTERN = "Member must satisfy regular expression pattern: (https|s3)://([^/]+)/?(.*)"

LIMITS = limits(
    "CreateTrainingJob",
    [
        ("TrainingJobName", "fold_1", _NAME_PATTERN),
        ("TrainingJobName", "fold.1", _NAME_PATTERN),
        ("TrainingJobName", "fold-", _NAME_PATTERN),
        ("TrainingJobName", "fold-1\n", _NAME_PATTERN),
        ("TrainingJobName", "a" * 64, "Member must have length less than or equal to 63"),
        ("TrainingJobName", "", "Member must have length greater than or equal to 1"),
        ("TrainingJobName", GONE, ("Value null at 'trainingJobName' failed to satisfy constraint: "
         "Member must not be null")),
        ("RoleArn", "arn:aws:iam::1234:role/Rehearsal", ("'roleArn' failed to satisfy constraint: "
         "Member must satisfy regular expression pattern: arn:aws[a-z\\-]*:iam::\\d{12}:role/?")),
        ("RoleArn", "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/Rehearsal", "regular expression pattern"),
        ("RoleArn", "arn:role", "Member must have length greater than or equal to 20"),
        ("RoleArn", GONE, "Value null at 'roleArn'"),
        ("HyperParameters", {str(n): "" for n in range(101)},
         ("at 'hyperParameters' failed to satisfy constraint: Member must have length less than or "
         "equal to 100")),
        ("HyperParameters", {"k" * 257: "1"}, ("Map keys must satisfy constraint: [Member must "
         "have length less than or equal to 256, Member must have length greater than or equal to "
         "0, Member must satisfy regular expression pattern: .*]")),
        ("HyperParameters", {"labels": "x" * 2501}, ("at 'hyperParameters' failed to satisfy "
         "constraint: Map value must satisfy constraint: [Member must have length less than or "
         "equal to 2500, Member must have length greater than or equal to 0, Member must satisfy "
         "regular expression pattern: .*]")),
        ("HyperParameters", {"a": "1", "text": "two\nlines"},
         "Value '{a=1, text=two\nlines}' at 'hyperParameters'"),
        ("HyperParameters", {"text": "old\rmac"}, "Map value must satisfy constraint"),
        ("AlgorithmSpecification.TrainingImage", "i" * 256,
         "'algorithmSpecification.trainingImage'"),
        ("AlgorithmSpecification.TrainingInputMode", "Files", ("Value 'Files' at "
         "'algorithmSpecification.trainingInputMode' failed to satisfy constraint: Member must "
         "satisfy enum value set: [Pipe, File, FastFile]")),
        ("AlgorithmSpecification.TrainingInputMode", GONE, ("Value null at "
         "'algorithmSpecification.trainingInputMode'")),
        ("AlgorithmSpecification.MetricDefinitions", [metric(f"m{n}") for n in range(41)],
         "Member must have length less than or equal to 40"),
        ("AlgorithmSpecification.MetricDefinitions.0.Name", "m" * 256,
         "'algorithmSpecification.metricDefinitions.1.member.name'"),
        ("AlgorithmSpecification.MetricDefinitions.0.Regex", "(.)" * 167,
         "Member must have length less than or equal to 500"),
        ("AlgorithmSpecification.MetricDefinitions.0.Regex", "", "greater than or equal to 1"),
        ("AlgorithmSpecification.ContainerEntrypoint", ["sh"] * 101, "less than or equal to 100"),
        ("AlgorithmSpecification.ContainerArguments", ["sh", "a" * 257],
         ("at 'algorithmSpecification.containerArguments' failed to satisfy constraint: Member "
         "must satisfy constraint: [Member must have length less than or equal to 256, ")),
        ("AlgorithmSpecification.ContainerArguments", [], "greater than or equal to 1"),
        ("InputDataConfig", [], ("at 'inputDataConfig' failed to satisfy constraint: Member must "
         "have length greater than or equal to 1")),
        ("InputDataConfig", [channel(f"c{n}") for n in range(21)], "less than or equal to 20"),
        ("InputDataConfig.1.ChannelName", "fold 1", ("Value 'fold 1' at "
         "'inputDataConfig.2.member.channelName' failed to satisfy constraint: Member must satisfy "
         "regular expression pattern: [A-Za-z0-9\\.\\-_]+")),
        ("InputDataConfig.0.ChannelName", "c" * 65, "less than or equal to 64"),
        ("InputDataConfig.0.DataSource.S3DataSource.S3Uri", "/data/train", _S3_PATTERN),
        ("InputDataConfig.0.DataSource.S3DataSource.S3Uri", "s3://b/" + "k" * 1018,
         ("'inputDataConfig.1.member.dataSource.s3DataSource.s3Uri' failed to satisfy constraint: "
         "Member must have length less than or equal to 1024")),
        ("InputDataConfig.0.DataSource.S3DataSource.S3DataDistributionType", "Sharded",
         "enum value set: [FullyReplicated, ShardedByS3Key]"),
        ("InputDataConfig.0.CompressionType", "Zip", "enum value set: [None, Gzip]"),
        ("OutputDataConfig.S3OutputPath", "data/output", _S3_PATTERN),
        ("OutputDataConfig.S3OutputPath", GONE, "Value null at 'outputDataConfig.s3OutputPath'"),
        ("OutputDataConfig.CompressionType", "gzip", "enum value set: [GZIP, NONE]"),
        ("ResourceConfig.InstanceType", "ml.t2.medium", ("Value 'ml.t2.medium' at "
         "'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum "
         "value set: [ml.m4.xlarge, ")),
        ("ResourceConfig.InstanceType", "local", "'resourceConfig.instanceType'"),
        ("ResourceConfig.InstanceCount", -1, "greater than or equal to 0"),
        ("ResourceConfig.KeepAlivePeriodInSeconds", 21_601, ("Value '21601' at "
         "'resourceConfig.keepAlivePeriodInSeconds' failed to satisfy constraint: Member must have "
         "value less than or equal to 21600")),
        ("ResourceConfig.InstanceGroups", [
            {"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": f"g{n}"}
            for n in range(6)
         ], ("'resourceConfig.instanceGroups' failed to satisfy constraint: Member must have "
         "length less than or equal to 5")),
        ("StoppingCondition.MaxRuntimeInSeconds", 0, "greater than or equal to 1"),
        ("StoppingCondition.MaxPendingTimeInSeconds", 1799, "greater than or equal to 1800"),
        ("RetryStrategy.MaximumRetryAttempts", 31, "less than or equal to 30"),
        ("Environment", {"1ST": "x"}, "Map keys must satisfy constraint"),
        ("Environment", {"TEXT": "x" * 513}, ("Map value must satisfy constraint: [Member must "
         "have length less than or equal to 512")),
        ("Tags", [{"Key": "k", "Value": "a & b"}], "Value 'a & b' at 'tags.1.member.value'"),
        ("Tags", [{"Key": f"k{n}", "Value": ""} for n in range(51)], "less than or equal to 50"),
        ("VpcConfig", {"SecurityGroupIds": ["sg-1"], "Subnets": []}, "'vpcConfig.subnets'"),
        ("VpcConfig", {"SecurityGroupIds": ["sg_1"], "Subnets": ["subnet-1"]},
         ("Value '[sg_1]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member "
         "must satisfy constraint: [")),
    ],
)  # fmt: skip

_SPOT = {"EnableManagedSpotTraining": True, "StoppingCondition.MaxWaitTimeInSeconds": 7200}
_GROUPS = {
    "ResourceConfig": {
        "VolumeSizeInGB": 5,
        "InstanceGroups": [
            {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "a"},
            {"InstanceType": "ml.m5.large", "InstanceCount": 2, "InstanceGroupName": "b"},
        ],
    }
}
_REGEX = "AlgorithmSpecification.MetricDefinitions.0.Regex"

RULES = rules(
    "CreateTrainingJob",
    [
        ("an algorithm is needed", {"AlgorithmSpecification": GONE},
         "Value null at 'algorithmSpecification'"),
        ("resources are needed", {"ResourceConfig": GONE}, "Value null at 'resourceConfig'"),
        ("neither image nor algorithm", {"AlgorithmSpecification.TrainingImage": GONE},
         "and not both; found neither."),
        ("image and algorithm", {"AlgorithmSpecification.AlgorithmName": "mine"},
         "and not both; found TrainingImage and AlgorithmName."),
        ("a metric twice", {"AlgorithmSpecification.MetricDefinitions": [metric("a"), metric("a")]},
         "Names of metric definitions must be unique; found more than once: a."),
        ("a regex that does not compile", {_REGEX: "rmse=([0-9.]+"}, "is not valid: missing )"),
        ("a regex that is too big", {_REGEX: "(a){99999999999}"}, "is not valid"),
        ("a regex without a group", {_REGEX: "rmse=[0-9.]+;"}, "has no capture group"),
        ("a channel twice", {"InputDataConfig.1.ChannelName": "train"},
         "Channel names must be unique; found more than once: train."),
        ("a channel without a source", {"InputDataConfig.0.DataSource": {}},
         "Channel 'train' must have exactly one data source; found none."),
        ("FastFile of a manifest",
         {"InputDataConfig.0.InputMode": "FastFile",
          "InputDataConfig.0.DataSource.S3DataSource.S3DataType": "ManifestFile"},
         "FastFile input mode needs S3DataType S3Prefix, not ManifestFile"),
        ("an augmented manifest in File mode",
         {"InputDataConfig.0.DataSource.S3DataSource.S3DataType": "AugmentedManifestFile"},
         "AugmentedManifestFile can only be used in Pipe input mode, not in File"),
        ("compressed in File mode", {"InputDataConfig.0.CompressionType": "Gzip"},
         "CompressionType Gzip is used only in Pipe input mode"),
        ("records in File mode", {"InputDataConfig.0.RecordWrapperType": "RecordIO"},
         "RecordWrapperType RecordIO is used only in Pipe input mode"),
        ("a file system without a VPC",
         {"InputDataConfig.0.DataSource": {"FileSystemDataSource": {
             "FileSystemId": "fs-01234567", "FileSystemAccessMode": "ro",
             "FileSystemType": "EFS", "DirectoryPath": "/train"}}}, "VpcConfig is missing"),
        ("a private registry without a VPC",
         {"AlgorithmSpecification.TrainingImageConfig": {"TrainingRepositoryAccessMode": "Vpc"}},
         "TrainingRepositoryAccessMode is Vpc, and VpcConfig is missing"),
        ("more than 28 days", {"StoppingCondition.MaxRuntimeInSeconds": 2_419_201},
         "It must be at most 2419200 (28 days)"),
        ("waiting without spot", {"StoppingCondition.MaxWaitTimeInSeconds": 7200},
         ("Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is "
         "set to true")),
        ("spot without waiting", {"EnableManagedSpotTraining": True},
         "must be present and be greater than or equal to MaxRuntimeInSeconds"),
        ("waiting for less than the run",
         {**_SPOT, "StoppingCondition.MaxWaitTimeInSeconds": 3599}, "Invalid MaxWaitTimeInSeconds"),
        ("waiting for less than the default run of a day",
         {**_SPOT, "StoppingCondition.MaxRuntimeInSeconds": GONE,
          "StoppingCondition.MaxWaitTimeInSeconds": 86_399}, "Invalid MaxWaitTimeInSeconds"),
        ("a checkpoint path that leads out", {"CheckpointConfig.LocalPath": "/opt/ml/../../etc"},
         "must be an absolute path without '..'"),
        ("a zero byte for the environment", {"Environment": {"A": "x\0y"}}, "U+0000"),
        ("no instance", {"ResourceConfig.InstanceCount": 0}, "Invalid InstanceCount 0"),
        ("no count", {"ResourceConfig.InstanceCount": GONE},
         "ResourceConfig needs InstanceType and InstanceCount, or InstanceGroups"),
        ("no volume where there is no disk", {"ResourceConfig.VolumeSizeInGB": GONE},
         "Instance type ml.m5.xlarge has no local storage; VolumeSizeInGB must be at least 1."),
        ("a key for a volume that is none",
         {"ResourceConfig.InstanceType": "ml.g5.xlarge", "ResourceConfig.VolumeKmsKeyId": "k"},
         "You can't request a VolumeKmsKeyId"),
        ("groups and a type", {**_GROUPS, "ResourceConfig.InstanceType": "ml.m5.large"},
         "must not be used together"),
        ("a group twice", {**_GROUPS, "ResourceConfig.InstanceGroups.1.InstanceGroupName": "a"},
         "InstanceGroupName must be unique"),
        ("a channel for an unknown group",
         {**_GROUPS, "InputDataConfig.0.DataSource.S3DataSource.InstanceGroupNames": ["a", "c"]},
         "names instance groups that ResourceConfig does not have: c; it has a, b."),
        ("a warm pool with spot", {**_SPOT, "ResourceConfig.KeepAlivePeriodInSeconds": 60},
         "Warm pools are not supported with managed spot training."),
        ("a warm pool of groups", {**_GROUPS, "ResourceConfig.KeepAlivePeriodInSeconds": 60},
         "Warm pools are not supported with heterogeneous clusters."),
        ("not served: Pipe", {"AlgorithmSpecification.TrainingInputMode": "Pipe"},
         "The local control plane does not serve Pipe mode (channel 'train')"),
        ("not served: a file system",
         {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
          "InputDataConfig.0.DataSource": {"FileSystemDataSource": {
              "FileSystemId": "fs-01234567", "FileSystemAccessMode": "ro",
              "FileSystemType": "EFS", "DirectoryPath": "/train"}}},
         "does not serve FileSystemDataSource (channel 'train'); use S3DataSource."),
        ("not served: an algorithm of the Marketplace",
         {"AlgorithmSpecification.TrainingImage": GONE,
          "AlgorithmSpecification.AlgorithmName": "mine"}, "does not serve AlgorithmName"),
        ("not served: serverless",
         {"ServerlessJobConfig": {"BaseModelArn": "arn:aws:sagemaker:us-east-1:aws:hub-content/h/"
          "Model/m", "JobType": "FineTuning"}}, "does not serve ServerlessJobConfig"),
    ],
)  # fmt: skip


# Requests that must pass, so that a rule that refuses everything is found out.
ACCEPTED: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "training": ("CreateTrainingJob", {}),
    "training on spot": ("CreateTrainingJob", _SPOT),
    "training on groups": ("CreateTrainingJob", _GROUPS),
    "training without channels": ("CreateTrainingJob", {"InputDataConfig": GONE}),
    "training on local disks": (
        "CreateTrainingJob",
        {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}},
    ),
    "training with a longest value": ("CreateTrainingJob", {"HyperParameters": {"k": "x" * 2500}}),
    "training with an unknown member": ("CreateTrainingJob", {"Environment.A": "two\nlines"}),
    "a name of 63": ("CreateTrainingJob", {"TrainingJobName": "a" + "-" * 61 + "z"}),
    "a regex of two groups": ("CreateTrainingJob", {_REGEX: r"rmse=(\d+(\.\d+)?)"}),
}  # fmt: skip
