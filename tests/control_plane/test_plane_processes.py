"""Hosts as processes: how they start and end, and that nothing of them is left, by counting."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local_test.control_plane.hosts import process_family
from local_test.control_plane.hosts.log_tail import LOOK_BYTES
from local_test.control_plane.hosts.marks import mark_of_root
from local_test.control_plane.hosts.namespaces import Namespaces
from local_test.control_plane.hosts.process_executor import ProcessExecutor
from local_test.control_plane.hosts.process_family import MARK
from local_test.control_plane.hosts.process_host import ProcessContainers
from local_test.control_plane.training.ports import ClientFault, Host, Launch, PlatformFault
from tests.conftest import ROOT
from tests.datasets import iris_rows
from tests.opt_ml import build_opt_ml

WITHIN_S = 60.0
needs_namespaces = pytest.mark.skipif(
    Namespaces().options is None, reason="this machine gives us no namespaces"
)


class NoNamespaces(Namespaces):
    """A machine that has none."""

    options = None


class World:
    """One plane's root, and the programs that its images would contain."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.programs = folder / "programs"
        self.programs.mkdir()
        # The executor looks for programs beside its Python first.
        self.python = self.programs / "python"
        self.python.symlink_to(sys.executable)
        self.executor = ProcessExecutor(self.root, python=str(self.python))

    def program(self, source: str, name: str = "program") -> str:
        """Write a program; its children find their Python in PYTHON."""
        path = self.programs / name
        head = f"#!{sys.executable} -Iu\nimport os, signal, subprocess, sys, time\n"
        path.write_text(f"{head}PYTHON = {sys.executable!r}\n{source}", encoding="utf-8")
        path.chmod(0o755)
        return name

    def launch(self, source: str | None = None, *, n_hosts: int = 1) -> Launch:
        hosts = tuple(self.host(f"algo-{number}") for number in range(1, n_hosts + 1))
        return Launch(
            job_name="job",
            attempt=1,
            image="image",
            entrypoint=() if source is None else (self.program(source),),
            arguments=(),
            environment={},
            hosts=hosts,
            read_only=(),
            is_isolated=False,
        )

    def host(self, name: str) -> Host:
        opt_ml = self.root / "jobs" / name / "ml"
        (opt_ml / "output").mkdir(parents=True, exist_ok=True)
        return Host(name, opt_ml, opt_ml.parent / "log")

    def left(self) -> list[str]:
        """Return what psutil, which the executor does not ask, finds of this plane."""
        return [" ".join(each.cmdline()) for each in marked(self.root)]


def marked(root: Path) -> Iterator[psutil.Process]:
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mine = each.environ().get(MARK, "").startswith(mark_of_root(root))
            if mine and each.status() != psutil.STATUS_ZOMBIE:
                yield each


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.executor.sweep()


