"""Servers of models as this checkout's `serve`, and the ways in which a server does not come up."""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from local_test.control_plane.clock import SystemClock, VirtualClock
from local_test.control_plane.hosting.ports import ModelServer, ServerLaunch
from local_test.control_plane.hosts.environment import server_environment
from local_test.control_plane.hosts.marks import mark_of_root
from local_test.control_plane.hosts.process_executor import ProcessExecutor
from local_test.control_plane.hosts.process_family import family
from local_test.control_plane.model_servers import LocalServers, ServersWorld
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.models import fetch_model, model_exists
from local_test.control_plane.training.ports import ClientFault, Launch
from local_test.control_plane.training.simulated import Script, SimulatedExecutor
from tests.control_plane.stand_in_container import Container
from tests.control_plane.storage_fixtures import make_store, put
from tests.hosted_models import CSV_ROW, HostedModels

_URL = "s3://models/m/model.tar.gz"
_LAUNCH = ServerLaunch(
    name="e-AllTraffic-i-1",
    image="image:1",
    model_data_url=_URL,
    is_multi_model=False,
    environment={"OWN": "1"},
    is_isolated=False,
    title="The primary container for production variant AllTraffic",
)
_ENDLESS = Script(exits_s=math.inf)
_UNHEALTHY = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


class Machine:
    """Servers as processes on a store of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = make_store(root)
        self.servers = LocalServers(
            ServersWorld(
                root=root,
                store=self.store,
                executor=ProcessExecutor(root),
                clock=SystemClock(),
                environment=lambda launch: server_environment(
                    launch, endpoint="http://127.0.0.1:1", region="eu-west-1"
                ),
                opt_ml=lambda folder: str(folder.resolve()),
                grace_s=5.0,
            )
        )

    def processes(self) -> set[int]:
        return family(f"{mark_of_root(self.root)}-", is_prefix=True)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    ProcessExecutor(tmp_path).sweep()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model whose column x1 decides."""
    return Path(HostedModels(tmp_path_factory.mktemp("models")).add("sample"))


def test_a_server_comes_up_answers_this_machine_alone_and_leaves_nothing(
    machine: Machine, sample: Path
) -> None:
    _upload(machine.store, _URL, sample)
    server = machine.servers.start(_LAUNCH)

    reached = _wait(server, "ready")
    folder = machine.root / "servers" / _LAUNCH.name
    status, body = _post(server, "/invocations", CSV_ROW)
    said = b"".join(server.output())
    while_up = len(machine.processes())
    # Whoever listens on every address leaves the port of none to others.
    socket.create_server(("127.0.0.2", server.port)).close()
    server.stop()
    ended = _wait(server, "ended")
    while server.output():
        pass

    assert (reached, ended) == ("ready", "ended")
    assert status == 200
    assert 0.0 < float(body) < 1.0
    assert b'"event":"model"' in said
    assert while_up > 0
    assert machine.processes() == set()
    _wait_until_gone(folder)


def test_an_uncompressed_model_and_a_packed_one_answer_alike(
    machine: Machine, sample: Path
) -> None:
    _upload(machine.store, _URL, sample)
    for path in sample.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                machine.store.write("models", f"plain/{path.relative_to(sample)}", file)
    plain = replace(_LAUNCH, name="plain", model_data_url="s3://models/plain/", is_packed=False)
    started = [machine.servers.start(each) for each in (_LAUNCH, plain)]

    answers = []
    for server in started:
        assert _wait(server, "ready") == "ready", server.reason()
        answers.append(float(_post(server, "/invocations", CSV_ROW)[1]))
        server.stop()
    for server in started:
        _wait(server, "ended")

    assert answers[0] == answers[1]
    assert np.isfinite(answers[0])


def test_the_models_of_one_server_are_placed_where_it_loads_them_from(
    machine: Machine, sample: Path
) -> None:
    _upload(machine.store, "s3://models/many/a.tar.gz", sample)
    environment = {"SAGEMAKER_MULTI_MODEL": "true"}
    launch = replace(
        _LAUNCH, is_multi_model=True, model_data_url="s3://models/many/", environment=environment
    )
    server = machine.servers.start(launch)
    assert _wait(server, "ready") == "ready", server.reason()

    url = machine.servers.place("s3://models/many/a.tar.gz", server=launch.name, model_name="n1")
    loaded, _ = _post(server, "/models", f'{{"model_name":"n1","url":"{url}"}}'.encode())
    status, body = _post(server, "/models/n1/invoke", CSV_ROW)
    with pytest.raises(ClientFault, match="there is an object located at the URL"):
        machine.servers.place("s3://models/many/b.tar.gz", server=launch.name, model_name="n2")
    server.stop()
    _wait(server, "ended")

    assert (loaded, status) == (200, 200)
    assert 0.0 < float(body) < 1.0


