"""Transform jobs with this checkout's `serve` as processes: what is left of them is counted."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_test.control_plane.clock import SystemClock
from local_test.control_plane.hosts.environment import server_environment
from local_test.control_plane.hosts.marks import mark_of_root
from local_test.control_plane.hosts.process_executor import ProcessExecutor
from local_test.control_plane.hosts.process_family import family
from local_test.control_plane.model_servers import LocalServers, ServersWorld
from local_test.control_plane.plane import Plane, World
from local_test.control_plane.settings import Settings
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.training.simulated import (
    MemoryJournal,
    RecordingTelemetry,
    SimulatedStages,
)
from local_test.control_plane.transform_stages import ThreadedTransformStages
from tests.control_plane.hosting_world import ROLE, Logs
from tests.control_plane.storage_fixtures import make_store
from tests.control_plane.transform_world import BUCKET, transform_request
from tests.hosted_models import CSV_ROW, HostedModels

MODEL = "s3://models/m/model.tar.gz"
LINES = {"SplitType": "Line", "AssembleWith": "Line", "ContentType": "text/csv"}
# Asked one by one they take far longer than the test.
LONG = (CSV_ROW + b"\n") * 200_000


class Machine:
    """A plane whose servers are processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: Store = make_store(root)
        self.logs = Logs()
        clock, executor = SystemClock(), ProcessExecutor(root)
        servers = LocalServers(
            ServersWorld(
                root=root,
                store=self.store,
                executor=executor,
                clock=clock,
                environment=lambda launch: server_environment(
                    launch, endpoint="http://127.0.0.1:1", region="eu-west-1"
                ),
                opt_ml=lambda folder: str(folder.resolve()),
                grace_s=5.0,
            )
        )
        world = World(
            clock=clock,
            executor=executor,
            stages=SimulatedStages(clock),
            telemetry=RecordingTelemetry(),
            journal=MemoryJournal(),
            servers=servers,
            model_data=servers,
            logs=self.logs,
            transform_stages=ThreadedTransformStages(self.store),
        )
        self.plane = Plane(world, Settings(root=root))

    def processes(self) -> set[int]:
        return family(f"{mark_of_root(self.root)}-", is_prefix=True)

    def create(self, name: str, folder: str, **changes: object) -> None:
        """Create a job on the files of a folder."""
        place = {"S3Uri": f"s3://{BUCKET}/{folder}/", "S3OutputPath": f"s3://{BUCKET}/out/{name}"}
        self.plane.call("CreateTransformJob", transform_request(name, **LINES, **place, **changes))

    def status(self, name: str) -> str:
        told = self.plane.call("DescribeTransformJob", {"TransformJobName": name})
        return str(told["TransformJobStatus"])

    def has_begun(self, name: str) -> bool:
        """Say whether the server has answered a request of a job."""
        return any(
            stream.startswith(f"{name}/") and '"rows":1,' in line
            for (_, stream), lines in self.logs.lines.items()
            for line in lines
        )

    def outputs(self) -> list[str]:
        return [each.key for each in self.store.objects(BUCKET, "out/")]

    def until(self, holds: Callable[[], bool]) -> None:
        """Tick until something holds."""
        end = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < end, self.logs.lines
            self.plane.tick()
            time.sleep(0.005)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a model.tar.gz."""
    folder = Path(HostedModels(tmp_path_factory.mktemp("models")).add("sample"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in folder.iterdir():
            archive.add(path, path.name)
    return buffer.getvalue()


@pytest.fixture
def machine(tmp_path: Path, packed: bytes) -> Iterator[Machine]:
    made = Machine(tmp_path)
    made.store.write("models", "m/model.tar.gz", io.BytesIO(packed))
    made.store.write(BUCKET, "short/a.csv", io.BytesIO(CSV_ROW))
    made.store.write(BUCKET, "long/a.csv", io.BytesIO(LONG))
    container = {"Image": "image:1", "ModelDataUrl": MODEL}
    made.plane.call(
        "CreateModel",
        {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": container},
    )
    yield made
    ProcessExecutor(tmp_path).sweep()


def test_nothing_runs_on_after_a_completion_a_stop_and_the_plane_s_end(machine: Machine) -> None:
    machine.create("short", "short")
    for name in ("stopped", "ended"):
        machine.create(name, "long", BatchStrategy="SingleRecord")
    machine.until(lambda: machine.has_begun("stopped") and machine.has_begun("ended"))

    machine.plane.call("StopTransformJob", {"TransformJobName": "stopped"})
    machine.until(lambda: machine.status("stopped") == "Stopped")
    machine.until(lambda: machine.status("short") == "Completed")
    of_the_last = machine.processes()
    machine.until(machine.plane.close)

    assert machine.status("ended") == "Failed"
    assert of_the_last
    assert machine.processes() == set()
    assert machine.outputs() == ["out/short/a.csv.out"]