@pytest.fixture(params=["process", pytest.param("namespaces", marks=needs_namespaces)])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run foreign programs both ways: plain, as only our own commands are, and in namespaces."""
    if request.param == "process":
        monkeypatch.setattr(ProcessExecutor, "_is_inside", lambda *_: False)
    return str(request.param)


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def ended(containers: ProcessContainers) -> Mapping[str, int]:
    """Return the exit codes once all are there."""
    until(lambda: None not in containers.exit_codes().values(), "the hosts do not end")
    return {name: code for name, code in containers.exit_codes().items() if code is not None}


def says(launch: Launch, word: str, host: int = 0) -> None:
    log = launch.hosts[host].log
    until(lambda: word in log.read_text(encoding="utf-8"), f"no {word!r} in the log")


def test_train_is_this_checkouts_command_with_its_own_root(world: World, tmp_path: Path) -> None:
    tree = build_opt_ml(tmp_path / "tree", {"num_round": 3}, {"train": {"i.csv": iris_rows()}})
    host = Host("algo-1", tree.root, tmp_path / "tree" / "log")
    executor = ProcessExecutor(world.root)

    containers = executor.start(replace(world.launch(), hosts=(host,)))

    assert ended(containers) == {"algo-1": 0}, host.log.read_text(encoding="utf-8")
    assert (tree.model / "model.ubj").is_file()
    assert b"train:mlogloss=" in b"".join(data for _, data in containers.output())
    assert world.left() == []


@pytest.mark.parametrize(
    ("end", "code"),
    [("sys.exit(0)", 0), ("sys.exit(3)", 3), ("os.kill(0, signal.SIGKILL)", 137)],
)
def test_the_exit_code_is_the_first_processes(world: World, end: str, code: int, way: str) -> None:
    if way == "namespaces" and code == 137:
        # As process number 1 it cannot be killed from inside: its child is.
        end = "os._exit(128 + os.waitstatus_to_exitcode(os.system('kill -9 $$')) * -1)"
    containers = world.executor.start(world.launch(end))

    assert ended(containers) == {"algo-1": code}
    assert world.left() == []


def test_a_signal_is_reported_as_128_and_its_number(world: World, way: str) -> None:
    launch = world.launch("signal.signal(15, signal.SIG_DFL); print('up'); time.sleep(60)")
    containers = world.executor.start(launch)
    says(launch, "up")

    containers.terminate()
    if way == "namespaces":
        # The kernel keeps SIGTERM from a process number 1 that does not handle it, as Docker's.
        time.sleep(0.05)
        assert containers.exit_codes() == {"algo-1": None}
        containers.kill()

    assert ended(containers) == {"algo-1": 143 if way == "process" else 137}
    assert world.left() == []


def test_sigterm_reaches_the_first_process_and_no_other(world: World, way: str) -> None:
    child = "import os, signal, time; signal.signal(15, lambda *_: os.write(2, b'child hit'))\n"
    child += "print('up')\nwhile True: time.sleep(60)"
    # It says that it is up itself: what a handler raises while Python makes a process may be lost.
    source = f"""
def stop(*_):
    time.sleep(0.05)
    print("bye")
    sys.exit(7)
signal.signal(15, stop)
child = subprocess.Popen([PYTHON, "-Iuc", {child!r}], stdout=subprocess.PIPE)
os.write(1, child.stdout.readline())
while True: time.sleep(60)
"""
    launch = world.launch(source)
    containers = world.executor.start(launch)
    says(launch, "up")

    containers.terminate()

    assert ended(containers) == {"algo-1": 7}
    assert launch.hosts[0].log.read_text(encoding="utf-8").split("\n") == ["up", "bye", ""]
    assert world.left() == []


def test_a_terminals_interrupt_does_not_reach_the_job(world: World, way: str) -> None:
    launch = world.launch("print('up'); time.sleep(60)")
    containers = world.executor.start(launch)
    says(launch, "up")

    (leader, *_) = sorted(marked(world.root), key=lambda each: each.pid)

    assert os.getsid(leader.pid) != os.getsid(0)
    assert os.getpgid(leader.pid) != os.getpgid(0)
    assert leader.nice() > psutil.Process().nice()
    containers.kill()
    assert ended(containers) == {"algo-1": 137}


IGNORES = "signal.signal(15, signal.SIG_IGN)\n"
LEAVES = """
for clean in (False, True):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            environ = dict(os.environ)
            words = [PYTHON, "-Iuc", "import signal, time; signal.signal(15, 1); time.sleep(60)"]
            os.execve(PYTHON, words, environ)
        time.sleep(60)
