"""A driver's fold jobs on a simulated account: `SageMakerApi` on a plane in virtual time.

Fold jobs run scripts; the output of one that is completed is made when it is asked for.
"""

from __future__ import annotations

import io
import random
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.contract.stop import StopRequest
from crossfold.fitting.fold_result import FOLD_MODEL, FOLD_RESULT, FoldResult, save_fold_result
from crossfold.metrics.prediction import Prediction
from crossfold.request.reading import read_request
from cv_driver.aws.api import JobState, Page
from cv_driver.aws.errors import (
    AlreadyEnded,
    CallFailed,
    NameTaken,
    NoAnswer,
    NoCapacity,
    NotFound,
    Refused,
    Throttled,
)
from cv_driver.aws.parent import make_parent
from cv_driver.aws.world import World
from cv_driver.launchers.launcher import FoldJob, Launcher, Outcome, Succeeded
from cv_driver.siblings.fold_job.plan import FoldPlan
from cv_driver.siblings.fold_job.results import Expected
from cv_driver.siblings.launcher.driver_fits import DriverFits, OwnFits
from cv_driver.siblings.launcher.sibling_launcher import SiblingLauncher
from cv_driver.siblings.launcher.work import FoldWork
from cv_driver.watch import Policy
from local_test.control_plane.api.calls import LostResponse
from local_test.control_plane.faults import Fault
from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import Script
from local_test.control_plane.wire import errors as wire
from tests.control_plane.simulated_plane import SimulatedPlane

DRIVER = "driver"
KIND = "ml.m5.large"
FINGERPRINT = "0123456789abcdef0123456789abcdef"
METRIC = "rmse"
_ROWS = 4
_ERRORS: Mapping[type[wire.ServiceError], type[CallFailed]] = {
    wire.Throttled: Throttled,
    wire.ResourceLimitExceeded: NoCapacity,
    wire.ResourceInUse: NameTaken,
    wire.ResourceNotFound: NotFound,
    wire.InternalFailure: NoAnswer,
}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one fold."""

    fold: int
    repeat: int = 0
    n_train: int = 16
    n_test: int = _ROWS

    @property
    def test(self) -> NDArray[np.int64]:
        return np.arange(self.fold * _ROWS, (self.fold + 1) * _ROWS)


def expected(n_folds: int, *, needs_predictions: bool = False) -> Expected:
    """Return what a driver knows of its folds before they run."""
    return Expected([Rows(at) for at in range(n_folds)], [METRIC], needs_predictions)


def fold_result(index: int, /, **members: Any) -> FoldResult:
    """Return what fold `index` finds."""
    rows = Rows(index)
    score = {METRIC: 1.0 + index / 7}
    given: dict[str, Any] = {
        "index": index,
        "fold": index,
        "repeat": 0,
        "rows": rows.test,
        "prediction": Prediction(values=np.full(_ROWS, index / 7)),
        "n_train": rows.n_train,
        "n_test": rows.n_test,
        "best_round": None,
        "train": score,
        "validation": score,
        "fit_seconds": 1.0,
        "score_seconds": 0.5,
    }
    return FoldResult(**{**given, **members})


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files as the service packs them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def packed_result(result: FoldResult) -> bytes:
    """Return a fold job's output.tar.gz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FOLD_RESULT
        save_fold_result(path, result)
        return packed({FOLD_RESULT: path.read_bytes()})


