"""Two containers on one network, started as SageMaker starts a job with two instances."""

from __future__ import annotations

import contextlib
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from tests.datasets import iris_rows
from tests.opt_ml import Ended, build_opt_ml

pytestmark = [pytest.mark.image, pytest.mark.slow, pytest.mark.timeout(600)]

HOSTS = ("algo-1", "algo-2")
_TIMEOUT_S = 240


def test_the_leader_trains_on_replicated_data_and_the_other_says_so(
    image: str, docker: str, tmp_path: Path
) -> None:
    leader, other = _run_hosts(image, docker, tmp_path, "FullyReplicated")

    assert (leader.code, other.code) == (0, 0), leader.log + other.log
    assert leader.manifest["complete"] is True
    assert "host algo-2: algo-1 trains on the replicated data" in other.log
    assert "train:mlogloss=" in leader.log
    assert "mlogloss" not in other.log
    assert list(other.opt_ml.model.iterdir()) == []


def test_sharded_data_are_refused_on_every_host(image: str, docker: str, tmp_path: Path) -> None:
    for ended in _run_hosts(image, docker, tmp_path, "ShardedByS3Key"):
        assert ended.code == 1, ended.log
        assert ended.failure.startswith(
            "UserError: channel 'train' is ShardedByS3Key over 2 hosts; "
        )
        assert list(ended.opt_ml.model.iterdir()) == []


def _run_hosts(image: str, docker: str, folder: Path, distribution: str) -> list[Ended]:
    trees = [_tree(folder / host, host, distribution) for host in HOSTS]
    with _network(docker) as network:
        started = [
            _start(image, docker, network, host, tree)
            for host, tree in zip(HOSTS, trees, strict=True)
        ]
        logs = [process.communicate(timeout=_TIMEOUT_S)[0] for process in started]
    return [
        Ended(tree, process.returncode, log)
        for tree, process, log in zip(trees, started, logs, strict=True)
    ]


def _tree(root: Path, host: str, distribution: str) -> OptMl:
    opt_ml = build_opt_ml(root, {"num_round": 5}, {"train": {"iris.csv": iris_rows()}})
    entry = {"TrainingInputMode": "File", "S3DistributionType": distribution}
    opt_ml.input_data_config.write_text(json.dumps({"train": entry}), encoding="utf-8")
    hosts = {"current_host": host, "hosts": list(HOSTS), "network_interface_name": "eth0"}
    opt_ml.resource_config.write_text(json.dumps(hosts), encoding="utf-8")
    for path in (opt_ml.model, opt_ml.output_data):
        path.mkdir(parents=True, exist_ok=True)
    return opt_ml


def _start(
    image: str, docker: str, network: str, host: str, opt_ml: OptMl
) -> subprocess.Popen[str]:
    own = ("--network", network, "--network-alias", host, "--volume", f"{opt_ml.root}:/opt/ml")
    return subprocess.Popen(
        [docker, "run", "--rm", *own, image, "train"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def _network(docker: str) -> Iterator[str]:
    name = f"two-hosts-{uuid.uuid4().hex[:8]}"
    subprocess.run([docker, "network", "create", name], capture_output=True, check=True)
    try:
        yield name
    finally:
        subprocess.run([docker, "network", "rm", name], capture_output=True, check=True)