# A child without the mark is found by its session, one in its own session by its parent.
subprocess.Popen(["/bin/sleep", "SECONDS"], env={})
subprocess.Popen(["/bin/sleep", "SECONDS"], env={}, start_new_session=True)
"""


@pytest.mark.parametrize("end", ["kill", "by itself"])
def test_nothing_is_left_of_a_host_that_forks_twice_and_ignores_sigterm(
    world: World, end: str, way: str
) -> None:
    # Nobody else on this machine sleeps for that long.
    seconds = f"60.{uuid.uuid4().int}"
    last = "print('up', flush=True)\ntime.sleep(60)" if end == "kill" else "sys.exit(5)"
    launch = world.launch(IGNORES + LEAVES.replace("SECONDS", seconds) + last)

    containers = world.executor.start(launch)
    if end == "kill":
        says(launch, "up")
        try:
            # Its grandchildren may come after its first word.
            until(lambda: len(world.left()) >= 5, "the host has not forked")
            containers.terminate()
            time.sleep(0.02)
            assert containers.exit_codes() == {"algo-1": None}
        finally:
            containers.kill()

    assert ended(containers) == {"algo-1": 137 if end == "kill" else 5}
    assert world.left() == []
    ours = [each for each in psutil.pids() if _sleeps(each, seconds)]
    # A cleared environment and a session of its own, orphaned before anybody looked: documented.
    allowed = 1 if (end, way) == ("by itself", "process") else 0
    for each in ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    assert len(ours) <= allowed


def _sleeps(pid: int, seconds: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).cmdline() == ["/bin/sleep", seconds])
    return False


def test_hosts_end_one_by_one(world: World) -> None:
    source = (
        "print(os.environ['HOME'], flush=True); time.sleep(60 * ('algo-1' in os.environ['HOME']))"
    )
    launch = replace(world.launch(source, n_hosts=3), is_isolated=False)
    containers = world.executor.start(launch)

    until(lambda: list(containers.exit_codes().values())[1:] == [0, 0], "two do not end")

    assert containers.exit_codes()["algo-1"] is None
    containers.kill()
    assert ended(containers) == {"algo-1": 137, "algo-2": 0, "algo-3": 0}
    assert world.left() == []


def test_output_comes_once_in_order_and_in_bounded_pieces(world: World) -> None:
    n_bytes = 2 * LOOK_BYTES + 77
    launch = world.launch(f"os.write(2, b'first|')\nsys.stdout.write('x' * {n_bytes})")
    log = launch.hosts[0].log
    log.write_text("an earlier attempt's\n", encoding="utf-8")

    containers = world.executor.start(launch)
    ended(containers)
    pieces = []
    while output := containers.output():
        pieces += [data for name, data in output if name == "algo-1"]

    assert b"".join(pieces) == b"first|" + b"x" * n_bytes
    assert max(map(len, pieces)) == LOOK_BYTES
    assert containers.output() == []


def test_a_killed_plane_leaves_processes_that_the_next_one_sweeps(world: World) -> None:
    """Another plane with another root loses nothing."""
    other = World(_made(world.root.parent / "other"))
    other_launch = other.launch("print('up'); time.sleep(60)")
    others = other.executor.start(other_launch)
    launch = world.launch(IGNORES + LEAVES + "print('up', flush=True)\ntime.sleep(60)")
    words = ["-m", "tests.control_plane.killed_plane", str(world.root), str(world.python)]
    plane = subprocess.Popen([sys.executable, *words, launch.entrypoint[0]], cwd=ROOT)
    until(launch.hosts[0].log.exists, "nothing starts")
    says(launch, "up")
    # Its grandchildren may come after its first word.
    until(lambda: len(world.left()) >= 5, "the host has not forked")
    plane.send_signal(signal.SIGKILL)
    plane.wait()
    n_left = len(world.left())

    world.executor.sweep()

    assert n_left >= 5
    assert world.left() == []
    assert others.exit_codes() == {"algo-1": None}
    others.kill()
    ended(others)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_job_sees_neither_our_variables_nor_our_home(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-the-user")
    launch = replace(
        world.launch("import json; print(json.dumps(dict(os.environ)))"),
        environment={"TRAINING_JOB_NAME": "job", "LANG": "de_DE.UTF-8"},
    )

    containers = world.executor.start(launch)
    ended(containers)

    ((_, line),) = containers.output()
    seen = json.loads(line)
    assert "AWS_PROFILE" not in seen
    assert seen["HOME"] == str(launch.hosts[0].opt_ml.parent / "home")
    assert (seen["TRAINING_JOB_NAME"], seen["LANG"]) == ("job", "de_DE.UTF-8")
    expected = str(launch.hosts[0].opt_ml) if way == "process" else None
    assert seen.get("SAGEMAKER_BASE_DIR") == expected


@needs_namespaces
def test_an_entry_point_finds_opt_ml_by_its_literal_path(world: World) -> None:
    launch = world.launch()
    (host,) = launch.hosts
    channel = host.opt_ml / "input" / "data" / "code"
    channel.mkdir(parents=True)
    script = channel / "run.sh"
    script.write_text('cat "$0" > /opt/ml/output/failure; echo "$$ $(ls /opt) $1"; echo x > "$0"')
    words = f"chmod +x {'/opt/ml/input/data/code/run.sh'} ; . /opt/ml/input/data/code/run.sh"
    before = (Path("/proc/self/mounts").read_text(encoding="utf-8"), sorted(Path("/opt").iterdir()))
    launch = replace(
        launch,
        entrypoint=("/bin/sh",),
        arguments=("-c", words, "/opt/ml/input/data/code/run.sh", "end"),
        read_only=("input/data/code",),
    )

    containers = world.executor.start(launch)

    assert ended(containers)["algo-1"] != 0  # the channel is read-only
    log = host.log.read_text(encoding="utf-8")
    assert (host.opt_ml / "output" / "failure").read_text(encoding="utf-8").startswith('cat "$0"')
    assert "Read-only file system" in log
    assert log.startswith("chmod")
    assert "1 " in log
    assert " end\n" in log
    assert {path.name for path in before[1]} | {"ml"} <= set(log.split())
    after = (Path("/proc/self/mounts").read_text(encoding="utf-8"), sorted(Path("/opt").iterdir()))
    assert after == before
    assert list((host.opt_ml.parent / "stage").iterdir()) == []


@needs_namespaces
def test_an_isolated_job_has_no_network_but_its_own_loopback(world: World) -> None:
    source = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname())
print(socket.if_nameindex())
"""
    launch = replace(world.launch(source), is_isolated=True)

    containers = world.executor.start(launch)

    log = launch.hosts[0].log
    assert ended(containers) == {"algo-1": 0}, log.read_text(encoding="utf-8")
    assert log.read_text(encoding="utf-8") == "[(1, 'lo')]\n"


