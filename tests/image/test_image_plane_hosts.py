"""The control plane's hosts as containers of the image: how they start and end, what is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local_test.control_plane.hosts.docker_container import DockerContainers
from local_test.control_plane.hosts.docker_executor import LABEL, DockerExecutor
from local_test.control_plane.hosts.marks import mark_of_root
from local_test.control_plane.hosts.process_family import MARK
from local_test.control_plane.training.ports import ClientFault, Host, Launch, PlatformFault
from tests.conftest import ROOT
from tests.datasets import iris_rows
from tests.image.container import Image
from tests.opt_ml import build_opt_ml

pytestmark = pytest.mark.image

WITHIN_S = 60.0
IGNORES = (
    "import os, signal, time\n"
    "signal.signal(15, signal.SIG_IGN)\n"
    "if os.fork() == 0: os.setsid()\n"
    "print('up', flush=True)\ntime.sleep(600)"
)


class World:
    """One plane's root; what the engine has of it."""

    def __init__(self, root: Path, image: Image) -> None:
        self.root = root
        self.image = image
        self.executor = DockerExecutor(root, docker=image.docker)

    def launch(self, source: str | None = None, *, n_hosts: int = 1) -> Launch:
        hosts = tuple(self.host(f"algo-{number}") for number in range(1, n_hosts + 1))
        return Launch(
            job_name="job",
            attempt=1,
            image=self.image.name,
            entrypoint=() if source is None else ("python",),
            arguments=() if source is None else ("-Iuc", source),
            environment={},
            hosts=hosts,
            read_only=(),
            is_isolated=False,
        )

    def host(self, name: str) -> Host:
        # A comma and a quote are signs of Docker's own options.
        opt_ml = self.root / 'a,"b"' / name / "ml"
        (opt_ml / "output").mkdir(parents=True, exist_ok=True)
        return Host(name, opt_ml, opt_ml.parent / "log")

    def left(self) -> list[str]:
        """Return containers, networks and clients of this plane, running or not."""
        mine = f"--filter=label={LABEL}={mark_of_root(self.root)}"
        found = [self._ask("ps", "--all", "--quiet", mine), self._ask("network", "ls", "-q", mine)]
        return [*" ".join(found).split(), *(str(pid) for pid in self._clients())]

    def _clients(self) -> Iterator[int]:
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_mine = each.environ().get(MARK, "").startswith(mark_of_root(self.root))
                if is_mine and each.status() != psutil.STATUS_ZOMBIE:
                    yield each.pid

    def _ask(self, *words: str) -> str:
        words = (self.image.docker, *words)
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def world(image: Image, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, image)
    yield made
    made.executor.sweep()


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def ended(containers: DockerContainers) -> Mapping[str, int]:
    """Return the exit codes once all are there."""
    until(lambda: None not in containers.exit_codes().values(), "the hosts do not end")
    return {name: code for name, code in containers.exit_codes().items() if code is not None}


def log_of(launch: Launch, host: int = 0) -> str:
    path = launch.hosts[host].log
    return path.read_text(encoding="utf-8") if path.exists() else ""


def says(launch: Launch, word: str, host: int = 0) -> None:
    until(lambda: word in log_of(launch, host), f"no {word!r} in the log: {log_of(launch, host)}")


def test_the_image_trains_and_nothing_is_left(world: World, tmp_path: Path) -> None:
    tree = build_opt_ml(tmp_path / "tree", {"num_round": 3}, {"train": {"i.csv": iris_rows()}})
    host = Host("algo-1", tree.root, tmp_path / "tree" / "log")
    launch = replace(world.launch(), hosts=(host,), read_only=("input/data/train",))

    containers = world.executor.start(launch)

    assert ended(containers) == {"algo-1": 0}, log_of(launch)
    assert (tree.model / "model.ubj").is_file()
    assert b"train:mlogloss=" in b"".join(data for _, data in containers.output())
    assert world.left() == []


def test_an_orderly_stop_reaches_the_first_process(world: World) -> None:
    source = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: sys.exit(7))\n"
        "print('up')\ntime.sleep(600)"
    )
    launch = world.launch(source)
    containers = world.executor.start(launch)
    says(launch, "up")

    containers.terminate()

    assert ended(containers) == {"algo-1": 7}
    assert world.left() == []


def test_a_host_that_ignores_sigterm_is_killed_with_its_children(world: World) -> None:
    launch = world.launch(IGNORES)
    containers = world.executor.start(launch)
    says(launch, "up")
    n_left = len(world.left())

    containers.terminate()
    time.sleep(0.3)
    assert containers.exit_codes() == {"algo-1": None}
    containers.kill()

    assert ended(containers) == {"algo-1": 137}
    assert n_left == 2  # a container and its client
    assert world.left() == []


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("n_hosts", [1, 2])
def test_a_kill_that_comes_before_the_container_is_not_lost(
    world: World, delay_s: float, n_hosts: int
) -> None:
    launch = world.launch("import time; time.sleep(600)", n_hosts=n_hosts)
    containers = world.executor.start(launch)
    time.sleep(delay_s)

    containers.kill()

    assert set(ended(containers).values()) == {137}
    assert world.left() == []


