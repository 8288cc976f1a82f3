"""Run 50 real training jobs at once on the local control plane and ask it how they are.

    python -m tests.soak.plane_load --jobs 50 --rounds 2

Each job is this checkout's `train` as a process, on a table of 200 rows; a client describes one of
the jobs every 20 ms.  Printed are how long the answers took and the plane's memory; the exit code
is 1 where a job did not complete, the median is 100 ms or more, or the memory is not flat.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.serving import free_port

MOST_MEDIAN_S = 0.1
# What the records, logs and artifacts of a job may take: they are kept.
MOST_MIB_A_JOB = 0.5
_LIVE = {"InProgress", "Stopping"}
_ASK_EVERY_S = 0.02
_ROUND_S = 1200.0
_BUCKET = "load"


@dataclass(frozen=True, slots=True)
class Round:
    """What was seen while one lot of jobs ran; `memory_mib` is the plane's after it."""

    latencies_s: Sequence[float]
    statuses: Counter[str]
    most_at_once: int
    wall_s: float
    memory_mib: float

    def quantile(self, share: float) -> float:
        """Return the latency in seconds that `share` of the calls did not exceed."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(folder: Path, *, n_jobs: int, n_rounds: int) -> tuple[float, list[Round]]:
    """Return the plane's memory in MiB when it is ready, and what the rounds saw."""
    port = free_port()
    command = [sys.executable, "-m", "local_test.control_plane"]
    command += ["--port", str(port), "--root", str(folder / "root"), "--grace", "5"]
    with plane_process(command, folder / "plane.log") as plane:
        _client(plane, "s3").create_bucket(Bucket=_BUCKET)
        _client(plane, "s3").put_object(Bucket=_BUCKET, Key="train/table.csv", Body=_table())
        before = _memory_mib(plane)
        rounds = [_round(plane, f"round-{number}", n_jobs) for number in range(1, n_rounds + 1)]
    return before, rounds


def report(before_mib: float, rounds: Sequence[Round], n_jobs: int) -> str:
    """Return the figures, a line a round."""
    lines = [f"plane before the jobs: {before_mib:.0f} MiB"]
    for number, each in enumerate(rounds, 1):
        lines.append(
            f"round {number}: {n_jobs} jobs in {each.wall_s:.0f} s, {each.most_at_once} at once, "
            f"{dict(each.statuses)}; describe {len(each.latencies_s)} times: "
            f"median {each.quantile(0.5) * 1e3:.1f} ms, p99 {each.quantile(0.99) * 1e3:.1f} ms, "
            f"longest {each.quantile(1) * 1e3:.0f} ms; plane after it {each.memory_mib:.0f} MiB"
        )
    return "\n".join(lines)


def is_good(rounds: Sequence[Round], n_jobs: int) -> bool:
    """Whether all jobs completed, the plane was quick, and later rounds left its memory flat."""
    growths = [b.memory_mib - a.memory_mib for a, b in itertools.pairwise(rounds)]
    return (
        all(each.statuses == {"Completed": n_jobs} for each in rounds)
        and all(each.quantile(0.5) < MOST_MEDIAN_S for each in rounds)
        and all(growth <= MOST_MIB_A_JOB * n_jobs for growth in growths)
    )


def _round(plane: RunningPlane, name: str, n_jobs: int) -> Round:
    sagemaker = _client(plane, "sagemaker")
    names = [f"{name}-{number:03d}" for number in range(n_jobs)]
    started = time.monotonic()
    for each in names:
        sagemaker.create_training_job(**_request(each))
    drawn = random.Random(name)
    latencies: list[float] = []
    most = 0
    statuses: Counter[str] = Counter()
    looked = 0.0
    while time.monotonic() < started + _ROUND_S:
        asked = time.monotonic()
        sagemaker.describe_training_job(TrainingJobName=drawn.choice(names))
        latencies.append(time.monotonic() - asked)
        if time.monotonic() > looked + 1:
            looked = time.monotonic()
            seen = _statuses(sagemaker, name)
            most = max(most, sum(n for (_, now), n in seen.items() if now == "Training"))
            statuses = Counter()
            for (status, _), n in seen.items():
                statuses[status] += n
            if not _LIVE & set(statuses):
                break
        time.sleep(_ASK_EVERY_S)
    return Round(latencies, statuses, most, time.monotonic() - started, _memory_mib(plane))


def _statuses(sagemaker: Any, name: str) -> Counter[tuple[str, str]]:
    """Count the jobs of a round by status and secondary status."""
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=name, PaginationConfig={"PageSize": 100}
    )
    return Counter(
        (job["TrainingJobStatus"], job["SecondaryStatus"])
        for page in pages
        for job in page["TrainingJobSummaries"]
    )


def _client(plane: RunningPlane, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=plane.url,
        region_name=plane.exports["AWS_REGION"],
        aws_access_key_id="load",
        aws_secret_access_key="load",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _table() -> bytes:
    drawn = random.Random(5)
    rows = [(drawn.random(), drawn.random()) for _ in range(200)]
    return "".join(["y,a,b\n", *(f"{a + 2 * b},{a},{b}\n" for a, b in rows)]).encode()


def _request(name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{_BUCKET}/train/"}
    number = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": "crossfold:latest",
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "validation:rmse", "Regex": f"validation:rmse={number};"}
            ],
        },
        "HyperParameters": {
            "label": "y",
            "cv_folds": "3",
            "num_round": "20",
            "eval_metric": "rmse",
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": source},
            }
        ],
        "RoleArn": "arn:aws:iam::123456789012:role/load",
        "OutputDataConfig": {"S3OutputPath": f"s3://{_BUCKET}/output"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def _memory_mib(plane: RunningPlane) -> float:
    memory: int = psutil.Process(plane.pid).memory_info().rss
    return memory / 2**20


def main() -> int:
    """Run the rounds and judge them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        before, rounds = run(Path(text), n_jobs=given.jobs, n_rounds=given.rounds)
    sys.stdout.write(f"{report(before, rounds, given.jobs)}\n")
    return int(not is_good(rounds, given.jobs))


if __name__ == "__main__":
    sys.exit(main())