@pytest.mark.parametrize(
    ("entrypoint", "arguments", "fragment"),
    [
        ((), ("tune",), "ContainerArguments begin with 'tune'"),
        (("no-such-program",), (), "there is no such program on this machine"),
        (("/bin/sh",), ("-c", "true"), "use the docker executor"),
    ],
)
def test_what_only_a_container_has_is_refused(
    world: World, entrypoint: tuple[str, ...], arguments: tuple[str, ...], fragment: str
) -> None:
    executor = ProcessExecutor(world.root, namespaces=NoNamespaces())
    launch = replace(world.launch(), entrypoint=entrypoint, arguments=arguments)

    with pytest.raises(ClientFault, match=fragment):
        executor.start(launch)

    assert world.left() == []


def test_our_commands_need_no_namespaces_as_entry_point(world: World) -> None:
    executor = ProcessExecutor(world.root, namespaces=NoNamespaces())
    launch = replace(world.launch(), entrypoint=("train",))
    (launch.hosts[0].opt_ml / "input").mkdir()

    containers = executor.start(launch)

    assert ended(containers) == {"algo-1": 1}
    text = (launch.hosts[0].opt_ml / "output" / "failure").read_text(encoding="utf-8")
    assert text.startswith("UserError: ")


def test_a_host_that_cannot_start_takes_the_others_with_it(world: World) -> None:
    launch = world.launch("time.sleep(60)", n_hosts=2)
    (launch.hosts[1].log).mkdir()

    with pytest.raises(PlatformFault, match="host algo-2 could not be started"):
        world.executor.start(launch)

    assert world.left() == []


def test_both_ways_to_list_processes_agree(world: World) -> None:
    launch = world.launch("print('up'); time.sleep(60)")
    containers = world.executor.start(launch)
    says(launch, "up")
    mark = f"{MARK}={mark_of_root(world.root)}-".encode()

    of_proc, of_psutil = (
        {(each.pid, each.parent, each.session) for each in listed() if mark in each.environ}
        for listed in (process_family._of_proc, process_family._of_psutil)
    )

    assert of_proc == of_psutil != set()
    containers.kill()
    ended(containers)
