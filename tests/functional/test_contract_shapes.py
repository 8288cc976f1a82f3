"""Whole jobs on every shape of the files that SageMaker and its SDKs write.

The shapes are those of real jobs and of the SDKs' local modes: keys come and go, values are null,
everything in hyperparameters.json is text, sometimes text within quotes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.paths import OptMl
from tests.datasets import cancer_rows
from tests.in_process import Here, run_here, write_job
from tests.opt_ml import run

OWN = {"num_round": "3", "cv_folds": "3"}
FULL_ENTRY = {
    "TrainingInputMode": "File",
    "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
}
REAL_2025: dict[str, Any] = {
    "current_group_name": "homogeneousCluster",
    "current_host": "algo-1",
    "current_instance_type": "ml.c5.xlarge",
    "hosts": ["algo-1"],
    "instance_groups": [
        {
            "hosts": ["algo-1"],
            "instance_group_name": "homogeneousCluster",
            "instance_type": "ml.c5.xlarge",
        }
    ],
    "network_interface_name": "eth0",
    "topology": None,
}
HOSTS: dict[str, Any] = {
    "real 2025": REAL_2025,
    "real 2022": {key: value for key, value in REAL_2025.items() if key != "topology"},
    "documented": {
        "current_host": "algo-1",
        "hosts": ["algo-1"],
        "network_interface_name": "eth0",
    },
    "SDK v2 local": {
        "current_host": "algo-1-x7k2p",
        "hosts": ["algo-1-x7k2p"],
        "network_interface_name": "eth0",
    },
    "SDK v3 local": {
        "current_host": "algo-1",
        "hosts": ["algo-1"],
        "network_interface_name": "ethwe",
    },
    "nothing known": {},
    "no file": None,
}
CHANNELS: dict[str, Any] = {
    "real": {"train": FULL_ENTRY | {"ContentType": "text/csv"}},
    "no content type": {"train": FULL_ENTRY},
    "SDK local": {"train": {"TrainingInputMode": "File"}},
    "FastFile": {"train": FULL_ENTRY | {"TrainingInputMode": "FastFile"}},
    "content type with charset": {"train": FULL_ENTRY | {"ContentType": "text/csv; charset=UTF-8"}},
    "content type of the built-ins": {"train": FULL_ENTRY | {"ContentType": "csv"}},
    "named training": {"training": FULL_ENTRY},
    "sharded on one host": {"train": FULL_ENTRY | {"S3DistributionType": "ShardedByS3Key"}},
    "other channels too": {"train": FULL_ENTRY, "code": {"TrainingInputMode": "File"}},
    "no file": None,
}


def _csv() -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in cancer_rows(90))


def _job(
    root: Path,
    *,
    own: Mapping[str, object] | None = None,
    hosts: Any = REAL_2025,
    channels: Any = CHANNELS["real"],
) -> OptMl:
    """Write a job with the files as given; None leaves a file out."""
    names = [name for name in channels or {"train": {}} if name in ("train", "training")]
    opt_ml = write_job(root, {}, {name: {"a.csv": _csv()} for name in names})
    shapes = {
        opt_ml.hyperparameters: OWN if own is None else own,
        opt_ml.resource_config: hosts,
        opt_ml.input_data_config: channels,
    }
    for path, document in shapes.items():
        path.unlink(missing_ok=True)
        if document is not None:
            path.write_text(json.dumps(document), encoding="utf-8")
    return opt_ml


def _scores(job: Here) -> list[str]:
    assert job.error is None, job.failure
    return [line for line in job.log.splitlines() if line.startswith(("train:", "validation:"))]


@pytest.fixture(scope="module")
def plain_scores(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what every job on these rows must print."""
    return _scores(run_here(_job(tmp_path_factory.mktemp("plain"))))


@pytest.mark.parametrize("shape", HOSTS)
def test_every_shape_of_resourceconfig_runs(
    tmp_path: Path, shape: str, plain_scores: list[str]
) -> None:
    assert _scores(run_here(_job(tmp_path, hosts=HOSTS[shape]))) == plain_scores


@pytest.mark.parametrize("shape", CHANNELS)
def test_every_shape_of_inputdataconfig_runs(
    tmp_path: Path, shape: str, plain_scores: list[str]
) -> None:
    assert _scores(run_here(_job(tmp_path, channels=CHANNELS[shape]))) == plain_scores


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(OWN | {"early_stopping_rounds": "None", "task": "auto"}, id="static, v2"),
        pytest.param(OWN | {"early_stopping_rounds": "null", "task": '"auto"'}, id="json, v2"),
        pytest.param(OWN | {"early_stopping_rounds": "", "standardize": "False"}, id="empty"),
        pytest.param(OWN | {"standardize": "false", "booster": '"gbtree"'}, id="quoted category"),
        pytest.param({"num_round": '"3"', "cv_folds": '"3"'}, id="quoted numbers"),
        pytest.param(OWN | {"eta": "0.30000000000000004"}, id="17 digits"),
        pytest.param(OWN | {"eta": "3e-1"}, id="exponent"),
        pytest.param(OWN | {"_tuning_objective_metric": "validation:logloss"}, id="tuner, bare"),
        pytest.param(
            OWN | {"_tuning_objective_metric": '"validation:logloss"'}, id="tuner, quoted"
        ),
        pytest.param(
            OWN
            | {
                "sagemaker_job_name": '"job-1"',
                "sagemaker_region": '"eu-west-1"',
                "sagemaker_container_log_level": "20",
                "sagemaker_estimator_class_name": '"Estimator"',
                "_unknown": "x",
            },
            id="added by SDKs",
        ),
        pytest.param(OWN | {f"_{number}": "x" for number in range(98)}, id="100 names"),
        pytest.param({"num_round": 3, "cv_folds": 3}, id="numbers, as a hand would write"),
    ],
)
def test_every_way_of_writing_hyperparameters_means_the_same(
    tmp_path: Path, own: dict[str, object], plain_scores: list[str]
) -> None:
    assert _scores(run_here(_job(tmp_path, own=own))) == plain_scores


