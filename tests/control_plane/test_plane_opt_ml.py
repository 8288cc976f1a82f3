"""The tree and the variables of a job's hosts, held against documented examples and real jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_test.control_plane.hosts.cluster import host_names, instance_groups
from local_test.control_plane.hosts.environment import environment
from local_test.control_plane.hosts.opt_ml import (
    belongs,
    build_launch,
    build_opt_ml,
    checkpoint_folder,
)
from local_test.control_plane.training.ports import ClientFault, Host
from local_test.control_plane.training.record import TrainingJob

# Of a real job of December 2025.
REAL_RESOURCES = (
    '{"current_group_name":"homogeneousCluster","current_host":"algo-1",'
    '"current_instance_type":"ml.c5.xlarge","hosts":["algo-1"],"instance_groups":'
    '[{"hosts":["algo-1"],"instance_group_name":"homogeneousCluster",'
    '"instance_type":"ml.c5.xlarge"}],"network_interface_name":"eth0","topology":null}'
)
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/demo"
URI = "s3://secret-bucket/train"


def job(**request: Any) -> TrainingJob:
    algorithm = {"TrainingImage": "image:1", "TrainingInputMode": "File"}
    defaults = {
        "TrainingJobName": "demo",
        "AlgorithmSpecification": algorithm | request.pop("algorithm", {}),
        "ResourceConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
    }
    return TrainingJob("demo", ARN, defaults | request, created=1.0, modified=1.0)


def channel(name: str, **own: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": URI} | own.pop("source", {})
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}} | own


def config(host: Host, name: str) -> Any:
    return json.loads((host.opt_ml / "input" / "config" / name).read_text(encoding="utf-8"))


def test_resources_are_those_of_a_real_job(tmp_path: Path) -> None:
    (host,) = build_opt_ml(job(), tmp_path)

    assert config(host, "resourceconfig.json") == json.loads(REAL_RESOURCES)


def test_hyperparameters_are_passed_on_as_they_are(tmp_path: Path) -> None:
    sent = {"_tuning_objective_metric": "validation:rmse", "name": '"Größe"', "eta": "1e-05"}

    (host,) = build_opt_ml(job(HyperParameters=sent), tmp_path)

    assert config(host, "hyperparameters.json") == sent


def test_a_job_without_hyperparameters_or_channels_has_empty_files(tmp_path: Path) -> None:
    (host,) = build_opt_ml(job(), tmp_path)

    assert config(host, "hyperparameters.json") == {}
    assert config(host, "inputdataconfig.json") == {}


def test_channels_show_documented_keys_and_never_where_data_come_from(tmp_path: Path) -> None:
    channels = [
        channel(
            "train", ContentType="text/csv", source={"S3DataDistributionType": "ShardedByS3Key"}
        ),
        channel("a.b-c_d", InputMode="FastFile", RecordWrapperType="RecordIO"),
        {"ChannelName": "efs", "DataSource": {"FileSystemDataSource": {"FileSystemId": "fs-1"}}},
    ]

    (host,) = build_opt_ml(job(InputDataConfig=channels), tmp_path)

    file = {"TrainingInputMode": "File"}
    assert config(host, "inputdataconfig.json") == {
        "train": {
            **file,
            "S3DistributionType": "ShardedByS3Key",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        },
        "a.b-c_d": {
            **file,
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "RecordIO",
        },
        "efs": {**file, "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"},
    }
    data = host.opt_ml / "input" / "data"
    assert sorted(each.name for each in data.iterdir()) == ["a.b-c_d", "efs", "train"]


def test_a_pipe_channel_says_so(tmp_path: Path) -> None:
    (host,) = build_opt_ml(
        job(algorithm={"TrainingInputMode": "Pipe"}, InputDataConfig=[channel("train")]), tmp_path
    )

    assert config(host, "inputdataconfig.json")["train"]["TrainingInputMode"] == "Pipe"


def test_hosts_are_sorted_as_text_and_each_knows_itself(tmp_path: Path) -> None:
    many = job(ResourceConfig={"InstanceType": "ml.c5.xlarge", "InstanceCount": 11})

    hosts = build_opt_ml(many, tmp_path)

    names = ["algo-1", "algo-10", "algo-11", *(f"algo-{n}" for n in range(2, 10))]
    assert [host.name for host in hosts] == names
    for host in hosts:
        resources = config(host, "resourceconfig.json")
        assert (resources["current_host"], resources["hosts"]) == (host.name, names)


MIXED = {
    "InstanceGroups": [
        {"InstanceGroupName": "one", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "two", "InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2},
    ]
}


def test_groups_are_those_of_the_documented_heterogeneous_cluster(tmp_path: Path) -> None:
    """Group 1 has algo-2, group 2 has algo-3 and algo-1."""
    mixed = job(ResourceConfig=MIXED)

    hosts = build_opt_ml(mixed, tmp_path)

    assert host_names(mixed) == ("algo-1", "algo-2", "algo-3")
    seen = config(hosts[0], "resourceconfig.json")
    assert [each["hosts"] for each in seen["instance_groups"]] == [["algo-2"], ["algo-3", "algo-1"]]
    current = ("current_host", "current_group_name", "current_instance_type")
    assert [[config(h, "resourceconfig.json")[key] for key in current] for h in hosts] == [
        ["algo-1", "two", "ml.g4dn.xlarge"],
        ["algo-2", "one", "ml.c5.xlarge"],
        ["algo-3", "two", "ml.g4dn.xlarge"],
    ]


def test_a_channel_of_one_group_is_not_on_the_others_hosts(tmp_path: Path) -> None:
    only = channel("train", source={"InstanceGroupNames": ["one"]})
    mixed = job(ResourceConfig=MIXED, InputDataConfig=[only, channel("all")])

    hosts = build_opt_ml(mixed, tmp_path)

    found = {host.name: sorted(config(host, "inputdataconfig.json")) for host in hosts}
    assert found == {"algo-1": ["all"], "algo-2": ["all", "train"], "algo-3": ["all"]}
    assert not (hosts[0].opt_ml / "input" / "data" / "train").exists()
    assert [belongs(only, group) for group in instance_groups(mixed)] == [True, False]


def test_files_that_nobody_documents_are_there(tmp_path: Path) -> None:
    checkpoints = {"S3Uri": "s3://bucket/checkpoints"}

    (with_them,) = build_opt_ml(job(CheckpointConfig=checkpoints), tmp_path / "with")
    (without,) = build_opt_ml(job(), tmp_path / "without")

    names, fewer = (
        {path.name for path in (host.opt_ml / "input" / "config").iterdir()}
        for host in (with_them, without)
    )
    undocumented = {
        "init-config.json",
        "trainingjobconfig.json",
        "metric-definition-regex.json",
        "upstreamoutputdataconfig.json",
        "debughookconfig.json",
        "profilerconfig.json",
    }
    assert undocumented < fewer
    assert names - fewer == {"checkpointconfig.json"}


def test_folders_for_results_are_there_and_empty(tmp_path: Path) -> None:
    (host,) = build_opt_ml(job(), tmp_path)

    for name in ("model", "output/data", "checkpoints", "input/data"):
        assert list((host.opt_ml / name).iterdir()) == []
    assert not (host.opt_ml / "output" / "failure").exists()


def test_an_earlier_attempts_tree_is_gone_and_its_log_stays(tmp_path: Path) -> None:
    (host,) = build_opt_ml(job(), tmp_path)
    (host.opt_ml / "output" / "failure").write_text("old", encoding="utf-8")
    host.log.write_text("old\n", encoding="utf-8")

    again = build_opt_ml(job(), tmp_path)

    assert again == (host,)
    assert not (host.opt_ml / "output" / "failure").exists()
    assert host.log.read_text(encoding="utf-8") == "old\n"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "checkpoints"),
        ({"LocalPath": "/opt/ml/checkpoints/"}, "checkpoints"),
        ({"LocalPath": "/opt/ml/my/place"}, "my/place"),
    ],
)
def test_checkpoints_lie_where_the_request_says(
    tmp_path: Path, asked: dict[str, str], expected: str
) -> None:
    asking = job(CheckpointConfig={"S3Uri": "s3://bucket/x"} | asked)

    (host,) = build_opt_ml(asking, tmp_path)

    assert checkpoint_folder(asking, host) == host.opt_ml / expected
    assert (host.opt_ml / expected).is_dir()
    assert checkpoint_folder(job(), host) is None


@pytest.mark.parametrize("asked", ["/data", "/opt/ml", "/opt/ml/../../etc", "/opt/mlx", "relative"])
def test_checkpoints_outside_of_the_tree_are_refused(tmp_path: Path, asked: str) -> None:
    asking = job(CheckpointConfig={"S3Uri": "s3://bucket/x", "LocalPath": asked})

    with pytest.raises(ClientFault, match="below /opt/ml only"):
        build_opt_ml(asking, tmp_path)


def test_a_launch_says_what_the_request_said(tmp_path: Path) -> None:
    asking = job(
        algorithm={"ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", "true"]},
        InputDataConfig=[channel("train"), channel("fast", InputMode="FastFile")],
        EnableNetworkIsolation=True,
    )
    hosts = build_opt_ml(asking, tmp_path)

    launch = build_launch(asking, hosts, {"A": "1"}, attempt=3)

    assert (launch.job_name, launch.attempt, launch.image) == ("demo", 3, "image:1")
    assert (launch.entrypoint, launch.arguments) == (("/bin/bash",), ("-c", "true"))
    assert (launch.hosts, launch.environment) == (hosts, {"A": "1"})
    assert launch.read_only == ("input/data/fast",)
    assert launch.is_isolated is True


def test_a_job_gets_the_requests_variables_and_the_planes_address() -> None:
    asking = job(Environment={"MY": "own", "AWS_REGION": "asked", "TRAINING_JOB_NAME": "faked"})

    variables = environment(asking, endpoint="http://127.0.0.1:1", region="eu-west-1")

    assert variables.pop("AWS_SESSION_TOKEN") == variables.pop("AWS_SECRET_ACCESS_KEY")
    assert "DUMMY" in variables.pop("AWS_ACCESS_KEY_ID")
    assert variables == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "asked",
        "MY": "own",
        "TRAINING_JOB_ARN": ARN,
        "TRAINING_JOB_NAME": "demo",
    }


def test_an_isolated_job_gets_neither_credentials_nor_the_planes_address() -> None:
    asking = job(Environment={"MY": "own"}, EnableNetworkIsolation=True)

    variables = environment(asking, endpoint="http://127.0.0.1:1", region="eu-west-1")

    assert variables == {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "eu-west-1",
        "MY": "own",
        "TRAINING_JOB_ARN": ARN,
        "TRAINING_JOB_NAME": "demo",
    }
