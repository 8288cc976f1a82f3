"""A plane that transforms objects of a real store through a server of HTTP inside the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local_test.control_plane.clock import VirtualClock
from local_test.control_plane.hosting.ports import ServerLaunch
from local_test.control_plane.plane import Plane
from local_test.control_plane.settings import Settings
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.training.simulated import MemoryJournal
from local_test.control_plane.transform.ports import GROUP
from local_test.control_plane.transform_stages import ThreadedTransformStages
from tests.control_plane.hosting_world import (
    DATA,
    IMAGE,
    ROLE,
    Life,
    Logs,
    ScriptedServers,
    served_world,
)

BUCKET = "data"
ENDED = {"Completed", "Failed", "Stopped"}
_WITHIN_S = 60.0
_LOOK_S = 0.002


@dataclass(frozen=True, slots=True)
class Call:
    """One request that reached the container."""

    body: bytes
    headers: Mapping[str, str]


Answer = Callable[[Call], tuple[int, bytes]]


@dataclass
class Container:
    """A container's side of HTTP; `parameters` is what ``/execution-parameters`` answers."""

    answer: Answer
    parameters: bytes | None = None
    calls: list[Call] = field(default_factory=list)
    address: str = ""
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def bodies(self) -> list[bytes]:
        """The bodies in the order in which they came."""
        return [call.body for call in self.calls]

    def take(self, call: Call) -> tuple[int, bytes]:
        """Answer one invocation, and count those that run at once."""
        with self._lock:
            self.calls.append(call)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            return self.answer(call)
        finally:
            with self._lock:
                self._now -= 1


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, served: Container) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.served = served

    def handle_error(self, *_arguments: Any) -> None:
        """Leave out who has gone before the answer."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_GET(self) -> None:
        assert self.path == "/execution-parameters"
        parameters = self.server.served.parameters
        self._reply(404 if parameters is None else 200, parameters or b"")

    def do_POST(self) -> None:
        assert self.path == "/invocations"
        status, body = self.server.served.take(Call(self._body(), dict(self.headers.items())))
        self._reply(status, body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def container(answer: Answer, parameters: bytes | None = None) -> Iterator[Container]:
    """Serve on a free port for the block."""
    made = Container(answer, parameters)
    server = _Listener(made)
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TransformPlane:
    """A plane with one model `m`, whose servers follow `life`; it can be restarted."""

    def __init__(
        self,
        store: Store,
        life: Life | Callable[[ServerLaunch], Life],
        *,
        journal: MemoryJournal | None = None,
        **settings: Any,
    ) -> None:
        self.store = store
        self.clock = VirtualClock()
        self.servers = ScriptedServers(self.clock, life)
        self.logs = Logs()
        self.journal = journal or MemoryJournal()
        world = replace(
            served_world(self.clock, self.servers, self.logs, self.journal),
            transform_stages=ThreadedTransformStages(store),
        )
        self.plane = Plane(world, Settings(root=Path("/nowhere"), **settings))
        self.plane.restore()
        if journal is None:
            primary = {"Image": IMAGE, "ModelDataUrl": DATA, "Environment": {"MODEL": "its own"}}
            self.call("CreateModel", ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=primary)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Carry out one call."""
        return self.plane.call(operation, request)

    def create(self, name: str = "demo", **changes: Any) -> None:
        """Create a job of a small request; see `transform_request`."""
        self.call("CreateTransformJob", **transform_request(name, **changes))

    def describe(self, name: str = "demo") -> dict[str, Any]:
        """Return what the plane says of a job."""
        return self.call("DescribeTransformJob", TransformJobName=name)

    def run(self, name: str = "demo") -> dict[str, Any]:
        """Tick until a job has ended, and return what the plane says of it."""
        return self.tick_until(lambda: self.describe(name)["TransformJobStatus"] in ENDED, name)

    def tick_until(self, is_there: Callable[[], bool], name: str = "demo") -> dict[str, Any]:
        """Tick until something holds, and return what the plane says of a job."""
        deadline = time.monotonic() + _WITHIN_S
        while not is_there():
            assert time.monotonic() < deadline, self.describe(name)
            self.plane.tick()
            self.clock.advance(1.0)
            time.sleep(_LOOK_S)
        return self.describe(name)

    def transform(self, name: str = "demo", **changes: Any) -> dict[str, Any]:
        """Create a job and return what the plane says of it at its end."""
        self.create(name, **changes)
        return self.run(name)

    def outputs(self, prefix: str = "out/") -> dict[str, bytes]:
        """Return the outputs by their keys below the prefix."""
        found = {}
        for each in self.store.objects(BUCKET, prefix):
            with self.store.read(BUCKET, each.key) as file:
                found[each.key.removeprefix(prefix)] = file.read()
        return found

    def data_log(self) -> list[str]:
        """Return the lines of all data logs, without their times."""
        return [
            line.partition(":[sagemaker logs]: ")[2]
            for (group, stream), lines in self.logs.lines.items()
            if group == GROUP and stream.endswith("/data-log")
            for line in lines
        ]


def transform_request(name: str = "demo", **changes: Any) -> dict[str, Any]:
    """Return a small CreateTransformJob request.

    `SplitType`, `ContentType`, `CompressionType`, `S3DataType`, `S3Uri`, `AssembleWith`, `Accept`
    and `InstanceCount` go where they belong; None removes a member.
    """
    source = {
        "S3DataType": changes.pop("S3DataType", "S3Prefix"),
        "S3Uri": changes.pop("S3Uri", f"s3://{BUCKET}/in/"),
    }
    given: dict[str, Any] = {"DataSource": {"S3DataSource": source}}
    output: dict[str, Any] = {"S3OutputPath": f"s3://{BUCKET}/out"}
    for member, target in (
        *((each, given) for each in ("SplitType", "ContentType", "CompressionType")),
        *((each, output) for each in ("AssembleWith", "Accept", "S3OutputPath")),
    ):
        if member in changes:
            target[member] = changes.pop(member)
    request = {
        "TransformJobName": name,
        "ModelName": "m",
        "TransformInput": given,
        "TransformOutput": output,
        "TransformResources": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": changes.pop("InstanceCount", 1),
        },
    }
    return {key: value for key, value in {**request, **changes}.items() if value is not None}
