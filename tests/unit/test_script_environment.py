"""The variables and arguments of a script, by hand and against sagemaker-training itself."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from train.script.environment import Situation, _question, describe_ourselves
from train.script.toolkit import ask_with

HYPERPARAMETERS = {
    "c": "0.50",
    "kernel": '"rbf"',
    "plain": "it's $(here)\n",
    "flag": "true",
    "nothing": "null",
    "list": "[1, 2.5, null]",
    "object": '{"b": {"c": 1}, "a": "x y"}',
    "nan": "NaN",
    "big": "1e400",
    "zero": "007",
    "with-dash": "1",
    "größe": '"ü"',
    "empty": "",
    "long": "[" * 2500,
    "sagemaker_program": '"train.py"',
    "sagemaker_submit_directory": '"s3://bucket/source.tar.gz"',
    "sagemaker_container_log_level": "10",
    "sagemaker_job_name": '"job-1"',
    "sagemaker_region": '"eu-west-1"',
    "sagemaker_custom": '{"x": 1}',
    "_tuning_objective_metric": '"validation:accuracy"',
}
REAL = {
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
GROUPS = {
    "current_group_name": "two",
    "current_host": "algo-3",
    "hosts": ["algo-1", "algo-2", "algo-3"],
    "instance_groups": [
        {"instance_group_name": "one", "instance_type": "ml.c5.xlarge", "hosts": ["algo-2"]},
        {"instance_group_name": "two", "instance_type": "ml.p3", "hosts": ["algo-3", "algo-1"]},
    ],
    "network_interface_name": "ethwe",
    "topology": [{"hostName": "algo-1", "capacityUnitId": "u"}],
}
LOCAL = {"current_host": "algo-1-abcde", "hosts": ["algo-1-abcde", "algo-2-fghij"]}
CHANNELS = {"train": {"TrainingInputMode": "File"}, "my-data.v2": {"ContentType": "text/csv"}}


def situation(root: Path, **changes: Any) -> Situation:
    values: dict[str, Any] = {
        "root": root,
        "program": "train.py",
        "submit_directory": "s3://bucket/source.tar.gz",
        "hyperparameters": HYPERPARAMETERS,
        "resources": REAL,
        "channels": CHANNELS,
        "environ": {"TRAINING_JOB_NAME": "job-1", "AWS_REGION": "eu-west-1"},
    }
    return Situation(**(values | changes))


def test_variables_are_as_documented(tmp_path: Path) -> None:
    """README of sagemaker-training, "Important environment variables"."""
    variables = describe_ourselves(situation(tmp_path)).variables

    assert variables["SM_MODEL_DIR"] == str(tmp_path / "model")
    assert variables["SM_CHANNELS"] == '["my-data.v2","train"]'
    assert variables["SM_CHANNEL_TRAIN"] == str(tmp_path / "input/data/train")
    assert variables["SM_CHANNEL_MY-DATA.V2"] == str(tmp_path / "input/data/my-data.v2")
    assert variables["SM_HP_C"] == "0.5"
    assert variables["SM_HP_KERNEL"] == "rbf"
    assert variables["SM_HP_WITH-DASH"] == "1"
    assert variables["SM_CURRENT_HOST"] == variables["CURRENT_HOST"] == "algo-1"
    assert variables["SAGEMAKER_REGION"] == "eu-west-1"
    assert variables["SAGEMAKER_JOB_NAME"] == "job-1"
    assert variables["SM_HOSTS"] == '["algo-1"]'
    assert variables["SM_OUTPUT_DATA_DIR"] == str(tmp_path / "output/data")
    assert variables["SM_FRAMEWORK_PARAMS"] == '{"sagemaker_custom":{"x":1}}'
    assert json.loads(variables["SM_HPS"])["plain"] == "it's $(here)\n"
    assert not {name for name in variables if "TUNING" in name or "TOPOLOGY" in name}


def test_arguments_are_as_documented(tmp_path: Path) -> None:
    given = {"b": '{"y": 2, "x": "z"}', "alpha": "1e-05", "none": "null", "list": "[1, 2]"}

    arguments = describe_ourselves(situation(tmp_path, hyperparameters=given)).arguments

    expected = ["--alpha", "1e-05", "-b", "x=z,y=2", "--list", "[1, 2]", "--none", ""]
    assert list(arguments) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"resources": GROUPS},
        {"resources": LOCAL, "channels": {}, "hyperparameters": {}, "submit_directory": None},
        {"resources": GROUPS, "hyperparameters": {"sagemaker_parameter_server_enabled": "true"}},
        {"hyperparameters": {"sagemaker_distribution_instance_groups": '["one"]', "x": "1"}},
        {"environ": {"SAGEMAKER_CONTAINER_LOG_LEVEL": "INFO", "SM_HP_MP_PARAMETERS": "{}"}},
        {"program": "pkg/train", "environ": {"SAGEMAKER_PROGRAM": "other.py"}},
    ],
)
def test_the_package_says_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Without a PATH: neither `which` nor anything else is there."""
    python = os.environ.get("CROSSFOLD_SCRIPT_MODE_PYTHON")
    if not python:
        pytest.skip("sagemaker-training is not here; `make test-script-mode` installs it")
    described = situation(tmp_path, **changes)

    answer = ask_with(python, _question(described), {"HOME": str(tmp_path), **described.environ})

    ours = describe_ourselves(described)
    assert isinstance(answer, dict), answer
    ours_alone = {name: text for name, text in ours.variables.items() if name.startswith("SM_")}
    assert answer["variables"] == ours_alone
    assert answer["arguments"] == list(ours.arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code"]