@pytest.mark.parametrize("own", [{}, None])
def test_without_hyperparameters_the_defaults_train_once(
    tmp_path: Path, own: dict[str, str] | None
) -> None:
    opt_ml = _job(tmp_path, own={})
    if own is None:
        opt_ml.hyperparameters.unlink()

    job = run_here(opt_ml)

    rounds = [line for line in job.log.splitlines() if line.startswith("[")]
    assert len(rounds) == 100
    assert (opt_ml.model / "manifest.json").is_file()


def test_without_any_configuration_file_the_command_still_trains(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path, hosts=None, channels=None)
    opt_ml.hyperparameters.unlink()

    ended = run(opt_ml, "train")

    assert ended.code == 0, ended.log
    assert ended.manifest["complete"] is True
    assert ended.failure == ""


def test_what_the_platform_adds_beside_is_never_looked_at(
    tmp_path: Path, plain_scores: list[str]
) -> None:
    opt_ml = _job(tmp_path)
    for name in ("init-config.json", "trainingjobconfig.json", "metric-definition-regex.json"):
        (opt_ml.hyperparameters.parent / name).write_text("not JSON {", encoding="utf-8")
    # Real jobs have such a file beside the folder, and managed spot leaves markers in it.
    (opt_ml.data / "train-manifest").write_text("/opt/ml/input/data/train/a.csv\n")
    (opt_ml.channel("train") / "_SUCCESS").touch()
    (opt_ml.channel("train") / ".hidden").write_bytes(b"\xff")
    (opt_ml.channel("train") / "a.manifest").write_text("{}")
    (opt_ml.output / "metrics" / "sagemaker").mkdir(parents=True)

    assert _scores(run_here(opt_ml)) == plain_scores


def test_channels_come_from_the_file_and_not_from_the_folders(
    tmp_path: Path, plain_scores: list[str]
) -> None:
    opt_ml = _job(tmp_path)
    other = opt_ml.channel("test")
    other.mkdir()
    (other / "a.csv").write_bytes(b"\xff\xfe not to be read")

    assert _scores(run_here(opt_ml)) == plain_scores


TWO_GROUPS: dict[str, Any] = {
    "current_group_name": "b",
    "current_host": "algo-3",
    "current_instance_type": "ml.m5.large",
    "hosts": ["algo-1", "algo-2", "algo-3"],
    "instance_groups": [
        {"instance_group_name": "a", "instance_type": "ml.c5.xlarge", "hosts": ["algo-2"]},
        {"instance_group_name": "b", "instance_type": "ml.m5.large", "hosts": ["algo-3", "algo-1"]},
    ],
    "network_interface_name": "eth0",
    "topology": None,
}


@pytest.mark.parametrize("host", ["algo-2", "algo-3"])
def test_a_follower_says_who_trains_and_exits_0(tmp_path: Path, host: str) -> None:
    opt_ml = _job(tmp_path, hosts=TWO_GROUPS | {"current_host": host})

    ended = run(opt_ml)

    assert ended.code == 0
    assert f"host {host}: algo-1 trains on the replicated data" in ended.log
    assert "=" not in ended.log
    assert ended.failure == ""
    assert not opt_ml.model.exists() or not list(opt_ml.model.iterdir())
    assert not opt_ml.output_data.exists()


def test_the_leader_is_the_first_of_the_sorted_hosts(
    tmp_path: Path, plain_scores: list[str]
) -> None:
    hosts = TWO_GROUPS | {"current_host": "algo-1", "hosts": ["algo-3", "algo-1", "algo-2"]}

    assert _scores(run_here(_job(tmp_path, hosts=hosts))) == plain_scores


@pytest.mark.parametrize("host", ["algo-1", "algo-3"])
def test_shards_over_several_hosts_are_refused_on_each(tmp_path: Path, host: str) -> None:
    channels = {"train": FULL_ENTRY | {"S3DistributionType": "ShardedByS3Key"}}

    job = run_here(_job(tmp_path, hosts=TWO_GROUPS | {"current_host": host}, channels=channels))

    assert job.failure.startswith("UserError: channel 'train' is ShardedByS3Key over 3 hosts")
    assert "FullyReplicated" in job.failure


def test_the_environment_of_a_real_job_changes_nothing(
    tmp_path: Path, plain_scores: list[str]
) -> None:
    ended = run(
        _job(tmp_path),
        "train",
        TRAINING_JOB_NAME="job-1",
        TRAINING_JOB_ARN="arn:aws:sagemaker:eu-west-1:1:training-job/job-1",
        AWS_REGION="eu-west-1",
        AWS_EXECUTION_ENV="AWS_ECS_EC2",
        AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/credentials/0",
        ECS_CONTAINER_METADATA_URI="http://169.254.170.2/v3/0",
        HOSTNAME="ip-10-0-1-2.eu-west-1.compute.internal",
        NVIDIA_VISIBLE_DEVICES="void",
        DMLC_INTERFACE="eth0",
    )

    assert ended.code == 0, ended.log
    told = [line for line in ended.log.splitlines() if line.startswith(("train:", "validation:"))]
    assert told == plain_scores
