"""A local control plane for chaos: drivers with folds as jobs, faults, and who is alive."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from cv_driver.siblings.fold_job.names import fold_of
from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.conftest import ROOT
from tests.datasets import cancer_rows
from tests.serving import free_port

N_FOLDS = 5
SCARCE = "ml.m5.xlarge"
_BUCKET = "siblings-chaos"
_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
_ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
_HYPERPARAMETERS = {
    "algorithm": "lightgbm",
    "cv_folds": str(N_FOLDS),
    "cv_launcher": "sagemaker",
    "num_round": "3000",
    "eta": "0.005",
}
_LOGS = "/aws/sagemaker/TrainingJobs"
_LIVE = frozenset({"InProgress", "Stopping"})


@dataclass(frozen=True, slots=True)
class FoldJob:
    """One fold job as a snapshot shows it."""

    name: str
    index: int
    status: str
    created: float

    @property
    def is_live(self) -> bool:
        return self.status in _LIVE


@dataclass(frozen=True, slots=True)
class Seen:
    """A driver and its fold jobs at one moment, in seconds since 1970."""

    now: float
    status: str
    folds: tuple[FoldJob, ...]

    @property
    def has_ended(self) -> bool:
        return self.status not in _LIVE

    @property
    def live(self) -> list[FoldJob]:
        return [fold for fold in self.folds if fold.is_live]


class SiblingsPlane:
    """A plane that runs; every question is answered beside the faults."""

    def __init__(self, plane: RunningPlane) -> None:
        self._plane = plane
        self.sagemaker = self._client("sagemaker")
        self._s3 = self._client("s3")
        self._logs = self._client("logs")
        self._s3.create_bucket(Bucket=_BUCKET)
        text = io.StringIO()
        csv.writer(text).writerows(cancer_rows(240))
        self._s3.put_object(Bucket=_BUCKET, Key="train/rows.csv", Body=text.getvalue().encode())

    def create(self, name: str, *, is_spot: bool = False, retries: int = 0, **given: str) -> None:
        """Create a driver."""
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{_BUCKET}/train/"}
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
            "RoleArn": _ROLE,
            "HyperParameters": {**_HYPERPARAMETERS, **given},
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "ContentType": "text/csv",
                    "DataSource": {"S3DataSource": source},
                }
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{_BUCKET}/output"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 1800},
        }
        if retries:
            request["RetryStrategy"] = {"MaximumRetryAttempts": retries}
        if is_spot:
            request["EnableManagedSpotTraining"] = True
            request["StoppingCondition"]["MaxWaitTimeInSeconds"] = 3600
            request["CheckpointConfig"] = {"S3Uri": f"s3://{_BUCKET}/checkpoints/{name}"}
        self.sagemaker.create_training_job(**request)

    def look(self, driver: str) -> Seen:
        """Return how a driver and its fold jobs stand."""
        with urllib.request.urlopen(f"{self._plane.url}/_plane/snapshot", timeout=30) as answer:  # noqa: S310
            document = json.loads(answer.read())
        jobs = {job["name"]: job for job in document["training_jobs"]}
        folds = tuple(
            FoldJob(name, fold.index, job["status"], job["created"])
            for name, job in jobs.items()
            if (fold := fold_of(driver, name)) is not None
        )
        own = jobs[driver]
        return Seen(document["now"], own["status"], folds)

    def let_happen(self, fault: Mapping[str, object]) -> None:
        """Add a fault."""
        self._admin("faults", fault)

    def interrupt(self, job: str) -> None:
        """Take the instances of a spot job away."""
        self._admin("interrupt", {"TrainingJobName": job})

    def forget_faults(self) -> None:
        """Clear the faults that did not happen."""
        request = urllib.request.Request(f"{self._plane.url}/_plane/faults", method="DELETE")  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()

    def stop(self, job: str) -> bool:
        """Stop a job from outside; False where it had ended."""
        try:
            self.sagemaker.stop_training_job(TrainingJobName=job)
        except self.sagemaker.exceptions.ClientError:
            return False
        return True

    def kill(self, job: str, *, only_worker: bool = False) -> bool:
        """Send SIGKILL to a job's first process, or to the child that works; False if none is."""
        first = [each for each in self.processes(job) if each.ppid() == self._plane.pid]
        killed = False
        for process in first:
            with contextlib.suppress(psutil.Error):
                for each in process.children() if only_worker else [process]:
                    each.send_signal(signal.SIGKILL)
                    killed = True
        return killed

    def processes(self, job: str, *, with_folds: bool = False) -> list[psutil.Process]:
        """Return the processes of a job's containers, on request of its folds' too."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                environ = process.environ()
                name = environ.get("TRAINING_JOB_NAME", "")
                is_fold = with_folds and fold_of(job, name) is not None
                is_here = environ.get("AWS_ENDPOINT_URL") == self._plane.url
                if is_here and (name == job or is_fold):
                    found.append(process)
        return found

    def reap(self, driver: str) -> tuple[int, str]:
        """Run ``cv_reap`` as a process; return its exit code and what it said."""
        ended = subprocess.run(
            [sys.executable, "-Iu", ROOT / "docker/bin/cv_reap", "--driver", driver],
            env=dict(os.environ) | dict(self._plane.exports),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return ended.returncode, ended.stdout

    def fold_spans(self, seen: Seen) -> dict[int, list[tuple[float, float]]]:
        """Return from when to when each fold had a job, by the service's own stamps."""
        spans: dict[int, list[tuple[float, float]]] = {}
        for fold in seen.folds:
            told = self.sagemaker.describe_training_job(TrainingJobName=fold.name)
            last = told["SecondaryStatusTransitions"][-1]
            end = last.get("EndTime") or last["StartTime"]
            spans.setdefault(fold.index, []).append(
                (told["CreationTime"].timestamp(), end.timestamp())
            )
        return spans

    def numbers(self, driver: str) -> dict[int, Mapping[str, Any]]:
        """Return the scores of every fold from a completed driver's results."""
        key = f"output/{driver}/evaluation/cv_results.json"
        document = json.loads(self._s3.get_object(Bucket=_BUCKET, Key=key)["Body"].read())
        return {
            place: {split: fold[split] for split in ("train", "validation")}
            for place, fold in enumerate(document["folds"])
        }

    def streams(self, job: str) -> list[str]:
        """Return the log streams of a job; each start of its containers has one."""
        with contextlib.suppress(self._logs.exceptions.ResourceNotFoundException):
            told = self._logs.describe_log_streams(
                logGroupName=_LOGS, logStreamNamePrefix=f"{job}/"
            )
            return [stream["logStreamName"] for stream in told["logStreams"]]
        return []

    def why(self, driver: str) -> str:
        """Return a driver's FailureReason."""
        told = self.sagemaker.describe_training_job(TrainingJobName=driver)
        return str(told.get("FailureReason", ""))

    def log(self, job: str) -> list[str]:
        """Return what a job printed, over all its attempts."""
        return [
            event["message"]
            for stream in self.streams(job)
            for event in self._logs.get_log_events(
                logGroupName=_LOGS, logStreamName=stream, startFromHead=True
            )["events"]
        ]

    def _admin(self, path: str, document: Mapping[str, object]) -> None:
        body = json.dumps(document).encode()
        request = urllib.request.Request(f"{self._plane.url}/_plane/{path}", data=body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._plane.url,
            region_name=self._plane.exports["AWS_REGION"],
            aws_access_key_id="chaos",
            aws_secret_access_key="chaos",
        )


@contextlib.contextmanager
def siblings_plane(folder: Path) -> Iterator[SiblingsPlane]:
    """Run a plane on `folder` for the block; at most two instances of `SCARCE` run at once."""
    command = [sys.executable, "-m", "local_test.control_plane", "--port", str(free_port())]
    options = ["--root", str(folder / "plane"), "--quota", f"{SCARCE}=2"]
    with contextlib.chdir(ROOT), plane_process([*command, *options], folder / "log") as running:
        yield SiblingsPlane(running)


def until(holds: Callable[[], bool], limit_s: float, *, every_s: float = 0.1) -> bool:
    """Wait until something holds; False where it did not in time."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True
