"""Drivers as jobs of the account: what they are asked to do, and each of their starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from crossfold.contract.stop import StopRequest
from crossfold.fitting.fold_result import FoldResult
from local_test.control_plane.training.ports import Launch
from tests.simulation.fold_world import METRIC, Inputs
from tests.simulation.timeline import Strand, Timeline

INSTANCE_TYPE = "ml.m5.xlarge"
_HOUR_S = 3_600


@dataclass(slots=True)
class Start:
    """One start of a driver's program; times are seconds since 1970.

    `told` is when SIGTERM came, `failing` when the program saw for itself that it must end.
    """

    number: int
    began: float
    stop: StopRequest
    told: float | None = None
    failing: float | None = None
    ended: float | None = None
    end: Literal["succeeded", "failed", "stopped", "killed"] | None = None
    error: Exception | None = None
    was_answered: bool = False


@dataclass(slots=True)
class LocalFit:
    """A fold that the driver fitted itself."""

    index: int
    began: float
    ended: float | None = None


@dataclass(slots=True)
class DriverJob:
    """A driver, whatever how often it was started."""

    name: str
    n_folds: int = 5
    eta: str = "0.3"
    max_run_s: int = 24 * _HOUR_S
    is_spot: bool = False
    retries: int = 3
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    starts: list[Start] = field(default_factory=list)
    saved: dict[int, FoldResult] = field(default_factory=dict)
    results: dict[int, FoldResult] = field(default_factory=dict)
    fits: list[LocalFit] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)
    # Among the checkpoints: AWS was reached.
    has_note: bool = False

    @property
    def was_killed_for_good(self) -> bool:
        """Whether nobody was left to end its folds."""
        return bool(self.starts) and self.starts[-1].end == "killed"

    @property
    def was_cut_off(self) -> bool:
        """Whether its last start reached nobody, and nothing told it of an earlier one."""
        return bool(self.starts) and not self.starts[-1].was_answered and not self.has_note

    @property
    def data_uri(self) -> str:
        """Where the driver's data lies."""
        return f"s3://data/{self.name}/train/"

    def inputs(self, index: int) -> Inputs:
        """Return what a fold's numbers shall depend on."""
        return Inputs(self.data_uri, self.eta, index)

    def given(self) -> dict[str, str]:
        """Return the driver's hyperparameters."""
        return {
            "eta": self.eta,
            "objective": "reg:squarederror",
            "cv_folds": str(self.n_folds),
            "cv_launcher": "sagemaker",
            "cv_retries": str(self.retries),
            **self.hyperparameters,
        }

    def request(self, output: str) -> dict[str, Any]:
        """Return the CreateTrainingJob request of the driver."""
        condition = {"MaxRuntimeInSeconds": self.max_run_s}
        if self.is_spot:
            condition["MaxWaitTimeInSeconds"] = 2 * self.max_run_s
        source = {"S3DataType": "S3Prefix", "S3Uri": self.data_uri}
        return {
            "TrainingJobName": self.name,
            "HyperParameters": self.given(),
            "AlgorithmSpecification": {
                "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:1",
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": f"validation:{METRIC}", "Regex": f"validation:{METRIC}=([0-9.e-]+);"}
                ],
            },
            "RoleArn": "arn:aws:iam::123456789012:role/service-role/Simulation",
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": source}},
            ],
            "OutputDataConfig": {"S3OutputPath": output},
            "ResourceConfig": {
                "InstanceType": INSTANCE_TYPE,
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            },
            "StoppingCondition": condition,
            "EnableManagedSpotTraining": self.is_spot,
            "RetryStrategy": {"MaximumRetryAttempts": 10},
        }


class DriverContainers:
    """The container in which a driver's program runs."""

    def __init__(self, timeline: Timeline, launch: Launch, start: Start, strand: Strand) -> None:
        self.launch = launch
        self.start = start
        self._timeline = timeline
        self._strand = strand

    def exit_codes(self) -> Mapping[str, int | None]:
        host = self.launch.hosts[0].name
        if self.start.end == "killed":
            return {host: 137}
        if self.start.end is None:
            return {host: None}
        return {host: 0 if self.start.end == "succeeded" else 1}

    def output(self) -> Sequence[tuple[str, bytes]]:
        return ()

    def terminate(self) -> None:
        if self.start.end is None and self.start.told is None:
            self.start.told = self._timeline.now()
            self.start.stop.set()

    def kill(self) -> None:
        if self.start.end is None:
            self.start.end = "killed"
            self.start.ended = self._timeline.now()
            self._timeline.kill(self._strand)