class PlaneApi:
    """The calls of a driver; `objects` replaces what folds left, None for what is lost."""

    def __init__(self, plane: SimulatedPlane, clock_moves: Callable[[float], None]) -> None:
        self.plane = plane
        self.calls: Counter[str] = Counter()
        self.objects: dict[str, bytes | None] = {}
        self.denied: set[str] = set()
        self.hears: Callable[[str], None] = lambda _operation: None
        self._moves = clock_moves

    @property
    def region(self) -> str:
        return "us-east-1"

    def describe(self, job_name: str) -> dict[str, Any]:
        return self._call("DescribeTrainingJob", TrainingJobName=job_name)

    def describe_tuning(self, tuning_job: str) -> dict[str, Any]:
        return self._call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=tuning_job)

    def tags(self, arn: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self._call("ListTags", ResourceArn=arn)["Tags"]}

    def create(self, request: Mapping[str, Any]) -> str:
        return str(self._call("CreateTrainingJob", **request)["TrainingJobArn"])

    def stop(self, job_name: str) -> None:
        self._call("StopTrainingJob", TrainingJobName=job_name)

    def list_page(
        self, name_contains: str, token: str | None = None, *, created_after: float | None = None
    ) -> Page:
        more: dict[str, Any] = {} if token is None else {"NextToken": token}
        more |= {} if created_after is None else {"CreationTimeAfter": created_after}
        answer = self._call(
            "ListTrainingJobs", NameContains=name_contains, SortOrder="Descending", **more
        )
        return Page(
            [_state(each) for each in answer["TrainingJobSummaries"]], answer.get("NextToken")
        )

    def find_tagged(self, key: str, value: str, token: str | None = None) -> Page:
        raise AssertionError("a driver knows its jobs by name")

    def put_object(self, uri: str, body: bytes, *, kms_key: str | None = None) -> None:
        self._count("PutObject")
        self.objects[uri] = body

    def has_object(self, uri: str) -> bool:
        self._count("HeadObject")
        return self.objects.get(uri) is not None

    def download(self, uri: str, path: Path) -> None:
        self._count("GetObject")
        body = self.objects[uri] if uri in self.objects else self._left_by_fold(uri)
        if body is None:
            raise NotFound(f"there is no {uri}")
        path.write_bytes(body)

    def _left_by_fold(self, uri: str) -> bytes:
        *_, name, _folder, file = uri.split("/")
        job = self.plane.plane.training.get(name)
        assert job.status == "Completed", f"{name} is {job.status}, and its output is read"
        index = int(job.request["HyperParameters"]["cv_fold_index"])
        if file == "output.tar.gz":
            return packed_result(fold_result(index))
        return packed({f"{FOLD_MODEL}/model.txt": f"model {index}".encode()})

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        self._count(operation)
        try:
            return self.plane.call(operation, **request)
        except wire.ServiceError as error:
            raise _ours(error) from error
        except LostResponse as error:
            raise NoAnswer(operation) from error

    def _count(self, operation: str) -> None:
        self.calls[operation] += 1
        self._moves(0.05)
        self.hears(operation)


@dataclass(slots=True)
class OwnFit:
    """The driver's own fits, which take `seconds`; `fitted` are their folds."""

    now: Callable[[], float]
    seconds: float = 30.0
    fitted: list[int] = field(default_factory=list)
    running: tuple[FoldJob, float] | None = None
    capacity: int = 1
    hears_stop: Callable[[], None] = lambda: None

    def start(self, job: FoldJob) -> None:
        assert self.running is None
        self.running = (job, self.now() + self.seconds)

    def wait(self, timeout_s: float) -> list[Outcome]:
        if self.running is None or self.now() < self.running[1]:
            return []
        job, self.running = self.running[0], None
        self.fitted.append(job.index)
        return [Succeeded(job, fold_result(job.index))]

    def stop(self) -> None:
        self.hears_stop()
        self.running = None

    def close(self) -> None:
        assert self.running is None


