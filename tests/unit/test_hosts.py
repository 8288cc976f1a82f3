"""resourceconfig.json in every shape that real clients write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.hosts import read_hosts
from crossfold.errors import UserError

REAL_2025 = {
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
SDK_V2_LOCAL = {
    "current_host": "algo-1-x7k2p",
    "hosts": ["algo-1-x7k2p"],
    "network_interface_name": "eth0",
    "current_instance_type": "local",
}
SDK_V3_LOCAL = {
    "current_host": "algo-1",
    "hosts": ["algo-1"],
    "network_interface_name": "ethwe",
}


def _written(tmp_path: Path, config: dict[str, Any]) -> Path:
    path = tmp_path / "resourceconfig.json"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("config", [REAL_2025, SDK_V2_LOCAL, SDK_V3_LOCAL, {}])
def test_one_host_leads_itself(tmp_path: Path, config: dict[str, Any]) -> None:
    assert read_hosts(_written(tmp_path, config)).is_leader


def test_a_missing_file_means_one_host(tmp_path: Path) -> None:
    assert read_hosts(tmp_path / "resourceconfig.json").names == ("algo-1",)


@pytest.mark.parametrize(("current", "leads"), [("algo-1", True), ("algo-2", False)])
def test_the_leader_is_the_first_by_name_whatever_the_groups_order(
    tmp_path: Path, current: str, *, leads: bool
) -> None:
    groups = [{"hosts": ["algo-2"]}, {"hosts": ["algo-3", "algo-1"]}]
    config = {
        "current_host": current,
        "hosts": ["algo-3", "algo-2", "algo-1"],
        "instance_groups": groups,
    }

    assert read_hosts(_written(tmp_path, config)).is_leader is leads


def test_a_host_that_is_not_among_the_hosts_is_refused(tmp_path: Path) -> None:
    config = {"current_host": "algo-9", "hosts": ["algo-1"]}

    with pytest.raises(UserError, match="'algo-9'"):
        read_hosts(_written(tmp_path, config))