def test_hosts_meet_by_their_names_on_a_network_that_goes_with_them(world: World) -> None:
    source = """
import os, socket, sys, time
if "leader" in open("/opt/ml/role").read():
    with socket.create_server(("algo-1", 7777)) as server:
        server.accept()[0].sendall(b"hello")
else:
    while True:
        try:
            with socket.create_connection(("algo-1", 7777)) as leader:
                print(leader.recv(5).decode())
                sys.exit(4)
        except OSError:
            time.sleep(0.05)
"""
    launch = world.launch(source, n_hosts=2)
    for host, role in zip(launch.hosts, ("leader", "follower"), strict=True):
        (host.opt_ml / "role").write_text(role, encoding="utf-8")

    containers = world.executor.start(launch)

    assert ended(containers) == {"algo-1": 0, "algo-2": 4}, log_of(launch)
    assert log_of(launch, 1) == "hello\n"
    assert world.left() == []


def test_one_host_reaches_what_listens_on_this_machine_unless_isolated(world: World) -> None:
    # Other containers' ends of a cable come and go.
    names = "[name for _, name in socket.if_nameindex() if not name.startswith('veth')]"
    source = f"import socket; print({names})"

    for is_isolated in (False, True):
        launch = replace(world.launch(source), is_isolated=is_isolated)
        ended(world.executor.start(launch))

    shared, isolated = log_of(launch).splitlines()
    own = [name for _, name in socket.if_nameindex() if not name.startswith("veth")]
    assert len(own) > 1
    assert shared == str(own)
    assert isolated == "['lo']"


def test_variables_and_read_only_folders_arrive(world: World) -> None:
    source = """
import json, os
try:
    open("/opt/ml/output/x", "w")
except OSError as error:
    print(error.errno)
open("/opt/ml/written", "w").close()
print(json.dumps(dict(os.environ)))
"""
    value = 'a "quoted"\nline=ü'
    launch = replace(world.launch(source), environment={"MY": value}, read_only=("output",))

    assert ended(world.executor.start(launch)) == {"algo-1": 0}, log_of(launch)

    number, variables = log_of(launch).splitlines()
    assert number == "30"  # EROFS
    assert json.loads(variables)["MY"] == value
    assert (launch.hosts[0].opt_ml / "written").exists()


def test_an_image_that_is_not_there_is_the_requests_fault(world: World) -> None:
    launch = replace(world.launch(), image="crossfold-that-nobody-built:1")

    with pytest.raises(ClientFault, match="(?i)no such image.*--image"):
        world.executor.start(launch)


def test_another_image_can_stand_in(world: World) -> None:
    executor = DockerExecutor(world.root, docker=world.image.docker, image=world.image.name)
    launch = replace(
        world.launch("print(1)"), image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/x"
    )

    assert ended(executor.start(launch)) == {"algo-1": 0}


def test_a_client_that_is_not_there_is_the_platforms_fault(world: World) -> None:
    executor = DockerExecutor(world.root, docker="no-such-docker")

    with pytest.raises(PlatformFault, match="no-such-docker"):
        executor.start(world.launch())


def test_what_the_engine_refuses_is_the_platforms_fault_once(world: World) -> None:
    launch = replace(world.launch("print(1)"), read_only=("not-there",))
    containers = world.executor.start(launch)

    with pytest.raises(PlatformFault, match="docker: .*bind source path does not exist"):
        ended(containers)

    containers.kill()
    assert ended(containers) == {"algo-1": 125}
    assert world.left() == []


def test_a_program_may_end_with_the_engines_code(world: World) -> None:
    assert ended(world.executor.start(world.launch("raise SystemExit(125)"))) == {"algo-1": 125}


def test_a_client_that_was_killed_leaves_no_container(world: World) -> None:
    launch = world.launch(IGNORES)
    containers = world.executor.start(launch)
    says(launch, "up")

    for pid in list(world._clients()):
        os.kill(pid, signal.SIGKILL)

    assert ended(containers) == {"algo-1": 137}
    assert world.left() == []


def test_a_killed_planes_containers_and_networks_are_swept(world: World) -> None:
    launch = world.launch(IGNORES, n_hosts=2)
    words = ["-m", "tests.image.killed_plane", str(world.root), world.image.docker]
    plane = subprocess.Popen([sys.executable, *words, world.image.name, IGNORES], cwd=ROOT)
    for number in range(2):
        says(launch, "up", number)
    plane.kill()
    plane.wait()
    n_left = len(world.left())

    world.executor.sweep()

    assert n_left == 5  # two containers, their clients and the network
    assert world.left() == []