class SiblingWorld:
    """One driver's account: its plane, its clock, and launchers, one for each start."""

    def __init__(
        self,
        folder: Path,
        plan: Callable[[Launch], Script] | Script | None = None,
        *,
        n_folds: int = 5,
        max_run_s: int = 86_400,
        hyperparameters: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.n_folds = n_folds
        self.log: list[str] = []
        self.stop = StopRequest()
        self.most_at_once: Counter[int] = Counter()
        self._n_starts = 0
        fold_plan = plan if callable(plan) else (lambda _launch: plan or Script(exits_s=60.0))
        self.plane = SimulatedPlane(
            lambda launch: _driver_script(launch) or fold_plan(launch), **settings
        )
        self.api = PlaneApi(self.plane, self.sleep)
        given = driver_request(DRIVER, n_folds)["HyperParameters"] | dict(hyperparameters or {})
        limit = {"MaxRuntimeInSeconds": max_run_s}
        self.create(DRIVER, StoppingCondition=limit, HyperParameters=given)
        self.sleep(2.0)
        self.own = OwnFit(self.now)

    def now(self) -> float:
        return self.plane.clock.now()

    def sleep(self, seconds: float) -> None:
        self.plane.clock.advance(seconds)
        self.plane.plane.tick()
        own = [job for job in self.folds() if "cv_fold_index" in job.request["HyperParameters"]]
        self.most_at_once |= Counter(_fold(job) for job in own if job.is_live)

    def create(self, name: str, **members: Any) -> None:
        """Create somebody's job."""
        self.plane.call("CreateTrainingJob", **{**driver_request(name, self.n_folds), **members})
        self.plane.plane.tick()

    def fault(self, kind: Any, operation: str = "*", **members: Any) -> None:
        """Let a fault happen."""
        self.plane.plane.faults.add(Fault(kind, operation, **members))

    def launcher(
        self,
        *,
        driver_fits: DriverFits = "never",
        max_jobs: int = 50,
        fingerprint: str = FINGERPRINT,
        models: Path | None = None,
        needs_predictions: bool = False,
    ) -> SiblingLauncher:
        """Return the launcher of another start of the driver."""
        self._n_starts += 1
        chance = random.Random(self._n_starts)
        world = World(self.api, self.now, self.sleep, chance, self.log.append)
        described = self.api.describe(DRIVER)
        tags = self.api.tags(described["TrainingJobArn"])
        parent = make_parent(described, tags, self.api.region, now=self.now())
        given = dict(parent.described["HyperParameters"])
        request = read_request(given, {})
        folder = self.folder / f"start-{self._n_starts}"
        folder.mkdir()
        work = FoldWork(
            plan=FoldPlan(parent, request, given, fingerprint, self.n_folds, METRIC),
            expected=expected(self.n_folds, needs_predictions=needs_predictions),
            folder=folder,
            models=models,
            marker=f"s3://bucket/out/{DRIVER}/stop/{self._n_starts}",
            max_jobs=max_jobs,
        )
        halt = StopRequest(self.stop)
        own: Launcher = self.own
        fits = None
        if driver_fits != "never":
            fits = OwnFits(own, driver_fits, halt, lambda: self.log.append("only a fit is left"))
        return SiblingLauncher(world, work, fits)

    def policy(self, **limits: Any) -> Policy:
        return Policy(
            self.n_folds,
            limits.get("max_parallel"),
            limits.get("min_success", self.n_folds),
            limits.get("retries", 1),
        )

    def folds(self) -> list[TrainingJob]:
        """Return the driver's fold jobs, oldest first."""
        return [
            job for job in self.plane.plane.training.all() if job.name.startswith(f"{DRIVER}-f")
        ]

    def statuses(self) -> dict[str, str]:
        return {job.name: job.status for job in self.folds()}

    def running(self) -> list[str]:
        """Return the fold jobs whose end nobody has asked for."""
        return [job.name for job in self.folds() if job.status == "InProgress"]


def driver_request(name: str, n_folds: int = 5) -> dict[str, Any]:
    """Return the request of a driver's job."""
    given = {"cv_folds": str(n_folds), "cv_launcher": "sagemaker", "objective": "reg:squarederror"}
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/"}
    return {
        "TrainingJobName": name,
        "HyperParameters": given,
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/ours:1",
            "TrainingInputMode": "File",
        },
        "RoleArn": "arn:aws:iam::123456789012:role/sagemaker",
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": KIND, "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
    }


def _driver_script(launch: Launch) -> Script | None:
    is_fold = launch.job_name.startswith(f"{DRIVER}-f")
    return None if is_fold else Script(exits_s=1e9, term_s=120.0)


def _state(summary: Mapping[str, Any]) -> JobState:
    return JobState(
        summary["TrainingJobName"],
        summary["TrainingJobArn"],
        summary["TrainingJobStatus"],
        summary["CreationTime"],
        summary.get("TrainingEndTime"),
    )


def _fold(job: TrainingJob) -> int:
    return int(job.request["HyperParameters"]["cv_fold_index"])


def _ours(error: wire.ServiceError) -> CallFailed:
    if isinstance(error, wire.ValidationError) and "not found" in error.message:
        return NotFound(error.message)
    if isinstance(error, wire.ValidationError) and "is in status" in error.message:
        return AlreadyEnded(error.message)
    kind = _ERRORS.get(type(error))
    return Refused(error.code, error.message) if kind is None else kind(error.message)