def test_a_model_that_cannot_be_served_fails_by_its_ping_and_the_log_says_why(
    machine: Machine, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "readme.txt").write_text("no model", encoding="utf-8")
    _upload(machine.store, _URL, broken)
    server = machine.servers.start(_LAUNCH)

    reached = _wait(server, "failed")
    said = b"".join(server.output())
    server.stop()

    assert (reached, server.reason()) == ("failed", _UNHEALTHY)
    assert b"model" in said
    assert _wait(server, "ended") == "ended"


def test_a_server_that_is_stopped_while_it_starts_leaves_nothing(
    machine: Machine, sample: Path
) -> None:
    _upload(machine.store, _URL, sample)
    server = machine.servers.start(_LAUNCH)

    server.stop()

    assert _wait(server, "ended") == "ended"
    assert machine.processes() == set()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, 'Failed to download model data for container "container_1" from URL: "s3://'),
        (b"no archive", 'Failed to extract model data archive for container "container_1" from'),
        ("cut", 'Failed to extract model data archive for container "container_1" from'),
        ("leads out", 'Failed to extract model data archive for container "container_1" from'),
        ("a\0b", 'Failed to extract model data archive for container "container_1" from'),
    ],
    ids=["missing", "not packed", "cut", "leads out", "zero byte"],
)
def test_data_that_are_no_model_are_why_a_server_fails(
    tmp_path: Path, content: object, words: str
) -> None:
    world = _Simulated(tmp_path)
    if content is not None:
        name = {"leads out": "../out", "cut": "model.json"}.get(str(content), str(content))
        data = content if isinstance(content, bytes) else _archive(name)
        body = data[: len(data) // 2] if content == "cut" else data
        world.store.write("models", "m/model.tar.gz", io.BytesIO(body))

    server = world.servers.start(_LAUNCH)

    assert _wait(server, "failed") == "failed"
    assert str(server.reason()).startswith(words)
    assert world.launches == []
    server.stop()
    assert _wait(server, "ended") == "ended"


def test_a_container_gets_its_variables_and_a_model_that_it_may_not_write(tmp_path: Path) -> None:
    world = _Simulated(tmp_path)
    world.store.write("models", "m/model.tar.gz", io.BytesIO(_archive()))

    server = world.servers.start(_LAUNCH)
    _until(lambda: bool(world.launches))
    server.stop()
    _wait(server, "ended")

    (launch,) = world.launches
    assert (launch.arguments, launch.image, launch.read_only) == (("serve",), "image:1", ("model",))
    assert launch.environment["OWN"] == "1"
    assert launch.environment["AWS_REGION"] == "eu-west-1"
    assert launch.environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert launch.port is not None


def test_an_isolated_container_gets_no_credentials_and_no_address() -> None:
    isolated = replace(_LAUNCH, is_isolated=True)

    variables = server_environment(isolated, endpoint="http://127.0.0.1:1", region="eu-west-1")

    expected = {"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "OWN": "1"}
    assert variables == expected


def test_a_container_that_does_not_heed_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    world = _Simulated(tmp_path, Script(exits_s=math.inf, term_s=math.inf))
    world.store.write("models", "m/model.tar.gz", io.BytesIO(_archive()))
    server = world.servers.start(_LAUNCH)
    _until(lambda: bool(world.executor.running()))

    server.stop()
    time.sleep(0.05)
    server.state()
    world.clock.advance(29.0)
    before = server.state(), dict(world.executor.running())
    world.clock.advance(2.0)
    server.state()

    assert before == ("starting", {_LAUNCH.name: 1})
    assert _wait(server, "ended") == "ended"
    assert world.executor.running() == {}


def test_a_container_whose_answer_to_a_ping_never_ends_is_killed_after_the_grace(
    tmp_path: Path,
) -> None:
    world = _Simulated(tmp_path, Script(exits_s=math.inf, term_s=math.inf))
    server = world.servers.start(replace(_LAUNCH, model_data_url=None))
    with _dripping(server.port) as is_asked:
        assert is_asked.wait(20)

        server.stop()
        world.clock.advance(31.0)
        server.state()

        assert world.executor.running() == {}
    assert _wait(server, "ended") == "ended"


@pytest.mark.parametrize("content", [b"no archive", None], ids=["not packed", "missing"])
def test_a_server_without_a_container_leaves_nothing_on_the_disk(
    tmp_path: Path, content: bytes | None
) -> None:
    world = _Simulated(tmp_path)
    if content is not None:
        world.store.write("models", "m/model.tar.gz", io.BytesIO(content))
    server = world.servers.start(_LAUNCH)
    _wait(server, "failed")
    server.stop()
    _wait(server, "ended")

    assert server.output() == []
    _wait_until_gone(tmp_path / "servers" / _LAUNCH.name)


def test_a_container_that_never_pings_fails_when_its_time_is_over(tmp_path: Path) -> None:
    world = _Simulated(tmp_path)
    world.store.write("models", "m/model.tar.gz", io.BytesIO(_archive()))
    server = world.servers.start(replace(_LAUNCH, ping_within_s=60.0))
    _until(lambda: bool(world.executor.running()))

    before = server.state()
    world.clock.advance(61.0)

    assert before == "starting"
    assert _wait(server, "failed") == "failed"
    assert server.reason() == _UNHEALTHY
    server.stop()
    _wait(server, "ended")


def test_the_port_of_a_server_that_does_not_listen_yet_is_given_to_nobody_else(
    tmp_path: Path,
) -> None:
    server = _Simulated(tmp_path).servers.start(replace(_LAUNCH, model_data_url=None))

    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", server.port))
    # As its own container does, which lets go of what an earlier one has left.
    socket.create_server(("127.0.0.1", server.port)).close()
    server.stop()
    _wait(server, "ended")


def test_a_server_that_is_watched_fails_when_it_is_unhealthy_for_long(tmp_path: Path) -> None:
    world = _Simulated(tmp_path)
    server = world.servers.start(replace(_LAUNCH, model_data_url=None, ping_every_s=0.02))
    container = Container(port=int(server.address().rpartition(":")[2]))
    try:
        reached = _wait(server, "ready")
        for _ in range(2):  # five in a row, then one that is answered, and the next
            container.misses = 5
            container.wait_for(7)
        after_misses = server.state()
        container.status = 500
        at_last = _wait(server, "failed")
    finally:
        server.stop()
        container.close()

    assert (reached, after_misses, at_last) == ("ready", "ready", "failed")
    assert server.reason() == _UNHEALTHY
    assert _wait(server, "ended") == "ended"


def test_a_model_exists_by_its_key_or_by_what_is_below_it(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    put(store, "models", {"a/model.tar.gz": "x", "prefix/b/c": "x"})

    there = ("s3://models/a/model.tar.gz", "s3://models/prefix", "s3://models/prefix/b/")
    missing = ("s3://models/a/model", "s3://models/pre", "s3://other/a", "http://models/a")

    assert [model_exists(store, each) for each in (*there, *missing)] == [True] * 3 + [False] * 4


def test_a_model_that_could_not_be_fetched_leaves_no_folder(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    put(store, "models", {"m/model.tar.gz": "no archive"})

    with pytest.raises(ClientFault):
        fetch_model(store, _URL, tmp_path / "ml" / "model", is_packed=True)

    assert list((tmp_path / "ml").iterdir()) == []


class _Simulated:
    """Servers whose containers follow a script in virtual time; nobody listens on their ports."""

    def __init__(self, root: Path, script: Script = _ENDLESS) -> None:
        self.store = make_store(root)
        self.clock = VirtualClock()
        self.launches: list[Launch] = []
        self.executor = SimulatedExecutor(self.clock, lambda launch: self._planned(launch, script))
        self.servers = LocalServers(
            ServersWorld(
                root=root,
                store=self.store,
                executor=self.executor,
                clock=self.clock,
                environment=lambda launch: server_environment(
                    launch, endpoint="http://127.0.0.1:1", region="eu-west-1"
                ),
            )
        )

    def _planned(self, launch: Launch, script: Script) -> Script:
        self.launches.append(launch)
        return script


@contextlib.contextmanager
def _dripping(port: int) -> Iterator[threading.Event]:
    """Answer one request with a header that never ends; the event says that it has come."""
    is_asked, is_over = threading.Event(), threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            is_asked.set()
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not is_over.wait(0.01):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield is_asked
        finally:
            is_over.set()
            thread.join()


def _upload(store: Store, url: str, folder: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in folder.iterdir():
            archive.add(path, path.name)
    packed.seek(0)
    bucket, _, key = url.removeprefix("s3://").partition("/")
    store.write(bucket, key, packed)


def _archive(name: str = "model.json") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo()
        entry.pax_headers, entry.size = {"path": name}, 4096
        archive.addfile(entry, io.BytesIO(bytes(range(256)) * 16))
    return packed.getvalue()


def _post(server: ModelServer, path: str, body: bytes) -> tuple[int, bytes]:
    host = server.address().removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    headers = {"Content-Type": "application/json" if body.startswith(b"{") else "text/csv"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    status, text = answer.status, answer.read()
    connection.close()
    return status, text


def _wait(server: ModelServer, wanted: str) -> str:
    """Return the state once it is the wanted one, or at the end of the patience."""
    _until(lambda: server.state() == wanted)
    return server.state()


def _wait_until_gone(folder: Path) -> None:
    _until(lambda: not folder.exists())
    assert not folder.exists()


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)
